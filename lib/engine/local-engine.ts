import { EventEmitter } from 'node:events';
import { EmotionError } from '../emotion/error';
import type { Runtime } from '../emotion/result';
import type { FusionSample, Sample } from '../emotion/sample';
import { graphFile, type InstalledModel } from '../models/model';
import { batchMessages, pickBatch } from './batch';
import {
  LOCAL_ENGINE_DEFAULTS,
  TEXT_CACHE_ENTRIES,
  type Engine,
  type EngineOutput,
  type EngineState,
  type EngineStatus,
  type InferOptions,
  type LocalEngineOptions,
  type RowOutput,
  type StatusListener,
} from './engine';
import { checkGraph } from './graph-check';
import {
  PIECE_BYTES,
  type LoadedReply,
  type RowsReply,
  type RunFailedReply,
  type SessionReply,
  type SessionRuntime,
} from './protocol';
import { RowCache, rowKey, type RowOutputs } from './row-cache';
import { checkSample, prepareRow, splitRow, type PreparedRow } from './rows';
import { SessionClient, type SessionEnd } from './session-client';
import { TurnBudget } from './turn-budget';

/** One call of `infer`, until it is answered. */
interface Call {
  readonly policyKey: string;
  readonly rows: (RowOutput | undefined)[];
  /** Rows without an answer. */
  open: number;
  /** Rows that the session process does not have yet. */
  unsent: number;
  readonly done: Promise<readonly RowOutput[]>;
  /** Each answers the call once and forgets it. */
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

interface GivenUpTogether {
  readonly calls: Set<Call>;
  readonly abort: () => void;
}

/** A row on its way through the session process, for one call or, where equal rows meet, several. */
interface Job {
  readonly row: PreparedRow;
  readonly key: string | undefined;
  /** Elements in the row: what it is sorted by. */
  readonly length: number;
  /** Only rows of the same group share a batch; see `padding` in the manifest. */
  readonly shapeGroup: string;
  readonly since: number;
  wanted: { readonly call: Call; readonly index: number }[];
  /** How often the process died while it ran this row. */
  deaths: number;
  sent: boolean;
}

interface Batch {
  readonly id: number;
  /** In the order of the batch's rows; undefined once answered. */
  readonly jobs: (Job | undefined)[];
  readonly alone: boolean;
}

/** A row of a sample with its cache key and what the cache holds for it. */
interface LookedUp {
  readonly row: PreparedRow;
  readonly key: string | undefined;
  readonly cached: RowOutputs | undefined;
}

/** At most so many batches in the process: one runs, one is there when it is done. */
const PIPELINE = 2;
/** How many of the waiting rows, in units of `maxBatch`, are looked at for rows of like length. */
const SORT_WINDOW = 8;
/** Rows that are prepared before the event loop gets a turn. */
const ROWS_PER_TURN = 32;
const LOAD_ATTEMPTS = 3;
const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 10_000;
/** How long a model that failed to load is left alone: doubled with every failure. */
const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 60_000;
/** A timer that comes this late says that the event loop was held up, not that the run is slow. */
const LATE_MS = 200;

/**
 * Runs a model on this machine: an ONNX Runtime session in a child process of its own, which can be
 * killed when a run takes too long and replaced when it dies, so that neither stops Node-RED.
 *
 * - Rows of concurrent calls share batches; rows of like length go together.
 * - A row that runs when the process dies is run once more, alone, so a row that kills the process
 *   takes no other with it; then its call fails with `engine.crashed`.
 * - A batch that runs longer than `timeoutMs` fails with `engine.timeout`; other rows that were
 *   sent run again.
 *
 * @example
 * const engine = new LocalEngine(await registry.resolve('text-bilstm'));
 * const { rows } = await engine.infer(sample);
 * rows[0].outputs.logits.data; // → Float32Array(7)
 * await engine.close();
 */
export class LocalEngine implements Engine {
  readonly #options: LocalEngineOptions;
  readonly #graph: string;
  readonly #cache: RowCache;
  readonly #events = new EventEmitter();
  readonly #budget = new TurnBudget(ROWS_PER_TURN);
  readonly #sessionFile: string | undefined;
  /** Inputs that must have the same shape in all rows of a batch. */
  readonly #unpadded: readonly string[];

