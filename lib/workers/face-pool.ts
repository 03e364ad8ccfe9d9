import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EmotionError } from '../emotion/error';
import type { VideoSample } from '../emotion/sample';
import type { Source } from '../emotion/source';
import { SessionClient, type SessionEnd } from '../engine/session-client';
import { Float32Aligner } from '../media/decode';
import { nameOf } from '../media/input';
import { temporaryFile } from '../media/temporary';
import type { Manifest } from '../models/manifest';
import type { Marked } from '../video/annotate';
import type { FaceEngine } from '../video/open-faces';
import type { Picture } from '../video/picture';
import { VideoPreparer } from '../video/prepare';
import { valueOf, type PlainError } from './answer';
import type {
  FaceInput,
  FaceLoadRequest,
  FaceOptions,
  FaceReply,
  FaceRequest,
  FaceTask,
} from './face-protocol';

export interface FacePoolOptions {
  /** Threads of one run of a net. Default 1. */
  readonly threads?: number;
  /** A process that shows no sign of life for so long while there is work is killed. Default 30 s. */
  readonly stuckMs?: number;
  /** The compiled module to run, `face-process` beside this one when left out. */
  readonly file?: string;
}

export interface ReadOptions extends Omit<FaceOptions, 'sound'> {
  readonly signal?: AbortSignal;
}

/** What a film was taken apart into. */
export interface SplitFilm {
  readonly faces: VideoSample;
  /** `[samples]` at {@link SOUND_RATE_HZ}, mono; none where the film has no sound. */
  readonly sound: Float32Array;
}

/** Samples a second of the sound of a film. */
export const SOUND_RATE_HZ = 16_000;

/** The front end of one model, as long as somebody holds it. */
export interface FacePreparation {
  /**
   * The faces of a picture, a film, a series of pictures, or of the last seconds of a stream, as rows
   * for the model.
   *
   * @throws {EmotionError} `media.*` when it cannot be decoded, `input.too-large`, `input.unusable`,
   *   `model.*` when a net cannot be loaded, `engine.timeout`, `engine.crashed`, `engine.closed`; the
   *   signal's reason when it is aborted
   */
  read(input: FaceInput, source: Source, options: ReadOptions): Promise<VideoSample>;
  /**
   * The same, and the sound of a film from the same reading of it. Other inputs have no sound.
   *
   * @throws {EmotionError} as `read`
   */
  split(input: FaceInput, source: Source, options: ReadOptions): Promise<SplitFilm>;
  /**
   * A picture with faces drawn on it, as a JPEG file.
   *
   * @throws {EmotionError} `input.unusable`, `engine.*`
   */
  draw(picture: Picture, faces: readonly Marked[], signal?: AbortSignal): Promise<Uint8Array>;
  /** Gives the process back; when the last one does, it ends. */
  close(): Promise<void>;
}

/** Larger buffers go to the process in a file: to send one would hold up the event loop. */
const MOST_SENT_BYTES = 1 << 18;

/**
 * Looks for faces off the event loop, in one child process an engine, which starts with the first
 * task and ends when the last holder closes. One that crashes or is stuck fails the tasks that it
 * held; the next task gets a new one. Owned by whoever shares it between nodes.
 *
 * @example
 * const pool = new FacePool();
 * const front = pool.open(manifest, 'auto');
 * const sample = await front.read({ kind: 'media', media: { kind: 'file', path: 'face.jpg' } }, {},
 *   { faces: 'all', maxFaces: 5, minSize: 20, fps: 10, maxSeconds: 60, picture: false });
 * await front.close();
 */
export class FacePool {
  readonly #options: FacePoolOptions;
  readonly #workers = new Map<FaceEngine, { worker: FaceWorker; users: number }>();

  constructor(options: FacePoolOptions = {}) {
    this.#options = options;
  }

