import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { bytesPerSample, packNumbers } from '../audio/pcm';
import type { PrepareAudioOptions } from '../audio/prepare';
import { EmotionError } from '../emotion/error';
import type { AudioSample } from '../emotion/sample';
import type { Source } from '../emotion/source';
import { decodeAudio, decodeWhole } from '../media/decode';
import { requirePcm, type MediaInput } from '../media/input';
import type { Manifest } from '../models/manifest';
import type {
  AdvanceTask,
  AudioModelTask,
  DecodeTask,
  PrepareAudioTask,
  SpeechMethod,
  WorkerSound,
} from './audio-worker';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool';

/** What can be prepared: media that FFmpeg reads, raw samples, or numbers. */
export type AudioInput = MediaInput | Extract<WorkerSound, { kind: 'samples' | 'numbers' }>;

export interface AudioPoolOptions extends Omit<WorkerPoolOptions, 'filename' | 'threads'> {
  /** FFmpeg processes that decode whole sounds at the same time. Default 2. */
  readonly decoders?: number;
}

export interface AudioInputOptions extends PrepareAudioOptions {
  /** `prepare`: a longer sound is refused. Default 600 s. */
  readonly maxSeconds?: number;
  /** Give up when decoding takes longer. Default 120 s for `prepare`, no limit for `windows`. */
  readonly decodeTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The front end of one model, as long as somebody holds it. */
export interface AudioPreparation {
  /** What tells speech from the rest on this machine. */
  readonly speech: SpeechMethod;
  /**
   * A whole sound: one sample with a row for each window in which somebody speaks.
   *
   * @throws {EmotionError} `media.*` when it cannot be decoded, `input.too-large`, `input.unusable`,
   *   `worker.failed`, `engine.closed`
   */
  prepare(input: AudioInput, source?: Source, options?: AudioInputOptions): Promise<AudioSample>;
  /**
   * Sound of any length, one sample a window. What has not been asked for is not decoded.
   *
   * @throws {EmotionError} as `prepare`; `input.too-large` where `maxSeconds` is given and passed
   */
  windows(
    input: AudioInput,
    source?: Source,
    options?: AudioInputOptions,
  ): AsyncGenerator<AudioSample, void, void>;
  /** A sound without end. */
  stream(source?: Source, options?: PrepareAudioOptions): AudioStream;
  /** Gives the model back; when the last one does, the thread stops. */
  close(): Promise<void>;
}

/** Calls run one after the other, in the order in which they were made. */
export interface AudioStream {
  /**
   * @param samples the next piece; given away, so do not use it afterwards
   * @param restartAt seconds of the first sample, when it does not continue the piece before
   */
  push(samples: Float32Array, restartAt?: number): Promise<AudioSample[]>;
  /** What no window has held yet; the stream is over. */
  end(): Promise<AudioSample[]>;
}

/** Pieces of a long sound go to the worker when they have about this length. */
const PIECE_SECONDS = 10;

/**
 * Prepares sound off the event loop: FFmpeg decodes in processes of its own, one worker thread
 * computes. The thread starts when the first model is opened and stops when the last is closed. Owned
 * by whoever shares it between nodes.
 *
 * @example
 * const pool = new AudioPool();
 * const front = await pool.open(manifest);
 * const sample = await front.prepare({ kind: 'file', path: '/data/hello.mp3' });
 * await front.close();
 */
export class AudioPool {
  readonly #options: WorkerPoolOptions;
  readonly #decoders: Turnstile;
  #workers: WorkerPool | undefined;
  #users = 0;

  constructor({ decoders = 2, ...options }: AudioPoolOptions = {}) {
    this.#options = {
      ...options,
      // Streams live in their thread: there is one.
      threads: 1,
      filename: path.join(__dirname, 'audio-worker.js'),
    };
    this.#decoders = new Turnstile(decoders);
  }

