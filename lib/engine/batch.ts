import type { TensorData, TensorType } from '../emotion/sample';
import type { Manifest } from '../models/manifest';
import type { BatchRequest, TensorHeader, TensorPiece } from './protocol';
import { allocate, copyBlock, size, type PreparedRow } from './rows';

/** What a run costs beside its rows, counted in rows as long as the one that waits longest. */
const RUN_COST_ROWS = 4;

/**
 * Which of some waiting rows run together: the one that waits longest, and neighbours of it in the
 * order of length, so many that the largest share of the run's work is content. A row costs as much
 * as the longest of its batch, so a few long rows are better off without many short ones; a run
 * costs something by itself, so rows of like length fill a batch.
 *
 * @param lengths of the waiting rows, the one that waits longest first
 * @param maxBatch most rows in the batch
 * @returns indices into `lengths`, shortest row first
 *
 * @example pickBatch([10, 90, 12, 80, 11], 3); // → [0, 4, 2]
 */
export function pickBatch(lengths: readonly number[], maxBatch: number): number[] {
  const sorted = lengths.map((_, index) => index).sort((a, b) => lengths[a]! - lengths[b]!);
  const oldest = sorted.indexOf(0);
  const content = [0];
  for (const index of sorted) content.push(content.at(-1)! + lengths[index]!);
  const runCost = RUN_COST_ROWS * lengths[0]!;

  let best = [oldest, oldest + 1];
  let largestShare = 0;
  for (let from = Math.max(0, oldest - maxBatch + 1); from <= oldest; from += 1) {
    for (let to = oldest + 1; to <= Math.min(sorted.length, from + maxBatch); to += 1) {
      const work = (to - from) * lengths[sorted[to - 1]!]! + runCost;
      const share = (content[to]! - content[from]!) / work;
      if (share > largestShare) {
        largestShare = share;
        best = [from, to];
      }
    }
  }
  return sorted.slice(...best);
}

/**
 * A batch as messages for the session process, each of at most about `pieceBytes`, made one by one
 * so that no step copies more than that. Every row is filled up with the manifest's padding to the
 * longest of the batch.
 */
export function* batchMessages(
  id: number,
  rows: readonly PreparedRow[],
  manifest: Manifest,
  pieceBytes: number,
): Generator<BatchRequest> {
  const inputs: Record<string, TensorHeader> = {};
  for (const [name, { type }] of Object.entries(manifest.inputs)) {
    inputs[name] = { type, dims: [rows.length, ...longest(rows, name)] };
  }

  let first = true;
  let pieces: TensorPiece[] = [];
  let bytes = 0;
  const message = (last: boolean): BatchRequest => {
    const made: BatchRequest = { kind: 'batch', id, pieces, last, ...(first && { inputs }) };
    first = false;
    pieces = [];
    bytes = 0;
    return made;
  };

  for (const [name, { type, padding }] of Object.entries(manifest.inputs)) {
    for (const piece of inputPieces(rows, name, inputs[name]!, type, padding ?? 0, pieceBytes)) {
      if (bytes > 0 && bytes + piece.bytes.byteLength > pieceBytes) yield message(false);
      pieces.push(piece);
      bytes += piece.bytes.byteLength;
    }
  }
  yield message(true);
}

/** The longest row of a batch in every dimension. */
function longest(rows: readonly PreparedRow[], input: string): number[] {
  const dims = [...rows[0]!.tensors[input]!.dims];
  for (const { tensors } of rows) {
    tensors[input]!.dims.forEach((dim, axis) => {
      if (dim > dims[axis]!) dims[axis] = dim;
    });
  }
  return dims;
}

function* inputPieces(
  rows: readonly PreparedRow[],
  input: string,
  header: TensorHeader,
  type: TensorType,
  padding: number,
  pieceBytes: number,
): Generator<TensorPiece> {
  const dims = header.dims.slice(1);
  const elements = size(dims);
  const bytesPerRow = elements * allocate(type, 0).BYTES_PER_ELEMENT;
  const rowsPerPiece = Math.max(1, Math.floor(pieceBytes / bytesPerRow));

  for (let from = 0; from < rows.length; from += rowsPerPiece) {
    const group = rows.slice(from, from + rowsPerPiece);
    const only = group.length === 1 ? group[0]!.tensors[input]! : undefined;
    const data =
      only?.data.length === elements ? only.data : filledUp(group, input, dims, type, padding);
    const whole = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at < whole.byteLength; at += pieceBytes) {
      const bytes = whole.subarray(at, at + pieceBytes);
      yield { input, offset: from * bytesPerRow + at, bytes };
    }
  }
}

/** The rows of one input below each other, all of the shape `dims`. */
function filledUp(
  rows: readonly PreparedRow[],
  input: string,
  dims: readonly number[],
  type: TensorType,
  padding: number,
): TensorData {
  const elements = size(dims);
  const data = allocate(type, rows.length * elements);
  if (padding !== 0 && rows.some(({ tensors }) => tensors[input]!.data.length < elements)) {
    if (data instanceof BigInt64Array) data.fill(BigInt(padding));
    else data.fill(padding);
  }
  rows.forEach(({ tensors }, index) => {
    const row = tensors[input]!;
    copyBlock(row.data, row.dims, data.subarray(index * elements), dims);
  });
  return data;
}