  /** Process ids of the processes that live now. */
  get pids(): number[] {
    return [...this.#workers.values()].flatMap(({ worker }) => worker.pid ?? []);
  }

  /** @throws {EmotionError} `input.wrong-model` for a model that does not take pictures */
  open(manifest: Manifest, engine: FaceEngine): FacePreparation {
    void new VideoPreparer(manifest);
    const json = JSON.stringify(manifest);
    let shared = this.#workers.get(engine);
    if (shared === undefined) {
      shared = { worker: new FaceWorker(engine, this.#options), users: 0 };
      this.#workers.set(engine, shared);
    }
    shared.users += 1;
    const { worker } = shared;
    let isOpen = true;
    const read = async (
      input: FaceInput,
      source: Source,
      { signal, ...options }: FaceOptions & ReadOptions,
    ): Promise<VideoSample> => {
      if (!isOpen) throw closedError();
      return withoutLargeBuffers(input, (ready) =>
        worker.run<VideoSample>(
          { task: 'read', key: json, manifest: json, input: ready, options, source },
          signal,
        ),
      );
    };
    return {
      read,
      split: async (input, source, options) => {
        const file = await temporaryFile(new Uint8Array(0));
        try {
          const { maxSeconds: seconds } = options;
          const sound = { file: file.path, sampleRateHz: SOUND_RATE_HZ, seconds };
          const faces = await read(input, source, { ...options, sound });
          return { faces, sound: new Float32Aligner().push(await readFile(file.path)) };
        } finally {
          await file.remove();
        }
      },
      draw: async (picture, faces, signal) => {
        if (!isOpen) throw closedError();
        return worker.run<Uint8Array>({ task: 'draw', picture, faces }, signal);
      },
      close: async () => {
        if (!isOpen) return;
        isOpen = false;
        shared.users -= 1;
        if (shared.users > 0) return;
        if (this.#workers.get(engine) === shared) this.#workers.delete(engine);
        await worker.close();
      },
    };
  }
}

interface Job {
  readonly resolve: (value: VideoSample | Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** One process at a time, started when there is work. */
class FaceWorker {
  readonly #engine: FaceEngine;
  readonly #options: FacePoolOptions;
  readonly #stuckMs: number;
  readonly #jobs = new Map<number, Job>();
  #client: SessionClient<FaceLoadRequest, FaceRequest, FaceReply> | undefined;
  #nextId = 1;
  #watch: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(engine: FaceEngine, options: FacePoolOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#stuckMs = options.stuckMs ?? 30_000;
  }

  get pid(): number | undefined {
    return this.#client?.pid;
  }

  async run<T extends VideoSample | Uint8Array>(task: FaceTask, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw closedError();
    const client = (this.#client ??= this.#start());
    const id = this.#nextId++;
    const cancel = (): void => {
      this.#jobs.get(id)?.reject(signal?.reason);
      if (this.#client === client) void client.run([{ kind: 'cancel', id }]);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#jobs.set(id, { resolve: resolve as Job['resolve'], reject });
        this.#watchOver();
        void client.run([{ kind: 'run', id, task }]);
      });
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.#jobs.delete(id);
      if (this.#jobs.size === 0) clearTimeout(this.#watch);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#watch);
    this.#failAll(closedError());
    await this.#client?.close();
  }

  #start(): SessionClient<FaceLoadRequest, FaceRequest, FaceReply> {
    const client: SessionClient<FaceLoadRequest, FaceRequest, FaceReply> = new SessionClient(
      {
        kind: 'load',
        title: `emotion: faces (${this.#engine})`,
        engine: this.#engine,
        threads: this.#options.threads ?? 1,
      },
      {
        reply: (reply: FaceReply) => {
          if (this.#client === client) this.#hear(reply);
        },
        end: (end) => {
          if (this.#client === client) this.#ended(end);
        },
      },
      this.#options.file ?? join(__dirname, 'face-process.js'),
    );
    return client;
  }

  #hear(reply: FaceReply): void {
    this.#watchOver();
    switch (reply.kind) {
      case 'load-failed': {
        // The nets may be there the next time: a new process looks again.
        const client = this.#client;
        this.#client = undefined;
        this.#failAll(errorOf(reply.error));
        void client?.close();
        break;
      }
      case 'done':
        this.#jobs.get(reply.id)?.resolve(reply.value);
        break;
      case 'failed':
        this.#jobs.get(reply.id)?.reject(errorOf(reply.error));
        break;
      case 'loaded':
      case 'busy':
        break;
    }
  }

  #ended({ how, stderr }: SessionEnd): void {
    this.#client = undefined;
    const words = stderr.slice(-300);
    this.#failAll(
      new EmotionError(
        'engine.crashed',
        `The process that looks for faces ended (${how})${words && `: ${words}`}`,
        { how },
      ),
    );
  }

  /** Counts from the last sign of life. */
  #watchOver(): void {
    clearTimeout(this.#watch);
    if (this.#jobs.size === 0) return;
    this.#watch = setTimeout(() => {
      const client = this.#client;
      this.#client = undefined;
      client?.kill();
      this.#failAll(
        new EmotionError(
          'engine.timeout',
          `The process that looks for faces gave no sign of life for ${this.#stuckMs} ms`,
          { timeoutMs: this.#stuckMs },
        ),
      );
    }, this.#stuckMs);
  }

  #failAll(error: EmotionError): void {
    for (const job of this.#jobs.values()) job.reject(error);
    this.#jobs.clear();
  }
}

/** Runs a task with an input whose large file, if it has one, lies on the disk until it has ended. */
async function withoutLargeBuffers<T>(
  input: FaceInput,
  run: (input: FaceInput) => Promise<T>,
): Promise<T> {
  if (
    input.kind !== 'media' ||
    input.media.kind !== 'bytes' ||
    input.media.bytes.byteLength <= MOST_SENT_BYTES
  ) {
    return run(input);
  }
  const file = await temporaryFile(input.media.bytes);
  try {
    return await run({ kind: 'media', media: { kind: 'file', path: file.path } });
  } catch (error) {
    throw renamed(error, file.path, nameOf(input.media));
  } finally {
    await file.remove();
  }
}

/** An error that says what the person sent, not where it lay in the meantime. */
function renamed(error: unknown, path: string, name: string): unknown {
  if (!(error instanceof EmotionError)) return error;
  const details = Object.fromEntries(
    Object.entries(error.details).map(([key, value]) => [
      key,
      typeof value === 'string' ? value.replaceAll(path, name) : value,
    ]),
  );
  return new EmotionError(error.code, error.message.replaceAll(path, name), details, {
    cause: error.cause,
  });
}

function errorOf(error: PlainError): EmotionError {
  try {
    return valueOf<EmotionError>({ ok: false, error });
  } catch (thrown) {
    return thrown as EmotionError;
  }
}

function closedError(): EmotionError {
  return new EmotionError(
    'engine.closed',
    'The front end for faces was closed; send the message again after the deploy',
  );
}