  #state: EngineState = 'stopped';
  #error: EmotionError | undefined;
  #runtime: SessionRuntime;
  #passedOver: string | undefined;
  #closing: Promise<void> | undefined;

  #session: SessionClient | undefined;
  /** Sessions that were told to end and have not yet. */
  readonly #ending = new Set<Promise<void>>();
  /** The session is loaded and takes batches. */
  #loaded = false;
  /** The session was killed because a batch ran too long. */
  #timedOut = false;
  #restarts = 0;
  /** Deaths since a batch was last answered, deaths while loading, failures to load. */
  #deaths = 0;
  #loadDeaths = 0;
  #failures = 0;
  #retryAt = 0;
  #readyWaiters: { resolve: () => void; reject: (error: EmotionError) => void }[] = [];

  #startTimer: NodeJS.Timeout | undefined;
  #loadTimer: NodeJS.Timeout | undefined;
  #runTimer: NodeJS.Timeout | undefined;
  #waitTimer: NodeJS.Timeout | undefined;
  #pumpScheduled = false;

  readonly #calls = new Set<Call>();
  /** Calls by the signal that gives them up. */
  readonly #callsOf = new Map<AbortSignal, GivenUpTogether>();
  /** Calls of which some row was not sent, by policy key. */
  readonly #waitingCalls = new Map<string, Set<Call>>();
  /** Jobs that were not sent, in the order of their calls. */
  #waiting: Job[] = [];
  /** Jobs that run in a batch of their own, because a batch with them failed. */
  #alone: Job[] = [];
  /** What the session process has; the first one runs. */
  #batches: Batch[] = [];
  #lastBatchId = 0;
  /** Jobs without an answer by key, so that equal rows run once. */
  readonly #jobsByKey = new Map<string, Job>();

  /**
   * @param sessionFile the module that the child process runs; the suite's own when left out
   * @throws EmotionError `model.file-missing` when the model has no graph of the wanted precision
   */
  constructor(
    readonly model: InstalledModel,
    options: Partial<LocalEngineOptions> = {},
    sessionFile?: string,
  ) {
    this.#options = { ...LOCAL_ENGINE_DEFAULTS, ...options };
    this.#graph = graphFile(model, this.#options.precision);
    this.#sessionFile = sessionFile;
    const inputs = Object.entries(model.manifest.inputs);
    this.#unpadded = inputs.flatMap(([name, { padding }]) => (padding === null ? [name] : []));
    this.#runtime = this.#options.backend === 'onnxruntime-web' ? 'onnxruntime-web' : 'onnxruntime';
    const byModality = model.manifest.modality === 'text' ? TEXT_CACHE_ENTRIES : 0;
    this.#cache = new RowCache(this.#options.cacheEntries ?? byModality);
  }

  get runtime(): Runtime {
    return this.#runtime;
  }

  /** Why ONNX Runtime's native build was passed over for WebAssembly, if it was. */
  get passedOver(): string | undefined {
    return this.#passedOver;
  }

