/**
 * TensorFlow.js graph models → ONNX, for the operators of MediaPipe's face nets.
 *
 * The input stays [1, height, width, 3] as the original has it; inside, pictures are [1, channels,
 * height, width] as ONNX wants them. Padding nodes in front of a convolution become its `pads`.
 */
import { OnnxGraph } from './onnx-writer.mjs';
import { readGraphModel, tensorName } from './tfjs-graph.mjs';

/**
 * A value while the graph is built: its ONNX name, its shape in TensorFlow's order, and whether the
 * ONNX tensor has its channels second.
 * @typedef {{ name: string, shape: number[], channelsSecond: boolean }} Value
 */

/** Output size and padding of one dimension, as TensorFlow defines SAME and VALID. */
export function windowing(padding, size, window, stride, dilation = 1) {
  const extent = (window - 1) * dilation + 1;
  if (padding === 'VALID')
    return { size: Math.floor((size - extent) / stride) + 1, before: 0, after: 0 };
  if (padding !== 'SAME') throw new Error(`padding is "${padding}", expected SAME or VALID`);
  const out = Math.ceil(size / stride);
  const total = Math.max(0, (out - 1) * stride + extent - size);
  return { size: out, before: total >> 1, after: total - (total >> 1) };
}

/** Reorders the axes of a dense array. */
export function permute(data, shape, order) {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const dims = order.map((axis) => shape[axis]);
  const steps = order.map((axis) => strides[axis]);
  const out = new data.constructor(data.length);
  const index = dims.map(() => 0);
  for (let i = 0; i < out.length; i++) {
    out[i] = data[index.reduce((sum, at, axis) => sum + at * steps[axis], 0)];
    for (let axis = dims.length - 1; axis >= 0 && ++index[axis] === dims[axis]; axis--)
      index[axis] = 0;
  }
  return { data: out, dims };
}

const text = (attribute) => Buffer.from(attribute.s, 'base64').toString();
const integers = (attribute) => attribute.list.i.map(Number);

class Converter {
  #graph = new OnnxGraph();
  #values = new Map();
  #input;

  constructor(model) {
    this.model = model;
  }

  /** @param {Record<string, string>} outputs ONNX output name → output name of the signature */
  convert(name, outputs, metadata) {
    const described = Object.entries(outputs).map(([label, original]) => {
      const source = this.model.outputs.get(original);
      if (source === undefined) {
        const known = [...this.model.outputs.keys()].join(', ');
        throw new Error(`the model has no output "${original}", only ${known}`);
      }
      const value = this.#value(source);
      this.#graph.node('Identity', [this.#channelsLast(value)], {}, label);
      return { name: label, dims: value.shape };
    });
    return this.#graph.encode(name, [this.#input], described, metadata);
  }

