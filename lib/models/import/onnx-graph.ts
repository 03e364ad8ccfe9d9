import { open, type FileHandle } from 'node:fs/promises';

/** A tensor that a graph takes or gives; a dimension without a fixed size is null. */
export interface GraphTensor {
  readonly name: string;
  /** `TensorProto.DataType`: 1 float32, 6 int32, 7 int64, 10 float16; 0 when none is declared. */
  readonly elementType: number;
  readonly shape: readonly (number | null)[] | undefined;
}

/** What is read of an ONNX file; weights are skipped. */
export interface OnnxGraph {
  /** Without those that have a value of their own. */
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
  /** Whether weights lie in a second file. */
  readonly externalData: boolean;
  /** Rows of the table that `input_ids` are looked up in; undefined when it was not found. */
  readonly vocabulary: number | undefined;
}

interface Node {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

interface Initializer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly external: boolean;
}

/** Operators that hand a table or ids on without changing which row is which. */
const PASSES = new Set(['Cast', 'Identity', 'DequantizeLinear']);
const LOOKUPS = new Set(['Gather', 'GatherBlockQuantized']);
const WINDOW = 1 << 16;
/** Longest message but weights that is taken into memory. */
const MAX_MESSAGE = 1 << 26;

/**
 * Reads what an ONNX file declares (onnx.proto3 of ONNX 1.x), without ONNX Runtime and, however
 * large the weights, with little memory.
 *
 * @throws Error when the file is no ONNX model or ends too early
 *
 * @example (await readOnnxGraph('model.onnx')).inputs.map(({ name }) => name);
 * // → ['input_ids', 'attention_mask']
 */
export async function readOnnxGraph(file: string): Promise<OnnxGraph> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    return await readModel(new FileFields(handle, size));
  } finally {
    await handle.close();
  }
}

async function readModel(fields: FileFields): Promise<OnnxGraph> {
  for await (const field of fields.within(0, fields.size)) {
    // ModelProto.graph
    if (field.number === 7 && field.wire === 2) return readGraph(fields, field);
  }
  throw new Error('no graph in it');
}

async function readGraph(fields: FileFields, graph: FileField): Promise<OnnxGraph> {
  const nodes: Node[] = [];
  const initializers: Initializer[] = [];
  const inputs: GraphTensor[] = [];
  const outputs: GraphTensor[] = [];
  for await (const field of fields.within(graph.start, graph.end)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) nodes.push(readNode(await fields.message(field)));
    if (field.number === 5) initializers.push(await readInitializer(fields, field));
    if (field.number === 11) inputs.push(readValueInfo(await fields.message(field)));
    if (field.number === 12) outputs.push(readValueInfo(await fields.message(field)));
  }
  const known = new Set(initializers.map(({ name }) => name));
  return {
    inputs: inputs.filter(({ name }) => !known.has(name)),
    outputs,
    externalData: initializers.some(({ external }) => external),
    vocabulary: vocabularyOf(nodes, initializers),
  };
}

function vocabularyOf(
  nodes: readonly Node[],
  initializers: readonly Initializer[],
): number | undefined {
  const ids = new Set(['input_ids']);
  const rows = new Map(initializers.map(({ name, dims }) => [name, dims]));
  for (const { operator, inputs, outputs } of nodes) {
    const [first, second] = inputs;
    const [output] = outputs;
    if (first === undefined || output === undefined) continue;
    if (PASSES.has(operator)) {
      if (ids.has(first)) ids.add(output);
      const dims = rows.get(first);
      if (dims !== undefined) rows.set(output, dims);
    } else if (LOOKUPS.has(operator) && second !== undefined && ids.has(second)) {
      const dims = rows.get(first);
      if (dims !== undefined && dims.length === 2) return dims[0];
    }
  }
  return undefined;
}

async function readInitializer(fields: FileFields, tensor: FileField): Promise<Initializer> {
  let name = '';
  let external = false;
  const dims: number[] = [];
  for await (const field of fields.within(tensor.start, tensor.end)) {
    if (field.number === 1 && field.wire === 0) dims.push(Number(field.value));
    if (field.number === 1 && field.wire === 2) dims.push(...packed(await fields.message(field)));
    if (field.number === 8) name = (await fields.message(field)).toString('utf8');
    if (field.number === 14) external = field.value === 1n;
  }
  return { name, dims, external };
}

function readNode(bytes: Buffer): Node {
  let operator = '';
  const inputs: string[] = [];
  const outputs: string[] = [];
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) inputs.push(field.bytes.toString('utf8'));
    if (field.number === 2) outputs.push(field.bytes.toString('utf8'));
    if (field.number === 4) operator = field.bytes.toString('utf8');
  }
  return { operator, inputs, outputs };
}