  get status(): EngineStatus {
    let waiting = 0;
    for (const calls of this.#waitingCalls.values()) waiting += calls.size;
    const running = this.#batches.reduce((sum, { jobs }) => sum + jobs.filter(Boolean).length, 0);
    const pid = this.#session?.pid;
    return {
      state: this.#state,
      waiting,
      running,
      restarts: this.#restarts,
      cached: this.#cache.size,
      ...(pid !== undefined && { pid }),
      ...(this.#error !== undefined && { error: this.#error }),
    };
  }

  on(event: 'status', listener: StatusListener): this {
    this.#events.on(event, listener);
    return this;
  }

  off(event: 'status', listener: StatusListener): this {
    this.#events.off(event, listener);
    return this;
  }

  ready(): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(this.#closedError());
    if (this.#loaded) return Promise.resolve();
    const resting = this.#ensureSession();
    if (resting !== undefined) return Promise.reject(resting);
    return new Promise((resolve, reject) => this.#readyWaiters.push({ resolve, reject }));
  }

  async infer(sample: Sample | FusionSample, options: InferOptions = {}): Promise<EngineOutput> {
    const from = performance.now();
    this.#throwIfOver(options.signal);
    const rows = await this.#inferRows(sample, options);
    return { rows, runtime: this.#runtime, latencyMs: performance.now() - from };
  }

  reset(policyKey?: string): void {
    const cleared = new EmotionError('queue.reset', 'The queue was reset before it ran');
    for (const call of [...this.#calls]) {
      const started = call.unsent < call.rows.length;
      if (!started && (policyKey === undefined || call.policyKey === policyKey)) {
        call.reject(cleared);
      }
    }
    if (policyKey !== undefined) return;
    this.#cache.clear();
    this.#failures = 0;
    this.#retryAt = 0;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#setState('closed');
    for (const timer of [this.#startTimer, this.#loadTimer, this.#runTimer, this.#waitTimer]) {
      clearTimeout(timer);
    }
    this.#rejectAll(this.#closedError());
    this.#cache.clear();
    this.#dismissSession();
    await Promise.all(this.#ending);
    this.#events.removeAllListeners();
  }

  // Calls

  async #inferRows(
    sample: Sample | FusionSample,
    options: InferOptions,
  ): Promise<readonly RowOutput[]> {
    const count = checkSample(sample, this.model.manifest);
    if (count === 0) return [];
    const later = this.#budget.take(Math.min(count, ROWS_PER_TURN));
    if (later !== undefined) {
      await later;
      this.#throwIfOver(options.signal);
    }
    const first = this.#lookUp(sample, 0, count);
    if (first.length === count && first.every(({ cached }) => cached !== undefined)) {
      return first.map(({ cached }) => ({ outputs: cached!, cached: true }));
    }
    const call = this.#openCall(count, options);
    this.#enqueue(call, 0, first);
    for (let from = first.length; from < count; from += ROWS_PER_TURN) {
      await this.#budget.take(ROWS_PER_TURN);
      if (!this.#calls.has(call)) break;
      this.#enqueue(call, from, this.#lookUp(sample, from, count));
    }
    return call.done;
  }

  #throwIfOver(signal: AbortSignal | undefined): void {
    if (this.#state === 'closed') throw this.#closedError();
    signal?.throwIfAborted();
  }

  /** The next rows of a sample, prepared and looked up in the cache. */
  #lookUp(sample: Sample | FusionSample, from: number, count: number): LookedUp[] {
    const rows: LookedUp[] = [];
    for (let index = from; index < Math.min(count, from + ROWS_PER_TURN); index += 1) {
      const row = prepareRow(sample, index, this.model.manifest);
      const key = this.#cache.enabled ? rowKey(row) : undefined;
      rows.push({ row, key, cached: key === undefined ? undefined : this.#cache.get(key) });
    }
    return rows;
  }

  #openCall(count: number, options: InferOptions): Call {
    const resting = this.#ensureSession();
    if (resting !== undefined) throw resting;
    const { policyKey = '', signal } = options;
    this.#admit(policyKey, options);

    let settle!: { resolve: (rows: readonly RowOutput[]) => void; reject: (e: unknown) => void };
    const done = new Promise<readonly RowOutput[]>((resolve, reject) => {
      settle = { resolve, reject };
    });
    // Whoever called gets the rejection through `infer`, which may still be preparing rows.
    done.catch(() => {});
    const forget = (): boolean => {
      if (!this.#calls.delete(call)) return false;
      this.#stopsWaiting(call);
      if (signal !== undefined) this.#unlisten(signal, call);
      return true;
    };
    const call: Call = {
      policyKey,
      rows: new Array<RowOutput | undefined>(count).fill(undefined),
      open: count,
      unsent: count,
      done,
      resolve: () => {
        if (forget()) settle.resolve(call.rows as RowOutput[]);
      },
      reject: (reason) => {
        if (!forget()) return;
        this.#discardUnwanted(call);
        settle.reject(reason);
      },
    };
    if (signal !== undefined) this.#listen(signal, call);

    this.#calls.add(call);
    const waiting = this.#waitingCalls.get(policyKey) ?? new Set();
    this.#waitingCalls.set(policyKey, waiting.add(call));
    return call;
  }

  /** One listener for all calls of a signal, which would look through all that it has for each more. */
  #listen(signal: AbortSignal, call: Call): void {
    const known = this.#callsOf.get(signal);
    if (known !== undefined) {
      known.calls.add(call);
      return;
    }
    const calls = new Set([call]);
    const abort = (): void => {
      for (const each of [...calls]) each.reject(signal.reason);
    };
    this.#callsOf.set(signal, { calls, abort });
    signal.addEventListener('abort', abort, { once: true });
  }

  #unlisten(signal: AbortSignal, call: Call): void {
    const together = this.#callsOf.get(signal);
    if (!together?.calls.delete(call) || together.calls.size > 0) return;
    this.#callsOf.delete(signal);
    signal.removeEventListener('abort', together.abort);
  }

  /** Makes room for a call, or throws `queue.full`. */
  #admit(policyKey: string, { policy, queueLimit }: InferOptions): void {
    if (this.#calls.size === 0) return;
    const waiting = this.#waitingCalls.get(policyKey) ?? new Set<Call>();
    switch (policy ?? this.#options.policy) {
      case 'reject':
        throw new EmotionError(
          'queue.full',
          `Model "${this.model.manifest.id}" is busy and the policy is to reject; try again later`,
          { limit: 0 },
        );
      case 'latest':
        for (const call of [...waiting]) {
          if (call.unsent < call.rows.length) continue;
          call.reject(new EmotionError('queue.superseded', 'A newer message took its place'));
        }
        return;
      case 'queue': {
        const limit = queueLimit ?? this.#options.queueLimit;
        if (waiting.size < limit) return;
        throw new EmotionError(
          'queue.full',
          `${waiting.size} messages wait for model "${this.model.manifest.id}" already, the limit is ${limit}; send fewer, or raise the limit`,
          { limit },
        );
      }
    }
  }

  /** Answers rows from the cache, joins rows that are on their way, queues the rest. */
  #enqueue(call: Call, from: number, rows: readonly LookedUp[]): void {
    rows.forEach(({ row, key, cached }, offset) => {
      const index = from + offset;
      const underWay = key === undefined ? undefined : this.#jobsByKey.get(key);
      if (cached !== undefined) {
        this.#sent(call);
        this.#answerRow(call, index, { outputs: cached, cached: true });
      } else if (underWay !== undefined) {
        underWay.wanted.push({ call, index });
        if (underWay.sent) this.#sent(call);
      } else {
        const job: Job = {
          row,
          key,
          length: elementsOf(row),
          shapeGroup: this.#shapeGroup(row),
          since: performance.now(),
          wanted: [{ call, index }],
          deaths: 0,
          sent: false,
        };
        this.#waiting.push(job);
        if (key !== undefined) this.#jobsByKey.set(key, job);
      }
    });
    this.#schedulePump();
  }

  #shapeGroup({ tensors }: PreparedRow): string {
    return this.#unpadded.map((name) => tensors[name]!.dims.join('x')).join(';');
  }

  #sent(call: Call): void {
    call.unsent -= 1;
    if (call.unsent === 0) this.#stopsWaiting(call);
  }

  #stopsWaiting(call: Call): void {
    const waiting = this.#waitingCalls.get(call.policyKey);
    waiting?.delete(call);
    if (waiting?.size === 0) this.#waitingCalls.delete(call.policyKey);
  }

  #answerRow(call: Call, index: number, row: RowOutput): void {
    if (!this.#calls.has(call)) return;
    call.rows[index] = row;
    call.open -= 1;
    if (call.open === 0) call.resolve();
  }

  #answerJob(job: Job, outputs: RowOutputs): void {
    this.#forgetJob(job);
    if (job.key !== undefined) this.#cache.set(job.key, outputs);
    for (const { call, index } of job.wanted) {
      this.#answerRow(call, index, { outputs, cached: false });
    }
  }

  #failJob(job: Job, error: EmotionError): void {
    this.#forgetJob(job);
    for (const { call } of job.wanted) call.reject(error);
  }

  #forgetJob(job: Job): void {
    if (job.key !== undefined && this.#jobsByKey.get(job.key) === job) {
      this.#jobsByKey.delete(job.key);
    }
  }

