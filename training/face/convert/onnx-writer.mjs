/**
 * Writes ONNX files: the few messages of onnx.proto3 that a feed-forward graph needs, encoded as
 * protocol buffers by hand, so that converting a net needs no package at all.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */

export const FLOAT = 1;
export const INT64 = 7;
export const FLOAT16 = 10;

/** @param {number | bigint} value */
function varint(value) {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

/** A field holding an integer (wire type 0). */
const integer = (number, value) => Buffer.concat([varint(number << 3), varint(value)]);

/** A field holding bytes, text or another message (wire type 2). */
function bytes(number, value) {
  const content = Buffer.isBuffer(value) ? value : Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);
}

function float32(number, value) {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return Buffer.concat([varint((number << 3) | 5), content]);
}

/**
 * An attribute of a node: an integer, a list of integers, or text. Floating-point attributes are
 * given as `{ float: value }`, because 1 and 1.0 are the same JavaScript number.
 */
function attribute(name, value) {
  if (Array.isArray(value)) {
    return Buffer.concat([bytes(1, name), ...value.map((v) => integer(8, v)), integer(20, 7)]);
  }
  if (typeof value === 'string') {
    return Buffer.concat([bytes(1, name), bytes(4, value), integer(20, 3)]);
  }
  if (typeof value === 'object') {
    return Buffer.concat([bytes(1, name), float32(2, value.float), integer(20, 1)]);
  }
  if (!Number.isInteger(value)) throw new TypeError(`attribute ${name}: ${value} is no integer`);
  return Buffer.concat([bytes(1, name), integer(3, value), integer(20, 2)]);
}

/** Element types by the typed array that holds them; a Uint16Array holds the bits of float16. */
function elementType(data) {
  if (data instanceof Float32Array) return FLOAT;
  if (data instanceof Uint16Array) return FLOAT16;
  if (data instanceof BigInt64Array) return INT64;
  throw new TypeError(`no ONNX element type for ${data.constructor.name}`);
}

/** Collects nodes and constants of one graph and encodes them as an ONNX model, opset 13. */
export class OnnxGraph {
  #nodes = [];
  #initializers = [];
  #counter = 0;

  /** Adds a node and returns the name of its output. */
  node(operator, inputs, attributes = {}, output = `v${this.#counter++}`) {
    this.#nodes.push(
      Buffer.concat([
        ...inputs.map((name) => bytes(1, name)),
        bytes(2, output),
        bytes(3, output),
        bytes(4, operator),
        ...Object.entries(attributes).map(([name, value]) => bytes(5, attribute(name, value))),
      ]),
    );
    return output;
  }

  /**
   * Adds a constant and returns the name that nodes use for it. Float16 constants are stored as
   * they are and cast to float32 in the graph, which a runtime does once when it loads the file.
   */
  constant(dims, data) {
    const count = dims.reduce((a, b) => a * b, 1);
    if (count !== data.length)
      throw new RangeError(`[${dims}] does not hold ${data.length} values`);
    const name = `c${this.#counter++}`;
    const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.#initializers.push(
      Buffer.concat([
        ...dims.map((d) => integer(1, d)),
        integer(2, elementType(data)),
        bytes(8, name),
        bytes(9, raw),
      ]),
    );
    return data instanceof Uint16Array ? this.node('Cast', [name], { to: FLOAT }) : name;
  }

  /**
   * @param {string} name of the graph
   * @param {{ name: string, dims: number[] }[]} inputs float32
   * @param {{ name: string, dims: number[] }[]} outputs float32
   * @param {Record<string, string>} metadata shown by viewers: origin, licence
   */
  encode(name, inputs, outputs, metadata = {}) {
    const value = ({ name: label, dims }) => {
      const shape = Buffer.concat(dims.map((d) => bytes(1, integer(1, d))));
      const tensor = Buffer.concat([integer(1, FLOAT), bytes(2, shape)]);
      return Buffer.concat([bytes(1, label), bytes(2, bytes(1, tensor))]);
    };
    const graph = Buffer.concat([
      ...this.#nodes.map((n) => bytes(1, n)),
      bytes(2, name),
      ...this.#initializers.map((t) => bytes(5, t)),
      ...inputs.map((i) => bytes(11, value(i))),
      ...outputs.map((o) => bytes(12, value(o))),
    ]);
    return Buffer.concat([
      integer(1, 7),
      bytes(2, 'node-red-emotion training/face/convert'),
      bytes(7, graph),
      bytes(8, integer(2, 13)),
      ...Object.entries(metadata).map(([key, text]) =>
        bytes(14, Buffer.concat([bytes(1, key), bytes(2, text)])),
      ),
    ]);
  }
}
