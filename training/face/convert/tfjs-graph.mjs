/** Reads a TensorFlow.js graph model: `model.json` and the weight files it names. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * @typedef {object} Weight
 * @property {number[]} shape
 * @property {Float32Array | Uint16Array | Int32Array} data Uint16Array: the bits of float16
 */

/** @returns {{ nodes: Map<string, any>, weights: Map<string, Weight>, outputs: Map<string, string> }} */
export function readGraphModel(path) {
  const model = JSON.parse(readFileSync(path, 'utf8'));
  if (model.format !== undefined && model.format !== 'graph-model') {
    throw new Error(`${path}: format is "${model.format}", expected "graph-model"`);
  }
  const weights = new Map();
  for (const group of model.weightsManifest) {
    const file = Buffer.concat(group.paths.map((p) => readFileSync(join(dirname(path), p))));
    let offset = 0;
    for (const entry of group.weights) {
      const count = entry.shape.reduce((a, b) => a * b, 1);
      const { data, length } = decode(file.subarray(offset), count, entry, path);
      weights.set(entry.name, { shape: entry.shape, data });
      offset += length;
    }
    if (offset !== file.length) throw new Error(`${path}: ${file.length - offset} bytes left over`);
  }
  const nodes = new Map(model.modelTopology.node.map((node) => [node.name, node]));
  const outputs = new Map(
    Object.entries(model.signature.outputs).map(([name, o]) => [
      tensorName(name),
      tensorName(o.name),
    ]),
  );
  return { nodes, weights, outputs };
}

/** `name:0` and the control input `^name` → `name`. */
export function tensorName(reference) {
  return reference.replace(/^\^/, '').replace(/:\d+$/, '');
}

function decode(bytes, count, entry, path) {
  const stored = entry.quantization?.dtype ?? entry.dtype;
  const width = { float16: 2, float32: 4, int32: 4, uint8: 1, uint16: 2 }[stored];
  if (width === undefined || bytes.length < count * width) {
    throw new Error(`${path}: cannot read ${count} values of type ${stored} for ${entry.name}`);
  }
  // A copy, because typed arrays want an aligned start.
  const own = new Uint8Array(bytes.subarray(0, count * width)).buffer;
  const length = count * width;
  if (stored === 'float16') return { data: new Uint16Array(own), length };
  if (stored === 'float32') return { data: new Float32Array(own), length };
  if (stored === 'int32') return { data: new Int32Array(own), length };
  const codes = width === 1 ? new Uint8Array(own) : new Uint16Array(own);
  const { scale, min } = entry.quantization;
  return { data: Float32Array.from(codes, (code) => code * scale + min), length };
}
