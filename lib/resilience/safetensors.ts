import { EmotionError } from '../emotion/error';

/** The element types that are read here; the format knows more. */
export type StoredTensor =
  | { readonly dtype: 'F32'; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: 'I8'; readonly shape: readonly number[]; readonly data: Int8Array };

export interface Safetensors {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

const ELEMENT_BYTES = { F32: 4, I8: 1 } as const;

/** Headers of the models here have some hundred bytes; a long one is a sign of another file. */
const LONGEST_HEADER = 2 ** 18;

/**
 * Reads a file in the safetensors format
 * (https://huggingface.co/docs/safetensors, "Format"): eight bytes with the length of the header,
 * little endian; the header in JSON, by name the type, shape and place of each tensor, and texts
 * under `__metadata__`; the tensors, row major, little endian.
 *
 * Nothing in the file is trusted: every length and place is checked against the file.
 *
 * @param file name of the file, for errors
 * @throws EmotionError `model.load-failed`
 */
export function parseSafetensors(bytes: Uint8Array, file: string): Safetensors {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8) throw unreadable(file, 'at least 8 bytes', `${bytes.length}`);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > LONGEST_HEADER || 8 + headerLength > bytes.length) {
    throw unreadable(file, 'a header that fits the file', `${headerLength} bytes`);
  }
  const header = parseHeader(bytes.subarray(8, 8 + headerLength), file);
  const body = bytes.subarray(8 + headerLength);
  const tensors = new Map<string, StoredTensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') metadata = texts(entry);
    else tensors.set(name, tensorAt(body, name, entry, file));
  }
  return { metadata, tensors };
}

function parseHeader(bytes: Uint8Array, file: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isRecord(header)) return header;
  } catch (cause) {
    throw unreadable(file, 'a header in JSON', String(cause), cause);
  }
  throw unreadable(file, 'a header that is an object', 'something else');
}

function texts(entry: unknown): Record<string, string> {
  if (!isRecord(entry)) return {};
  const strings = Object.entries(entry).filter(([, value]) => typeof value === 'string');
  return Object.fromEntries(strings) as Record<string, string>;
}

function tensorAt(body: Uint8Array, name: string, entry: unknown, file: string): StoredTensor {
  if (!isRecord(entry)) throw unreadable(file, `a description of "${name}"`, String(entry));
  const { dtype, shape, data_offsets: offsets } = entry;
  if (dtype !== 'F32' && dtype !== 'I8') {
    throw unreadable(file, `"${name}" of type F32 or I8`, String(dtype));
  }
  if (!isNaturals(shape) || !isNaturals(offsets) || offsets.length !== 2) {
    throw unreadable(file, `whole numbers as shape and place of "${name}"`, JSON.stringify(entry));
  }
  const [from = 0, to = 0] = offsets;
  const length = shape.reduce((product, size) => product * size, 1);
  if (from > to || to > body.length || to - from !== length * ELEMENT_BYTES[dtype]) {
    const expected = `${length * ELEMENT_BYTES[dtype]} bytes of "${name}" within the file`;
    throw unreadable(file, expected, `${from} to ${to} of ${body.length}`);
  }
  // Copied, because single-precision numbers must start at a multiple of four.
  const copy = new Uint8Array(body.subarray(from, to)).buffer;
  return dtype === 'F32'
    ? { dtype, shape, data: new Float32Array(copy) }
    : { dtype, shape, data: new Int8Array(copy) };
}

function isNaturals(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(file: string, expected: string, got: string, cause?: unknown): EmotionError {
  return new EmotionError(
    'model.load-failed',
    `${file} is not a readable safetensors file: expected ${expected}, got ${got.slice(0, 200)}`,
    { file, expected, got: got.slice(0, 200) },
    cause === undefined ? undefined : { cause },
  );
}