function readValueInfo(bytes: Buffer): GraphTensor {
  let name = '';
  let elementType = 0;
  let shape: (number | null)[] | undefined;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) name = field.bytes.toString('utf8');
    if (field.number !== 2) continue;
    for (const type of fieldsOf(field.bytes)) {
      // TypeProto.tensor_type
      if (type.number !== 1) continue;
      for (const part of fieldsOf(type.bytes)) {
        if (part.number === 1) elementType = Number(part.value);
        if (part.number === 2) shape = [...fieldsOf(part.bytes)].map(({ bytes: dim }) => size(dim));
      }
    }
  }
  return { name, elementType, shape };
}

/** TensorShapeProto.Dimension: a value, a name or nothing. */
function size(dimension: Buffer): number | null {
  for (const { number, wire, value } of fieldsOf(dimension)) {
    if (number === 1 && wire === 0) return Number(value);
  }
  return null;
}

function packed(bytes: Buffer): number[] {
  const values: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const { value, next } = varint(bytes, at);
    values.push(Number(value));
    at = next;
  }
  return values;
}

interface Field {
  readonly number: number;
  readonly wire: number;
  /** Of a varint; 0 otherwise. */
  readonly value: bigint;
}

interface FileField extends Field {
  /** Where the content of a field with a length lies in the file. */
  readonly start: number;
  readonly end: number;
}

/** The fields of a message in memory (Protocol Buffers, "Encoding"). */
function* fieldsOf(bytes: Buffer): Generator<Field & { readonly bytes: Buffer }> {
  for (let at = 0; at < bytes.length;) {
    const head = header(bytes, at);
    const end = head.next + head.length;
    if (end > bytes.length) throw new Error('a message that ends too early');
    yield { ...head, bytes: bytes.subarray(head.next, end) };
    at = end;
  }
}

/** A field's key, its varint or its length; `next` is where the content starts. */
function header(bytes: Buffer, at: number): Field & { next: number; length: number } {
  const key = varint(bytes, at);
  const number = Number(key.value >> 3n);
  const wire = Number(key.value & 7n);
  const base = { number, wire, value: 0n };
  if (number === 0) throw new Error('no protocol buffer');
  switch (wire) {
    case 0: {
      const { value, next } = varint(bytes, key.next);
      return { ...base, value, next, length: 0 };
    }
    case 1:
      return { ...base, next: key.next, length: 8 };
    case 2: {
      const { value, next } = varint(bytes, key.next);
      return { ...base, next, length: Number(value) };
    }
    case 5:
      return { ...base, next: key.next, length: 4 };
    default:
      throw new Error('no protocol buffer');
  }
}

function varint(bytes: Buffer, from: number): { value: bigint; next: number } {
  let value = 0n;
  for (let at = from, shift = 0n; shift < 70n; at += 1, shift += 7n) {
    const byte = bytes[at];
    if (byte === undefined) throw new Error('it ends too early');
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value, next: at + 1 };
  }
  throw new Error('no protocol buffer');
}

/** Two varints at most: a key and a length. */
const LONGEST_HEADER = 20;

/** The fields of messages in a file, which are read only as far as somebody looks. */
class FileFields {
  #window = Buffer.alloc(0);
  #from = 0;

  constructor(
    private readonly handle: FileHandle,
    readonly size: number,
  ) {}

  async *within(start: number, end: number): AsyncGenerator<FileField> {
    for (let at = start; at < end;) {
      await this.#fill(at, Math.min(LONGEST_HEADER, this.size - at));
      const { next, length, ...field } = header(this.#window, at - this.#from);
      const content = next + this.#from;
      if (content + length > end) throw new Error('it ends too early');
      yield { ...field, start: content, end: content + length };
      at = content + length;
    }
  }

  async message({ start, end }: FileField): Promise<Buffer> {
    if (end - start > MAX_MESSAGE) throw new Error(`a message of ${end - start} bytes`);
    await this.#fill(start, end - start);
    return Buffer.from(this.#window.subarray(start - this.#from, end - this.#from));
  }

  async #fill(start: number, length: number): Promise<void> {
    if (start >= this.#from && start + length <= this.#from + this.#window.length) return;
    const bytes = Math.min(Math.max(length, WINDOW), this.size - start);
    const window = Buffer.alloc(bytes);
    let read = 0;
    while (read < bytes) {
      const { bytesRead } = await this.handle.read(window, read, bytes - read, start + read);
      if (bytesRead === 0) throw new Error('it ends too early');
      read += bytesRead;
    }
    this.#window = window;
    this.#from = start;
  }
}
