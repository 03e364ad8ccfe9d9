/**
 * The child process that holds one ONNX Runtime session. It is started by `session-client.ts` and
 * speaks `protocol.ts` over the IPC channel. It runs one batch after the other and ends when the
 * channel closes, so it never outlives Node-RED.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type * as Ort from 'onnxruntime-common';
import type { Tensor, TensorData, TensorType } from '../emotion/sample';
import { loadOnnxRuntime, type OrtModule } from './onnx-runtime';
import type {
  BatchRequest,
  DeclaredTensor,
  LoadRequest,
  SessionReply,
  SessionRequest,
  SessionRuntime,
  TensorHeader,
} from './protocol';
import { PIECE_BYTES } from './protocol';
import { allocate } from './rows';

interface Loaded {
  readonly ort: OrtModule;
  readonly session: Ort.InferenceSession;
  readonly outputs: readonly string[];
}

let loaded: Loaded | undefined;
/** Inputs of batches of which some parts are still to come. */
const incoming = new Map<number, Map<string, { header: TensorHeader; bytes: Uint8Array }>>();
let work: Promise<void> = Promise.resolve();

process.on('message', (request: SessionRequest) => {
  if (request.kind === 'load') {
    work = work.then(() => load(request));
  } else {
    receive(request);
    if (request.last) work = work.then(() => run(request.id));
  }
});
process.on('disconnect', () => process.exit(0));
// A terminal's Ctrl-C and a service manager's stop reach the whole group; Node-RED decides when the
// session ends.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
preferAsVictim();

/** When memory runs out, Linux shall end this process rather than Node-RED. */
function preferAsVictim(): void {
  if (process.platform !== 'linux') return;
  try {
    writeFileSync('/proc/self/oom_score_adj', '600');
  } catch {
    // Not allowed in some containers; then the kernel's own choice stands.
  }
}

async function load(request: LoadRequest): Promise<void> {
  process.title = request.title;
  try {
    const { ort, runtime, passedOver } = loadOnnxRuntime(request.backend, request.intraOpThreads);
    const session = await createSession(ort, runtime, request);
    loaded = { ort, session, outputs: request.outputs };
    await reply({
      kind: 'loaded',
      runtime,
      version: ort.env.versions.node ?? ort.env.versions.web ?? ort.env.versions.common,
      ...(passedOver !== undefined && { passedOver }),
      inputs: declared(session.inputNames, session.inputMetadata),
      outputs: declared(session.outputNames, session.outputMetadata),
    });
  } catch (error) {
    await reply({ kind: 'load-failed', message: messageOf(error) });
  }
}

async function createSession(
  ort: OrtModule,
  runtime: SessionRuntime,
  request: LoadRequest,
): Promise<Ort.InferenceSession> {
  const options: Ort.InferenceSession.SessionOptions = {
    graphOptimizationLevel: request.graphOptimisation,
    logSeverityLevel: 3,
  };
  if (runtime === 'onnxruntime-web') {
    return ort.InferenceSession.create(readFileSync(request.graph), options);
  }
  return ort.InferenceSession.create(request.graph, {
    ...options,
    executionProviders: request.executionProviders,
    ...(request.intraOpThreads > 0 && { intraOpNumThreads: request.intraOpThreads }),
    ...(request.interOpThreads > 0 && { interOpNumThreads: request.interOpThreads }),
    // Threads that wait for work shall sleep: spinning costs up to half as much CPU time again, which
    // Node-RED's own loop then lacks on a small machine, and gains nothing measurable.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

function declared(
  names: readonly string[],
  metadata: readonly Ort.InferenceSession.ValueMetadata[] | undefined,
): DeclaredTensor[] {
  return names.map((name) => {
    const known = metadata?.find((one) => one.name === name);
    return known?.isTensor ? { name, type: known.type, shape: [...known.shape] } : { name };
  });
}

function receive({ id, inputs, pieces }: BatchRequest): void {
  let batch = incoming.get(id);
  if (batch === undefined) {
    batch = new Map();
    incoming.set(id, batch);
  }
  for (const [name, header] of Object.entries(inputs ?? {})) {
    const count = header.dims.reduce((product, dim) => product * dim, 1);
    const { buffer, byteLength } = allocate(header.type, count);
    batch.set(name, { header, bytes: new Uint8Array(buffer, 0, byteLength) });
  }
  for (const { input, offset, bytes } of pieces) batch.get(input)?.bytes.set(bytes, offset);
}

async function run(id: number): Promise<void> {
  const batch = incoming.get(id);
  incoming.delete(id);
  try {
    if (loaded === undefined || batch === undefined) throw new Error('no model is loaded');
    const { ort, session, outputs } = loaded;
    const feeds: Record<string, Ort.Tensor> = {};
    let rows = 0;
    for (const [name, { header, bytes }] of batch) {
      const data = typed(header.type, bytes);
      feeds[name] = new ort.Tensor(header.type, data as Float32Array, header.dims);
      rows = header.dims[0] ?? 0;
    }
    const results = await session.run(feeds, [...outputs]);
    await sendRows(id, rows, results);
    for (const tensor of [...Object.values(feeds), ...Object.values(results)]) tensor.dispose();
  } catch (error) {
    await reply({ kind: 'run-failed', id, message: messageOf(error) });
  }
}

/** Sends the outputs in groups of rows, so that no message is much larger than a piece. */
async function sendRows(
  id: number,
  rows: number,
  results: Ort.InferenceSession.OnnxValueMapType,
): Promise<void> {
  const tensors = Object.entries(results as Record<string, Ort.Tensor>);
  let bytesPerRow = 0;
  for (const [name, { dims, data }] of tensors) {
    if (dims[0] !== rows) {
      throw new Error(`output "${name}" has shape [${dims.join(', ')}] for a batch of ${rows}`);
    }
    bytesPerRow += (data as Float32Array).byteLength / rows;
  }
  const group = Math.max(1, Math.floor(PIECE_BYTES / bytesPerRow));
  for (let from = 0; from < rows; from += group) {
    const count = Math.min(group, rows - from);
    const outputs: Record<string, Tensor> = {};
    for (const [name, tensor] of tensors) {
      const data = plain(tensor);
      const stride = data.length / rows;
      outputs[name] = {
        type: tensor.type as TensorType,
        dims: [count, ...tensor.dims.slice(1)],
        data: data.subarray(from * stride, (from + count) * stride),
      };
    }
    await reply({ kind: 'rows', id, from, count, outputs });
  }
}

/** A view of bytes as the elements that ONNX Runtime wants for a type. */
function typed(type: TensorType, bytes: Uint8Array): TensorData {
  const empty = allocate(type, 0);
  const View = empty.constructor as new (
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ) => TensorData;
  return new View(bytes.buffer, bytes.byteOffset, bytes.byteLength / empty.BYTES_PER_ELEMENT);
}

/** Half floats arrive as Float16Array where Node has it; the wire has bits in a Uint16Array. */
function plain({ type, data }: Ort.Tensor): TensorData {
  if (type === 'float16') {
    const bits = data as Uint16Array;
    return new Uint16Array(bits.buffer, bits.byteOffset, bits.length);
  }
  return data as TensorData;
}

/** Resolves when the message has left, so that a long run does not hold it back. */
function reply(message: SessionReply): Promise<void> {
  return new Promise((sent) => {
    if (!process.connected) sent();
    else process.send?.(message, undefined, undefined, () => sent());
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
