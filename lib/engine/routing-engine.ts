import { EventEmitter } from 'node:events';
import { EmotionError } from '../emotion/error';
import type { Runtime } from '../emotion/result';
import type { FusionSample, Sample, TextSample } from '../emotion/sample';
import type { InstalledModel } from '../models/model';
import type {
  Engine,
  EngineOutput,
  EngineState,
  EngineStatus,
  InferOptions,
  StatusListener,
} from './engine';
import type { EngineLease } from './engine-pool';

/** What the state of several engines together is: the first of these that one of them is in. */
const BY_WEIGHT: readonly EngineState[] = [
  'failed',
  'restarting',
  'starting',
  'ready',
  'stopped',
  'closed',
];

/** The parts of a call after its first to an engine do not count against a node's queue again. */
const WITH_THE_FIRST = { policy: 'queue', queueLimit: Infinity } as const;

/**
 * Runs a router: gives each part of a sample to the engine of the model that it was prepared for.
 * Engines are leased when a part for them first comes, so a model that nobody's language needs is
 * never loaded, and one that other nodes use as well is loaded once.
 *
 * @example
 * const engine = new RoutingEngine(router, router.routes, (model) => pool.acquire(model, options));
 * const { rows } = await engine.infer(sample);   // rows[0].manifest.id → 'text-zh-bert'
 */
export class RoutingEngine implements Engine {
  readonly #targets: ReadonlyMap<string, InstalledModel>;
  readonly #acquire: (model: InstalledModel) => EngineLease;
  readonly #leases = new Map<string, EngineLease>();
  readonly #events = new EventEmitter();
  #state: EngineState = 'stopped';
  #closing: Promise<void> | undefined;

  /**
   * @param routes the models of the router
   * @param acquire leases the engine of one of them
   */
  constructor(
    readonly model: InstalledModel,
    routes: NonNullable<InstalledModel['routes']>,
    acquire: (model: InstalledModel) => EngineLease,
  ) {
    this.#targets = new Map(Object.values(routes).map((target) => [target.manifest.id, target]));
    this.#acquire = acquire;
  }

  get runtime(): Runtime {
    return this.#engines()[0]?.runtime ?? 'onnxruntime';
  }

  get status(): EngineStatus {
    const all = this.#engines().map(({ status }) => status);
    const state = this.#closing ? 'closed' : stateOf(all);
    const sum = (key: 'waiting' | 'running' | 'restarts' | 'cached') =>
      all.reduce((total, status) => total + status[key], 0);
    const heaviest = all.find((status) => status.state === state);
    return {
      state,
      waiting: sum('waiting'),
      running: sum('running'),
      restarts: sum('restarts'),
      cached: sum('cached'),
      ...(heaviest?.pid !== undefined && { pid: heaviest.pid }),
      ...(heaviest?.error !== undefined && { error: heaviest.error }),
    };
  }

  async ready(): Promise<void> {
    await Promise.all([...this.#targets.values()].map((target) => this.#engine(target).ready()));
  }

  async infer(sample: Sample | FusionSample, options: InferOptions = {}): Promise<EngineOutput> {
    const start = performance.now();
    const calls = this.#parts(sample).map((part) => ({ part, target: this.#target(part) }));
    const [only] = calls;
    if (only !== undefined && calls.length === 1) {
      const { manifest } = only.target;
      const { rows, runtime } = await this.#engine(only.target).infer(only.part, options);
      const told = rows.map((row) => ({ ...row, manifest }));
      return { rows: told, runtime, latencyMs: performance.now() - start };
    }
    const givenUp = new AbortController();
    const signal = options.signal
      ? AbortSignal.any([options.signal, givenUp.signal])
      : givenUp.signal;
    const seen = new Set<InstalledModel>();
    try {
      const answers = await Promise.all(
        calls.map(async ({ part, target }) => {
          const queue = seen.has(target) ? { ...options, ...WITH_THE_FIRST } : options;
          seen.add(target);
          return this.#engine(target).infer(part, { ...queue, signal });
        }),
      );
      return {
        rows: answers.flatMap(({ rows }, index) => {
          const { manifest } = calls[index]!.target;
          return rows.map((row) => ({ ...row, manifest }));
        }),
        runtime: answers[0]?.runtime ?? this.runtime,
        latencyMs: performance.now() - start,
      };
    } catch (error) {
      givenUp.abort(error);
      throw error;
    }
  }

  reset(policyKey?: string): void {
    for (const engine of this.#engines()) engine.reset(policyKey);
  }

  on(event: 'status', listener: StatusListener): this {
    this.#events.on(event, listener);
    return this;
  }

  off(event: 'status', listener: StatusListener): this {
    this.#events.off(event, listener);
    return this;
  }

  close(): Promise<void> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    const leases = [...this.#leases.values()];
    this.#leases.clear();
    for (const { engine } of leases) engine.off('status', this.#forward);
    await Promise.all(leases.map((lease) => lease.release()));
    this.#events.emit('status', this.status);
  }

  #engines(): Engine[] {
    return [...this.#leases.values()].map(({ engine }) => engine);
  }

  #engine(target: InstalledModel): Engine {
    if (this.#closing) {
      const model = this.model.manifest.id;
      throw new EmotionError('engine.closed', `Model "${model}" was closed`, { model });
    }
    const { id } = target.manifest;
    let lease = this.#leases.get(id);
    if (lease === undefined) {
      lease = this.#acquire(target);
      this.#leases.set(id, lease);
      lease.engine.on('status', this.#forward);
    }
    return lease.engine;
  }

  #parts(sample: Sample | FusionSample): readonly TextSample[] {
    const { id } = this.model.manifest;
    if (sample.model !== id) {
      throw new EmotionError(
        'input.wrong-model',
        `The sample was prepared for model "${sample.model}", this is "${id}": choose the same model in both nodes`,
        { expected: id, got: sample.model },
      );
    }
    const parts = sample.modality === 'text' ? sample.parts : undefined;
    if (isList(parts)) {
      const rows = parts.reduce((sum, { segments }) => sum + segments.length, 0);
      if (rows === sample.segments.length) return parts;
    }
    throw new EmotionError(
      'input.not-a-sample',
      `Model "${id}" chooses a model by language: expected a text sample with one part for each, as emotion-preprocess-text makes it`,
      { expected: 'a text sample with parts', got: `a ${sample.modality} sample without` },
    );
  }

  #target({ model }: TextSample): InstalledModel {
    const target = this.#targets.get(model);
    if (target !== undefined) return target;
    const expected = [...this.#targets.keys()].join(', ');
    throw new EmotionError(
      'input.wrong-model',
      `A part of the sample was prepared for model "${model}"; "${this.model.manifest.id}" chooses from ${expected}`,
      { expected, got: model },
    );
  }

  readonly #forward: StatusListener = () => {
    const { status } = this;
    if (status.state === this.#state) return;
    this.#state = status.state;
    this.#events.emit('status', status);
  };
}

/** A message may carry anything where parts should be. */
function isList(parts: readonly TextSample[] | undefined): parts is readonly TextSample[] {
  return Array.isArray(parts);
}

function stateOf(all: readonly EngineStatus[]): EngineState {
  return BY_WEIGHT.find((state) => all.some((status) => status.state === state)) ?? 'stopped';
}
