import type { EmotionError } from '../emotion/error';
import type { Runtime } from '../emotion/result';
import type { FusionSample, Sample, Tensor } from '../emotion/sample';
import type { Manifest, Precision } from '../models/manifest';
import type { InstalledModel } from '../models/model';

/** The model's outputs for one row of a sample. */
export interface RowOutput {
  /**
   * By output name, batch dimension 1, without the padding of the batch that it ran in. Shared with
   * the cache: read only.
   */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Whether it came from the cache. */
  readonly cached: boolean;
  /** Of the model that gave it, where a router chose one. */
  readonly manifest?: Manifest;
}

export interface EngineOutput {
  /** One per row of the sample; none for a sample with nothing to infer. */
  readonly rows: readonly RowOutput[];
  readonly runtime: Runtime;
  /** From the call to the answer, waiting included. */
  readonly latencyMs: number;
}

/**
 * What happens to a call that cannot start at once.
 *
 * - `queue`: it waits; when `queueLimit` calls with its key wait already, it is rejected with
 *   `queue.full`.
 * - `latest`: it takes the place of those with its key that wait; they are rejected with
 *   `queue.superseded`.
 * - `reject`: it is rejected with `queue.full`.
 */
export type QueuePolicy = 'queue' | 'latest' | 'reject';

export interface InferOptions {
  /** Gives the call up; it is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Instead of the engine's own settings, for this call. */
  readonly policy?: QueuePolicy;
  readonly queueLimit?: number;
  /** Which calls count together: a node's id, a camera. */
  readonly policyKey?: string;
}

export type EngineState = 'stopped' | 'starting' | 'ready' | 'restarting' | 'failed' | 'closed';

export interface EngineStatus {
  readonly state: EngineState;
  /** Calls of which some row has not started. */
  readonly waiting: number;
  /** Rows that run now. */
  readonly running: number;
  /** How often the session process was replaced. */
  readonly restarts: number;
  /** Entries in the cache. */
  readonly cached: number;
  /** The session process, while there is one. */
  readonly pid?: number;
  /** Why the state is `failed` or `restarting`. */
  readonly error?: EmotionError;
}

export type StatusListener = (status: EngineStatus) => void;

/**
 * Runs one model. Answers every call exactly once: with the outputs, or with an EmotionError
 * (`input.not-a-sample`, `input.wrong-model`, `queue.*`, `model.*`, `engine.*`).
 */
export interface Engine {
  readonly model: InstalledModel;
  /** What runs the model; before the first load, what is going to be tried. */
  readonly runtime: Runtime;
  readonly status: EngineStatus;

  /** Resolves when the model is loaded; calls do not need to wait for it. */
  ready(): Promise<void>;
  infer(sample: Sample | FusionSample, options?: InferOptions): Promise<EngineOutput>;

  /**
   * Rejects the calls that wait with `queue.reset`: those with a key, or all. Without a key, it
   * also empties the cache and lets a model that failed to load be tried again at once.
   */
  reset(policyKey?: string): void;

  /** Changes of `status.state`. */
  on(event: 'status', listener: StatusListener): this;
  off(event: 'status', listener: StatusListener): this;

  /** Rejects what is open with `engine.closed` and frees everything, within two seconds. */
  close(): Promise<void>;
}

export interface LocalEngineOptions {
  /** The manifest's default when left out. */
  readonly precision?: Precision;
  /** Tried in this order, e.g. `['cuda', 'cpu']`; `onnxruntime-web` always uses WebAssembly. */
  readonly executionProviders: readonly string[];
  /** 0 leaves it to ONNX Runtime. */
  readonly intraOpThreads: number;
  readonly interOpThreads: number;
  readonly graphOptimisation: 'disabled' | 'basic' | 'extended' | 'all';
  /** `auto`: onnxruntime-node, and onnxruntime-web where it cannot be loaded. */
  readonly backend: 'auto' | 'onnxruntime' | 'onnxruntime-web';
  /** Most rows in one run. */
  readonly maxBatch: number;
  /** How long an idle model waits for more rows before it runs fewer than `maxBatch`. */
  readonly maxWaitMs: number;
  /** Rows whose outputs are remembered; 0 turns the cache off. Default: 2,000 for text, else 0. */
  readonly cacheEntries?: number;
  /** Longest run of one batch; the session process is killed after it. 0 is no limit. */
  readonly timeoutMs: number;
  readonly loadTimeoutMs: number;
  readonly policy: QueuePolicy;
  readonly queueLimit: number;
}

export const LOCAL_ENGINE_DEFAULTS: LocalEngineOptions = {
  executionProviders: ['cpu'],
  intraOpThreads: 0,
  interOpThreads: 0,
  graphOptimisation: 'all',
  backend: 'auto',
  maxBatch: 32,
  maxWaitMs: 0,
  timeoutMs: 30_000,
  loadTimeoutMs: 60_000,
  policy: 'queue',
  queueLimit: 1_000,
};

export const TEXT_CACHE_ENTRIES = 2_000;
