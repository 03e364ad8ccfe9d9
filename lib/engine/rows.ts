import { EmotionError } from '../emotion/error';
import {
  isSample,
  type FusionSample,
  type Sample,
  type Tensor,
  type TensorData,
  type TensorType,
} from '../emotion/sample';
import type { Manifest, TensorSpec } from '../models/manifest';

/** A named dimension that may differ from row to row. */
export type DynamicAxis = Exclude<TensorSpec['shape'][number], number | 'batch'>;

/** One input of one row: dims without the batch dimension, cut to the row's own length. */
export interface RowTensor {
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** One row of a sample, ready to be put into a batch. */
export interface PreparedRow {
  readonly tensors: Readonly<Record<string, RowTensor>>;
  /** The row's own length by dynamic axis. */
  readonly lengths: Readonly<Partial<Record<DynamicAxis, number>>>;
}

const TENSOR_DATA = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  float16: Uint16Array,
} as const satisfies Record<TensorType, unknown>;

/** A zero-filled typed array for a tensor type. */
export function allocate(type: TensorType, length: number): TensorData {
  return new TENSOR_DATA[type](length);
}

/**
 * Checks a sample against the inputs of a model.
 *
 * @returns the number of rows; 0 for a sample that says why there is nothing to infer
 * @throws EmotionError `input.wrong-model` when another model's manifest prepared it,
 * `input.not-a-sample` when it is none, or a tensor is missing or has another type, shape or size
 * than declared
 */
export function checkSample(sample: Sample | FusionSample, manifest: Manifest): number {
  if (!isSample(sample) && sample?.modality !== 'multimodal') {
    throw notASample('what a preprocess node makes', typeof sample);
  }
  if (sample.model !== manifest.id) {
    throw new EmotionError(
      'input.wrong-model',
      `expected a sample prepared for model "${manifest.id}", got one for "${sample.model}"; choose the same model in the preprocess node and here`,
      { expected: manifest.id, got: String(sample.model) },
    );
  }
  const rows = sample.reason === undefined ? sample.segments.length : 0;
  if (rows === 0) return 0;
  for (const [name, spec] of Object.entries(manifest.inputs)) {
    const tensor = sample.tensors[name] as Tensor | null | undefined;
    if (typeof tensor !== 'object' || tensor === null) {
      const got = Object.keys(sample.tensors).join(', ') || 'none';
      throw notASample(`a tensor "${name}"`, got);
    }
    checkTensor(name, tensor, spec, rows);
  }
  return rows;
}

function checkTensor(name: string, tensor: Tensor, spec: TensorSpec, rows: number): void {
  const { type, dims, data } = tensor;
  if (type !== spec.type) throw notASample(`tensor "${name}" of type ${spec.type}`, String(type));
  const fits =
    isList(dims) &&
    dims.length === spec.shape.length &&
    dims.every((dim, axis) => {
      const declared = spec.shape[axis];
      if (declared === 'batch') return dim === rows;
      if (typeof declared === 'number') return dim === declared;
      return Number.isInteger(dim) && dim > 0;
    });
  if (!fits) {
    const expected = spec.shape.map((dim) => (dim === 'batch' ? `batch = ${rows}` : dim));
    throw notASample(
      `tensor "${name}" of shape [${expected.join(', ')}]`,
      JSON.stringify(dims) ?? 'none',
    );
  }
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (!(data instanceof TENSOR_DATA[spec.type]) || data.length !== count) {
    throw notASample(
      `tensor "${name}" with ${count} elements in a ${TENSOR_DATA[spec.type].name}`,
      `${data?.length} in ${(data as object | undefined)?.constructor.name ?? 'nothing'}`,
    );
  }
}

function isList(value: unknown): boolean {
  return Array.isArray(value);
}

function notASample(expected: string, got: string): EmotionError {
  return new EmotionError('input.not-a-sample', `expected ${expected}, got ${got}`, {
    expected,
    got,
  });
}

/**
 * One row of a checked sample, without the filling that brought it to the length of the longest row
 * of its sample. Text rows know their length from `segments[row].tokens`; other rows are as long as
 * their tensors. The data are views of the sample's wherever a row is cut at its end only.
 */