  /** Takes rows out of the queue that only a rejected call wanted. */
  #discardUnwanted(rejected: Call): void {
    if (rejected.unsent === 0) return;
    const stays = (job: Job): boolean => {
      job.wanted = job.wanted.filter(({ call }) => call !== rejected);
      if (job.wanted.length > 0) return true;
      this.#forgetJob(job);
      return false;
    };
    this.#waiting = this.#waiting.filter(stays);
    this.#alone = this.#alone.filter(stays);
  }

  #rejectAll(error: EmotionError): void {
    this.#waiting = [];
    this.#alone = [];
    this.#batches = [];
    this.#jobsByKey.clear();
    for (const call of [...this.#calls]) call.reject(error);
    for (const waiter of this.#readyWaiters.splice(0)) waiter.reject(error);
  }

  // Batches

  /** After the current turn of the event loop, so that rows that arrive together run together. */
  #schedulePump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    setImmediate(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  /** Sends batches as long as the session process can take them. */
  #pump(): void {
    clearTimeout(this.#waitTimer);
    while (this.#loaded && this.#batches.length < PIPELINE) {
      const idle = this.#batches.length === 0;
      if (this.#alone.length > 0) {
        if (idle) this.#send([this.#alone.shift()!], true);
        return;
      }
      const { maxBatch, maxWaitMs } = this.#options;
      const oldest = this.#waiting[0];
      if (oldest === undefined || this.#batches[0]?.alone) return;
      if (this.#waiting.length < maxBatch) {
        // Behind a batch that runs, rows lose nothing by waiting for others to join them.
        if (!idle) return;
        const wait = oldest.since + maxWaitMs - performance.now();
        if (wait > 0) {
          this.#waitTimer = setTimeout(() => this.#pump(), wait);
          return;
        }
      }
      this.#send(this.#takeBatch(oldest), false);
    }
  }

  #takeBatch(oldest: Job): Job[] {
    const { maxBatch } = this.#options;
    const window = this.#waiting.slice(0, maxBatch * SORT_WINDOW);
    const alike = window.filter(({ shapeGroup }) => shapeGroup === oldest.shapeGroup);
    const lengths = alike.map(({ length }) => length);
    const picked = pickBatch(lengths, maxBatch).map((index) => alike[index]!);
    const taken = new Set(picked);
    this.#waiting = [
      ...window.filter((job) => !taken.has(job)),
      ...this.#waiting.slice(window.length),
    ];
    return picked;
  }

  #send(jobs: Job[], alone: boolean): void {
    this.#lastBatchId += 1;
    const id = this.#lastBatchId;
    this.#batches.push({ id, jobs: [...jobs], alone });
    for (const job of jobs) {
      if (job.sent) continue;
      job.sent = true;
      for (const { call } of job.wanted) this.#sent(call);
    }
    const rows = jobs.map(({ row }) => row);
    void this.#session?.run(batchMessages(id, rows, this.model.manifest, PIECE_BYTES));
    if (this.#batches.length === 1) this.#armRunTimer();
  }

  #onRows({ id, from, count, outputs }: RowsReply): void {
    const batch = this.#batches[0];
    if (batch?.id !== id) return;
    for (let offset = 0; offset < count; offset += 1) {
      const job = batch.jobs[from + offset];
      if (job === undefined) continue;
      batch.jobs[from + offset] = undefined;
      this.#answerJob(job, splitRow(outputs, offset, job.row.lengths, this.model.manifest));
    }
    if (batch.jobs.every((job) => job === undefined)) {
      this.#deaths = 0;
      this.#nextBatch();
    }
  }

