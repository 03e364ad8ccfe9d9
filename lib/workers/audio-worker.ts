import { move, transferableSymbol, valueSymbol } from 'piscina';
import { EnergyGate } from '../audio/energy-gate';
import { decodeNumbers, decodePcm, type Numbers, type PcmInput } from '../audio/pcm';
import { AudioPreparer, type PrepareAudioOptions } from '../audio/prepare';
import { loadSilero, SileroScorer, type SileroModel } from '../audio/silero';
import type { SpeechScorer } from '../audio/speech';
import { WindowStream } from '../audio/window-stream';
import type { AudioSample } from '../emotion/sample';
import type { Source } from '../emotion/source';
import type { Manifest } from '../models/manifest';
import { answering, type Answer } from './answer';

/** Sound as it reaches a worker; files have been decoded before. */
export type WorkerSound =
  | { readonly kind: 'samples'; readonly samples: Float32Array }
  | ({ readonly kind: 'pcm' } & PcmInput)
  | {
      readonly kind: 'numbers';
      /** Channels interleaved. */
      readonly numbers: Numbers;
      readonly sampleRateHz: number;
      /** Default 1. */
      readonly channels?: number;
    };

/** `silero` falls back to the energy gate where the net cannot be loaded. */
export type SpeechMethod = 'silero' | 'energy';

export interface AudioModelTask {
  /** Identifies the manifest; a thread keeps what it built under it. */
  readonly key: string;
  /** JSON of the manifest: read only when the thread does not know the key. */
  readonly manifest: string;
  readonly speech: SpeechMethod;
}

export interface PrepareAudioTask extends AudioModelTask {
  readonly sound: WorkerSound;
  readonly source: Source;
  readonly options: PrepareAudioOptions;
}

export interface DecodeTask extends AudioModelTask {
  readonly sound: WorkerSound;
}

export interface AdvanceTask extends AudioModelTask {
  readonly stream: string;
  readonly samples: Float32Array;
  readonly source: Source;
  readonly options: PrepareAudioOptions;
  /** Seconds of the first sample, when these samples do not continue the ones before. */
  readonly restartAt?: number;
  /** Nothing follows: the last window is given out, and the stream is forgotten. */
  readonly last?: boolean;
}

const MODELS_PER_THREAD = 8;
/** A stream that was not closed properly must not stay for ever. */
const STREAMS_PER_THREAD = 64;
/** Smaller buffers are copied faster than transferred. */
const TRANSFER_FROM_BYTES = 1 << 14;

const preparers = new Map<string, AudioPreparer>();
const streams = new Map<string, WindowStream>();
let silero: Promise<SileroModel | undefined> | undefined;

function preparerOf({ key, manifest }: AudioModelTask): AudioPreparer {
  let preparer = preparers.get(key);
  if (preparer === undefined) {
    preparer = new AudioPreparer(JSON.parse(manifest) as Manifest);
    preparers.set(key, preparer);
    const [oldest] = preparers.keys();
    if (preparers.size > MODELS_PER_THREAD && oldest !== undefined) preparers.delete(oldest);
  }
  return preparer;
}

/** One net a thread; each sound has a scorer, and with it a memory, of its own. */
async function scorer(method: SpeechMethod): Promise<SpeechScorer> {
  if (method === 'energy') return new EnergyGate();
  silero ??= loadSilero().catch(() => undefined);
  const model = await silero;
  return model ? new SileroScorer(model) : new EnergyGate();
}

function samplesOf(sound: WorkerSound, rate: number): Float32Array {
  switch (sound.kind) {
    case 'samples':
      return sound.samples;
    case 'pcm':
      return decodePcm(sound, rate);
    case 'numbers':
      return decodeNumbers(sound.numbers, sound.sampleRateHz, rate, sound.channels);
  }
}

/** Builds a model's front end and loads the speech detector, so that the first sound does not wait. */
export const open = answering(async (task: AudioModelTask): Promise<SpeechScorer['method']> => {
  preparerOf(task);
  return (await scorer(task.speech)).method;
});

/** Task of the pool: a sound as samples at the model's rate. */
export async function decode(task: DecodeTask): Promise<Answer<Float32Array>> {
  const answer = await answering((wanted: DecodeTask) =>
    Promise.resolve(samplesOf(wanted.sound, preparerOf(wanted).frontEnd.sampleRateHz)),
  )(task);
  return transferring(answer, answer.ok ? [answer.value.buffer as ArrayBuffer] : []);
}

/** Task of the pool: one sound, whole. */
export async function prepare(task: PrepareAudioTask): Promise<Answer<AudioSample>> {
  const answer = await answering(async (wanted: PrepareAudioTask) => {
    const preparer = preparerOf(wanted);
    const samples = samplesOf(wanted.sound, preparer.frontEnd.sampleRateHz);
    return preparer.prepare(samples, await scorer(wanted.speech), wanted.source, wanted.options);
  })(task);
  return moved(answer, answer.ok ? [answer.value] : []);
}

/** Task of the pool: the next piece of a stream. */
export async function advance(task: AdvanceTask): Promise<Answer<AudioSample[]>> {
  const answer = await answering(async (wanted: AdvanceTask) => {
    let stream = streams.get(wanted.stream);
    if (stream === undefined) {
      stream = new WindowStream(
        preparerOf(wanted),
        await scorer(wanted.speech),
        wanted.source,
        wanted.options,
        wanted.restartAt,
      );
      streams.set(wanted.stream, stream);
      const [oldest] = streams.keys();
      if (streams.size > STREAMS_PER_THREAD && oldest !== undefined) streams.delete(oldest);
    } else if (wanted.restartAt !== undefined) {
      stream.reset(wanted.restartAt);
    }
    const windows = await stream.push(wanted.samples);
    if (wanted.last) {
      windows.push(...stream.flush());
      streams.delete(wanted.stream);
    }
    return windows;
  })(task);
  return moved(answer, answer.ok ? answer.value : []);
}

/** Large tensors change threads without a copy. */
function moved<T>(answer: Answer<T>, samples: readonly AudioSample[]): Answer<T> {
  const transfer = samples
    .flatMap(({ tensors }) => Object.values(tensors))
    .filter(({ data }) => data.byteLength >= TRANSFER_FROM_BYTES)
    .map(({ data }) => data.buffer as ArrayBuffer);
  return transferring(answer, transfer);
}

function transferring<T>(answer: Answer<T>, transfer: readonly ArrayBuffer[]): Answer<T> {
  if (transfer.length === 0) return answer;
  return move({
    get [transferableSymbol]() {
      return transfer;
    },
    get [valueSymbol]() {
      return answer;
    },
  }) as unknown as Answer<T>;
}