  /**
   * @throws {EmotionError} `input.wrong-model` for a model that does not take sound; then nothing is
   *   held
   */
  async open(manifest: Manifest, speech: SpeechMethod = 'silero'): Promise<AudioPreparation> {
    const { preprocessing } = manifest;
    const json = JSON.stringify(manifest);
    const task: AudioModelTask = { key: json, manifest: json, speech };
    this.#users += 1;
    let isOpen = true;
    const close = async () => {
      if (!isOpen) return;
      isOpen = false;
      this.#users -= 1;
      if (this.#users > 0) return;
      const workers = this.#workers;
      this.#workers = undefined;
      await workers?.close();
    };
    const run: Run = async (name, wanted, transfer = []) => {
      if (!isOpen) throw closedError();
      this.#workers ??= new WorkerPool(this.#options);
      return this.#workers.run(name, { ...task, ...wanted }, transfer);
    };
    let method: SpeechMethod;
    try {
      method = await run<SpeechMethod>('open', {});
    } catch (error) {
      await close();
      throw error;
    }
    // A manifest for something else was refused by the worker just now.
    const rate = preprocessing.kind === 'audio' ? preprocessing.sampleRateHz : 16_000;

    return {
      speech: method,
      close,
      prepare: async (input, source = {}, options = {}) => {
        const { maxSeconds = 600, decodeTimeoutMs = 120_000, signal, ...wanted } = options;
        const decoding = { timeoutMs: decodeTimeoutMs, ...(signal && { signal }) };
        const sound = await this.#sound(input, rate, maxSeconds, decoding);
        const call: Omit<PrepareAudioTask, keyof AudioModelTask> = {
          sound,
          source: { ...sourceOf(input), ...source },
          options: wanted,
        };
        // Only what was decoded here is given away, never memory of a message.
        const mine = sound !== input && sound.kind === 'samples' ? ownBuffer(sound.samples) : [];
        return run<AudioSample>('prepare', call, mine);
      },
      windows: (input, source = {}, options = {}) => {
        const { maxSeconds, decodeTimeoutMs, signal, ...wanted } = options;
        const stream = openStream(run, { ...sourceOf(input), ...source }, wanted);
        return cutWindows(run, input, rate, stream, {
          maxSeconds: maxSeconds ?? Infinity,
          ...(wanted.startTime !== undefined && { startTime: wanted.startTime }),
          ...(decodeTimeoutMs !== undefined && { timeoutMs: decodeTimeoutMs }),
          ...(signal && { signal }),
        });
      },
      stream: (source = {}, options = {}) => openStream(run, source, options),
    };
  }

  async #sound(
    input: AudioInput,
    sampleRateHz: number,
    maxSeconds: number,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<WorkerSound> {
    switch (input.kind) {
      case 'samples':
        requireShort(input.samples.length / sampleRateHz, maxSeconds);
        return input;
      case 'numbers': {
        const { numbers, sampleRateHz: rate, channels = 1 } = input;
        requireRate(rate, channels);
        requireShort(numbers.length / (rate * channels), maxSeconds);
        return Array.isArray(numbers) ? { ...input, numbers: await packNumbers(numbers) } : input;
      }
      case 'pcm': {
        const { bytes, format, sampleRateHz: rate, channels } = input;
        requirePcm(input);
        requireShort(bytes.length / (rate * channels * bytesPerSample(format)), maxSeconds);
        return input;
      }
      default: {
        await this.#decoders.enter();
        try {
          const { data } = await decodeWhole(input, { sampleRateHz, maxSeconds, ...options });
          return { kind: 'samples', samples: data };
        } finally {
          this.#decoders.leave();
        }
      }
    }
  }
}

type Run = <T>(name: string, wanted: object, transfer?: ArrayBuffer[]) => Promise<T>;

function openStream(run: Run, source: Source, options: PrepareAudioOptions): AudioStream {
  const stream = randomUUID();
  let before: Promise<unknown> = Promise.resolve();
  const advance = (part: Pick<AdvanceTask, 'samples' | 'restartAt' | 'last'>) => {
    const turn = before.then(() =>
      run<AudioSample[]>('advance', { stream, source, options, ...part }, ownBuffer(part.samples)),
    );
    before = turn.catch(() => undefined);
    return turn;
  };
  return {
    push: (samples, restartAt) =>
      advance({ samples, ...(restartAt !== undefined && { restartAt }) }),
    end: () => advance({ samples: new Float32Array(0), last: true }),
  };
}

interface CutOptions {
  readonly maxSeconds: number;
  readonly startTime?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

async function* cutWindows(
  run: Run,
  input: AudioInput,
  sampleRateHz: number,
  stream: AudioStream,
  { maxSeconds, startTime, ...options }: CutOptions,
): AsyncGenerator<AudioSample, void, void> {
  let heard = 0;
  let restartAt = startTime;
  const push = (samples: Float32Array): Promise<AudioSample[]> => {
    options.signal?.throwIfAborted();
    heard += samples.length;
    requireShort(heard / sampleRateHz, maxSeconds);
    const at = restartAt;
    restartAt = undefined;
    return stream.push(samples, at);
  };
  // Not through the turnstile: a reader that takes its time must not keep others out.
  let ended = false;
  try {
    let piece = new Float32Array(PIECE_SECONDS * sampleRateHz);
    let filled = 0;
    for await (const samples of decoded(run, input, { sampleRateHz, ...options })) {
      let at = 0;
      while (at < samples.length) {
        const part = samples.subarray(at, at + piece.length - filled);
        piece.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < piece.length) continue;
        yield* await push(piece);
        piece = new Float32Array(PIECE_SECONDS * sampleRateHz);
        filled = 0;
      }
    }
    if (filled > 0) yield* await push(piece.slice(0, filled));
    ended = true;
    yield* await stream.end();
  } finally {
    if (!ended) await stream.end().catch(() => undefined);
  }
}

/** Mono samples at one rate, however they came. */
async function* decoded(
  run: Run,
  input: AudioInput,
  options: Parameters<typeof decodeAudio>[1] & { readonly sampleRateHz: number },
): AsyncGenerator<Float32Array, void, void> {
  switch (input.kind) {
    case 'samples':
      yield input.samples;
      return;
    case 'numbers': {
      const { numbers } = input;
      const packed = Array.isArray(numbers) ? await packNumbers(numbers) : numbers;
      const task: Omit<DecodeTask, keyof AudioModelTask> = { sound: { ...input, numbers: packed } };
      yield await run<Float32Array>('decode', task);
      return;
    }
    default:
      yield* decodeAudio(input, options);
  }
}

/** Lets a number of callers in at a time, the others in their order. */
class Turnstile {
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(private readonly places: number) {}

  async enter(): Promise<void> {
    if (this.#inside < this.places) this.#inside += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#inside -= 1;
  }
}

function requireShort(seconds: number, limit: number): void {
  if (seconds <= limit) return;
  throw new EmotionError(
    'input.too-large',
    `${Math.round(seconds)} seconds of sound; at most ${limit} are taken as a whole`,
    { seconds: Math.round(seconds), limit },
  );
}

/** The buffer of an array that has it for itself. */
function ownBuffer(samples: Float32Array): ArrayBuffer[] {
  const { buffer } = samples;
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === samples.byteLength;
  return isWhole && buffer.byteLength > 0 ? [buffer] : [];
}

function requireRate(sampleRateHz: number, channels: number): void {
  requirePcm({ bytes: new Uint8Array(4), format: 'f32le', sampleRateHz, channels });
}

function sourceOf(input: AudioInput): Source {
  return input.kind === 'file' ? { file: path.basename(input.path) } : {};
}

function closedError(): EmotionError {
  return new EmotionError(
    'engine.closed',
    'The audio front end was closed; send the message again after the deploy',
  );
}