  /** One row can make ONNX Runtime refuse a whole batch, so its rows are tried one by one. */
  #onRunFailed({ id, message }: RunFailedReply): void {
    const batch = this.#batches[0];
    if (batch?.id !== id) return;
    const jobs = batch.jobs.filter((job) => job !== undefined);
    const [only] = jobs;
    if (jobs.length === 1 && only !== undefined) {
      this.#failJob(only, this.#engineError('engine.failed', `ONNX Runtime: ${message}`));
    } else {
      this.#alone.push(...jobs);
    }
    this.#nextBatch();
  }

  #nextBatch(): void {
    this.#batches.shift();
    this.#armRunTimer();
    this.#pump();
  }

  #armRunTimer(): void {
    clearTimeout(this.#runTimer);
    const { timeoutMs } = this.#options;
    const [head] = this.#batches;
    if (head === undefined || timeoutMs === 0) return;
    const due = performance.now() + timeoutMs;
    const expire = (): void => {
      if (performance.now() > due + LATE_MS) {
        // The answer may have come in the meantime; let the event loop read it first.
        this.#runTimer = setTimeout(() => this.#onTimeout(head), LATE_MS);
      } else {
        this.#onTimeout(head);
      }
    };
    this.#runTimer = setTimeout(expire, timeoutMs);
  }

  #onTimeout(batch: Batch): void {
    if (this.#batches[0] !== batch) return;
    const { timeoutMs } = this.#options;
    this.#batches.shift();
    this.#loaded = false;
    this.#timedOut = true;
    this.#session?.kill();
    const error = this.#engineError(
      'engine.timeout',
      `no answer within ${timeoutMs} ms; raise the timeout of the model or send less at a time`,
      { timeoutMs },
    );
    for (const job of batch.jobs) if (job !== undefined) this.#failJob(job, error);
  }

  // The session process

  /** Starts a session unless there is one or one is about to start; the error while it may not. */
  #ensureSession(): EmotionError | undefined {
    if (this.#session !== undefined || this.#startTimer !== undefined) return undefined;
    if (this.#state === 'failed' && performance.now() < this.#retryAt) return this.#error;
    this.#startSession();
    return undefined;
  }

  #startSession(): void {
    this.#startTimer = undefined;
    if (this.#state !== 'restarting') this.#setState('starting');
    const { loadTimeoutMs, ...options } = this.#options;
    const { manifest } = this.model;
    const session: SessionClient = new SessionClient(
      {
        kind: 'load',
        title: `emotion ${manifest.id}`,
        graph: this.#graph,
        backend: options.backend,
        executionProviders: options.executionProviders,
        intraOpThreads: options.intraOpThreads,
        interOpThreads: options.interOpThreads,
        graphOptimisation: options.graphOptimisation,
        outputs: Object.keys(manifest.outputs),
      },
      {
        reply: (reply) => {
          if (this.#session === session) this.#onReply(reply);
        },
        end: (end) => {
          if (this.#session === session) this.#onEnd(end);
        },
      },
      this.#sessionFile,
    );
    this.#session = session;
    this.#loadTimer = setTimeout(() => {
      this.#failModel(
        this.#modelError('model.load-failed', `not loaded within ${loadTimeoutMs} ms`),
      );
    }, loadTimeoutMs);
  }

  #onReply(reply: SessionReply): void {
    switch (reply.kind) {
      case 'loaded':
        return this.#onLoaded(reply);
      case 'load-failed':
        return this.#failModel(this.#modelError('model.load-failed', reply.message));
      case 'rows':
        return this.#onRows(reply);
      case 'run-failed':
        return this.#onRunFailed(reply);
    }
  }

  #onLoaded(reply: LoadedReply): void {
    clearTimeout(this.#loadTimer);
    const mismatch = checkGraph(this.model, this.#graph, reply);
    if (mismatch !== undefined) return this.#failModel(mismatch);
    this.#runtime = reply.runtime;
    this.#passedOver = reply.passedOver;
    this.#loaded = true;
    this.#loadDeaths = 0;
    this.#failures = 0;
    this.#setState('ready');
    for (const waiter of this.#readyWaiters.splice(0)) waiter.resolve();
    this.#pump();
  }

  #onEnd({ how, stderr }: SessionEnd): void {
    const whileLoading = !this.#loaded && !this.#timedOut;
    const killedByUs = this.#timedOut;
    this.#session = undefined;
    this.#loaded = false;
    this.#timedOut = false;
    clearTimeout(this.#loadTimer);
    clearTimeout(this.#runTimer);

    const died = `the session process ended with ${how}${stderr === '' ? '' : `: ${stderr}`}`;
    if (whileLoading) {
      this.#loadDeaths += 1;
      if (this.#loadDeaths >= LOAD_ATTEMPTS) {
        return this.#failModel(
          this.#modelError('model.load-failed', `${died} (${LOAD_ATTEMPTS} times while loading)`),
        );
      }
    }

    const open = this.#batches.splice(0).map(({ jobs }) => jobs.filter((job) => job !== undefined));
    const running = killedByUs ? [] : (open.shift() ?? []);
    this.#waiting.unshift(...open.flat());
    for (const job of running) {
      job.deaths += 1;
      if (job.deaths === 1) this.#alone.push(job);
      else
        this.#failJob(job, this.#engineError('engine.crashed', `${died}, twice with this input`));
    }

    const delay = backOff(this.#deaths, FIRST_BACK_OFF_MS, LONGEST_BACK_OFF_MS);
    this.#deaths += 1;
    this.#restarts += 1;
    this.#setState('restarting', this.#engineError('engine.crashed', died));
    this.#startTimer = setTimeout(() => this.#startSession(), delay);
  }

  /** Gives up on the model until {@link ready} or {@link infer} asks for it again after a rest. */
  #failModel(error: EmotionError): void {
    this.#retryAt = performance.now() + backOff(this.#failures + 1, FIRST_REST_MS, LONGEST_REST_MS);
    this.#failures += 1;
    this.#loadDeaths = 0;
    this.#dismissSession();
    this.#setState('failed', error);
    this.#rejectAll(error);
  }

  #dismissSession(): void {
    clearTimeout(this.#loadTimer);
    const session = this.#session;
    this.#session = undefined;
    this.#loaded = false;
    if (session === undefined) return;
    const ending = session.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #setState(state: EngineState, error?: EmotionError): void {
    if (this.#state === 'closed') return;
    const changed = state !== this.#state;
    this.#state = state;
    this.#error = error;
    if (changed) this.#events.emit('status', this.status);
  }

  // Errors

  #engineError(
    code: 'engine.timeout' | 'engine.crashed' | 'engine.failed',
    text: string,
    details: Record<string, string | number> = {},
  ): EmotionError {
    const model = this.model.manifest.id;
    return new EmotionError(code, `Model "${model}": ${text}`, { model, ...details });
  }

  #modelError(code: 'model.load-failed', cause: string): EmotionError {
    const model = this.model.manifest.id;
    return new EmotionError(code, `Model "${model}" could not be loaded: ${cause}`, {
      model,
      file: this.#graph,
      cause,
    });
  }

  #closedError(): EmotionError {
    const model = this.model.manifest.id;
    return new EmotionError('engine.closed', `Model "${model}" was closed`, { model });
  }
}

function elementsOf({ tensors }: PreparedRow): number {
  let count = 0;
  for (const name of Object.keys(tensors)) count += tensors[name]!.data.length;
  return count;
}

/** 0 for the first attempt, then doubling. */
function backOff(attempt: number, firstMs: number, longestMs: number): number {
  return attempt === 0 ? 0 : Math.min(longestMs, firstMs * 2 ** (attempt - 1));
}