  /** @returns {Value} */
  #value(reference) {
    const name = tensorName(reference);
    if (!this.#values.has(name)) {
      const node = this.model.nodes.get(name);
      if (node === undefined) throw new Error(`no node "${name}"`);
      const build = this.#operators[node.op];
      if (build === undefined) throw new Error(`operator ${node.op} (${name}) is not supported`);
      this.#values.set(name, build(node));
    }
    return this.#values.get(name);
  }

  #weight(reference) {
    const weight = this.model.weights.get(tensorName(reference));
    if (weight === undefined) throw new Error(`"${reference}" is no constant`);
    return weight;
  }

  #channelsLast(value) {
    return value.channelsSecond
      ? this.#graph.node('Transpose', [value.name], { perm: [0, 2, 3, 1] })
      : value.name;
  }

  /** A constant that holds one value a channel, shaped for a tensor with its channels second. */
  #perChannel(reference) {
    const { data } = this.#weight(reference);
    return this.#graph.constant([data.length, 1, 1], data);
  }

  #pointwise(operator, node, extra = []) {
    const input = this.#value(node.input[0]);
    return { ...input, name: this.#graph.node(operator, [input.name, ...extra]) };
  }

  /** The input of a convolution, and the spatial padding of a Pad node that stands before it. */
  #padded(reference) {
    const node = this.model.nodes.get(tensorName(reference));
    if (node?.op !== 'Pad') return { input: this.#value(reference), pads: [0, 0, 0, 0] };
    const [n0, n1, top, bottom, left, right, c0, c1] = this.#weight(node.input[1]).data;
    if (n0 || n1 || c0 || c1) return { input: this.#value(reference), pads: [0, 0, 0, 0] };
    return { input: this.#value(node.input[0]), pads: [top, left, bottom, right] };
  }

  #convolution(node, depthwise) {
    const { input, pads } = this.#padded(node.input[0]);
    const weight = this.#weight(node.input[1]);
    const [height, width, inputs, outputs] = weight.shape;
    // [h, w, in, out] → [out, in, h, w]; depthwise [h, w, in, multiplier] → [in * multiplier, 1, h, w].
    const { data } = permute(weight.data, weight.shape, depthwise ? [2, 3, 0, 1] : [3, 2, 0, 1]);
    const dims = depthwise
      ? [inputs * outputs, 1, height, width]
      : [outputs, inputs, height, width];
    const [, strideY, strideX] = integers(node.attr.strides);
    const [, dilationY, dilationX] = node.attr.dilations
      ? integers(node.attr.dilations)
      : [1, 1, 1];
    const padding = text(node.attr.padding);
    const rows = windowing(padding, input.shape[1] + pads[0] + pads[2], height, strideY, dilationY);
    const columns = windowing(
      padding,
      input.shape[2] + pads[1] + pads[3],
      width,
      strideX,
      dilationX,
    );

    const fused = (node.attr.fused_ops?.list?.s ?? []).map((s) => text({ s }));
    const inputsOfNode = [input.name, this.#graph.constant(dims, data)];
    if (fused[0] === 'BiasAdd') {
      const bias = this.#weight(node.input[2]);
      inputsOfNode.push(this.#graph.constant([bias.data.length], bias.data));
    }
    let name = this.#graph.node('Conv', inputsOfNode, {
      kernel_shape: [height, width],
      strides: [strideY, strideX],
      dilations: [dilationY, dilationX],
      pads: [
        pads[0] + rows.before,
        pads[1] + columns.before,
        pads[2] + rows.after,
        pads[3] + columns.after,
      ],
      group: depthwise ? inputs : 1,
    });
    for (const activation of fused.filter((f) => f !== 'BiasAdd')) {
      if (activation === 'Relu') name = this.#graph.node('Relu', [name]);
      else if (activation === 'Prelu') {
        name = this.#graph.node('PRelu', [name, this.#perChannel(node.input[3])]);
      } else throw new Error(`${node.name}: fused ${activation} is not supported`);
    }
    return { name, channelsSecond: true, shape: [1, rows.size, columns.size, dims[0]] };
  }

  #add(node) {
    const [left, right] = node.input;
    const input = this.#value(left);
    if (!this.model.weights.has(tensorName(right))) {
      const other = this.#value(right);
      if (String(input.shape) !== String(other.shape)) {
        throw new Error(
          `${node.name}: adding [${other.shape}] to [${input.shape}] is not supported`,
        );
      }
      return { ...input, name: this.#graph.node('Add', [input.name, other.name]) };
    }
    return { ...input, name: this.#graph.node('Add', [input.name, this.#perChannel(right)]) };
  }

  #maxPool(node) {
    const input = this.#value(node.input[0]);
    const [, height, width] = integers(node.attr.ksize);
    const [, strideY, strideX] = integers(node.attr.strides);
    const padding = text(node.attr.padding);
    const rows = windowing(padding, input.shape[1], height, strideY);
    const columns = windowing(padding, input.shape[2], width, strideX);
    const name = this.#graph.node('MaxPool', [input.name], {
      kernel_shape: [height, width],
      strides: [strideY, strideX],
      pads: [rows.before, columns.before, rows.after, columns.after],
    });
    return { name, channelsSecond: true, shape: [1, rows.size, columns.size, input.shape[3]] };
  }

  #pad(node) {
    const input = this.#value(node.input[0]);
    const [n0, n1, top, bottom, left, right, c0, c1] = this.#weight(node.input[1]).data;
    const pads = BigInt64Array.from([n0, c0, top, left, n1, c1, bottom, right], BigInt);
    const name = this.#graph.node('Pad', [input.name, this.#graph.constant([8], pads)]);
    const [n, h, w, c] = input.shape;
    return {
      name,
      channelsSecond: true,
      shape: [n + n0 + n1, h + top + bottom, w + left + right, c + c0 + c1],
    };
  }

  /** The batch is always 1, so a shape that is computed at run time is known here. */
  #shapeOf(reference) {
    const node = this.model.nodes.get(tensorName(reference));
    if (node?.op !== 'Pack') return [...this.#weight(reference).data];
    return node.input.map((part, axis) => (axis === 0 ? 1 : this.#weight(part).data[0]));
  }

  #reshape(node) {
    const input = this.#value(node.input[0]);
    const wanted = this.#shapeOf(node.input[1]);
    const count = input.shape.reduce((a, b) => a * b, 1);
    const known = wanted.filter((d) => d > 0).reduce((a, b) => a * b, 1);
    const shape = wanted.map((d) => (d > 0 ? d : count / known));
    const target = this.#graph.constant([shape.length], BigInt64Array.from(shape, BigInt));
    const name = this.#graph.node('Reshape', [this.#channelsLast(input), target]);
    return { name, channelsSecond: false, shape };
  }

  #concat(node) {
    const parts = node.input.slice(0, -1).map((part) => this.#value(part));
    const wanted = this.#weight(node.input.at(-1)).data[0];
    const axis = wanted < 0 ? wanted + parts[0].shape.length : wanted;
    const names = parts.map((part) => this.#channelsLast(part));
    const shape = [...parts[0].shape];
    shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis], 0);
    return { name: this.#graph.node('Concat', names, { axis }), channelsSecond: false, shape };
  }

  #resize(node) {
    const input = this.#value(node.input[0]);
    const [height, width] = this.#weight(node.input[1]).data;
    const mode = node.attr.align_corners?.b
      ? 'align_corners'
      : node.attr.half_pixel_centers?.b
        ? 'half_pixel'
        : 'asymmetric';
    const sizes = BigInt64Array.from([1, input.shape[3], height, width], BigInt);
    const name = this.#graph.node(
      'Resize',
      [input.name, '', '', this.#graph.constant([4], sizes)],
      { mode: 'linear', coordinate_transformation_mode: mode },
    );
    return { name, channelsSecond: true, shape: [1, height, width, input.shape[3]] };
  }

  #depthToSpace(node) {
    const input = this.#value(node.input[0]);
    const block = Number(node.attr.block_size.i);
    const name = this.#graph.node('DepthToSpace', [input.name], { blocksize: block, mode: 'DCR' });
    const [n, h, w, c] = input.shape;
    return { name, channelsSecond: true, shape: [n, h * block, w * block, c / block ** 2] };
  }

  #placeholder(node) {
    const dims = node.attr.shape.shape.dim.map((d) => Number(d.size));
    const shape = [1, ...dims.slice(1)];
    this.#input = { name: node.name, dims: shape };
    const name = this.#graph.node('Transpose', [node.name], { perm: [0, 3, 1, 2] });
    return { name, channelsSecond: true, shape };
  }

  #operators = {
    Placeholder: (node) => this.#placeholder(node),
    Conv2D: (node) => this.#convolution(node, false),
    _FusedConv2D: (node) => this.#convolution(node, false),
    DepthwiseConv2dNative: (node) => this.#convolution(node, true),
    FusedDepthwiseConv2dNative: (node) => this.#convolution(node, true),
    AddV2: (node) => this.#add(node),
    Relu: (node) => this.#pointwise('Relu', node),
    Sigmoid: (node) => this.#pointwise('Sigmoid', node),
    Prelu: (node) => this.#pointwise('PRelu', node, [this.#perChannel(node.input[1])]),
    MaxPool: (node) => this.#maxPool(node),
    Pad: (node) => this.#pad(node),
    Reshape: (node) => this.#reshape(node),
    ConcatV2: (node) => this.#concat(node),
    ResizeBilinear: (node) => this.#resize(node),
    DepthToSpace: (node) => this.#depthToSpace(node),
    Identity: (node) => this.#value(node.input[0]),
  };
}

/**
 * @param {string} path of the TensorFlow.js `model.json`
 * @param {string} name of the ONNX graph
 * @param {Record<string, string>} outputs ONNX output name → output name of the model's signature;
 *   what is not named is left out of the graph
 * @param {Record<string, string>} metadata stored in the file
 * @returns {Buffer} the ONNX file
 */
export function tfjsToOnnx(path, name, outputs, metadata = {}) {
  return new Converter(readGraphModel(path)).convert(name, outputs, metadata);
}