export function prepareRow(
  sample: Sample | FusionSample,
  row: number,
  manifest: Manifest,
): PreparedRow {
  const lengths: Partial<Record<DynamicAxis, number>> = {};
  const tokens = sample.segments[row]?.tokens?.length;
  const tensors: Record<string, RowTensor> = {};
  for (const [name, spec] of Object.entries(manifest.inputs)) {
    const { dims, data } = sample.tensors[name] as Tensor;
    const own = dims.slice(1).map((dim, index) => {
      const axis = spec.shape[index + 1] as TensorSpec['shape'][number];
      if (typeof axis === 'number' || axis === 'batch') return dim;
      const length =
        lengths[axis] ??
        (axis === 'tokens' && tokens !== undefined && tokens > 0 ? Math.min(tokens, dim) : dim);
      lengths[axis] = length;
      return Math.min(length, dim);
    });
    const isWhole = dims[0] === 1 && data.length === size(own);
    const rowsData = isWhole ? data : rowData(data, dims, row, own, spec.type);
    tensors[name] = { dims: own, data: rowsData };
  }
  return { tensors, lengths };
}

function rowData(
  data: TensorData,
  dims: readonly number[],
  row: number,
  own: readonly number[],
  type: TensorType,
): TensorData {
  const full = dims.slice(1);
  const stride = size(full);
  const view = data.subarray(row * stride, (row + 1) * stride);
  if (full.slice(1).every((dim, index) => dim === own[index + 1])) {
    return view.subarray(0, size(own));
  }
  const cut = allocate(type, size(own));
  copyBlock(view, full, cut, own);
  return cut;
}

/**
 * Copies the block that two row-major arrays have in common, from their first elements on, leaving
 * the rest of the target as it is.
 */
export function copyBlock(
  source: TensorData,
  sourceDims: readonly number[],
  target: TensorData,
  targetDims: readonly number[],
): void {
  const rank = sourceDims.length;
  // From this axis on the shapes are equal, so one run of memory covers them.
  let equal = rank;
  while (equal > 1 && sourceDims[equal - 1] === targetDims[equal - 1]) equal -= 1;
  const run = (axis: number, from: number, to: number): void => {
    const common = Math.min(sourceDims[axis] ?? 1, targetDims[axis] ?? 1);
    const sourceStride = size(sourceDims.slice(axis + 1));
    const targetStride = size(targetDims.slice(axis + 1));
    if (axis >= equal - 1) {
      const length = common * sourceStride;
      (target as Float32Array).set(source.subarray(from, from + length) as Float32Array, to);
      return;
    }
    for (let index = 0; index < common; index += 1) {
      run(axis + 1, from + index * sourceStride, to + index * targetStride);
    }
  };
  run(0, 0, 0);
}

/**
 * One row's outputs out of a batch's, trimmed to the row's own length.
 *
 * @param index the row within `outputs`
 */
export function splitRow(
  outputs: Readonly<Record<string, Tensor>>,
  index: number,
  lengths: PreparedRow['lengths'],
  manifest: Manifest,
): Record<string, Tensor> {
  const row: Record<string, Tensor> = {};
  for (const [name, { shape }] of Object.entries(manifest.outputs)) {
    const tensor = outputs[name] as Tensor;
    const full = tensor.dims.slice(1);
    const own = full.map((dim, axis) => {
      const declared = shape[axis + 1];
      return typeof declared === 'string' && declared !== 'batch'
        ? Math.min(dim, lengths[declared] ?? dim)
        : dim;
    });
    row[name] = {
      type: tensor.type,
      dims: [1, ...own],
      data: copyOfRow(tensor, index, full, own),
    };
  }
  return row;
}

function copyOfRow(
  { type, data }: Tensor,
  index: number,
  full: readonly number[],
  own: readonly number[],
): TensorData {
  const from = index * size(full);
  // Cut at its end only, a row is one run of memory.
  if (full.every((dim, axis) => axis === 0 || dim === own[axis])) {
    return data.slice(from, from + size(own));
  }
  const cut = allocate(type, size(own));
  copyBlock(data.subarray(from, from + size(full)), full, cut, own);
  return cut;
}

/** Number of elements of a shape; 1 for a scalar. */
export function size(dims: readonly number[]): number {
  let product = 1;
  for (const dim of dims) product *= dim;
  return product;
}
