import type { InstalledModel } from '../models/model';
import type { Engine } from './engine';

/** A share in an engine; give it back once. */
export interface EngineLease<E extends Engine = Engine> {
  readonly engine: E;
  /** The last share closes the engine; resolves when that is done. */
  release(): Promise<void>;
}

interface Shared<E> {
  readonly engine: E;
  shares: number;
}

/**
 * Engines shared by whoever wants the same model with the same settings: ten nodes on one
 * configuration have one child process.
 *
 * @example
 * const pool = new EnginePool((model, options: Partial<LocalEngineOptions>) =>
 *   new LocalEngine(model, options));
 * const lease = pool.acquire(model, { maxBatch: 16 });
 * await lease.engine.infer(sample);
 * await lease.release();
 */
export class EnginePool<Options extends object, E extends Engine = Engine> {
  readonly #create: (model: InstalledModel, options: Options) => E;
  readonly #shared = new Map<string, Shared<E>>();

  constructor(create: (model: InstalledModel, options: Options) => E) {
    this.#create = create;
  }

  /** How many engines are open. */
  get size(): number {
    return this.#shared.size;
  }

  acquire(model: InstalledModel, options: Options): EngineLease<E> {
    const key = JSON.stringify([model.folder, model.hash, sortedEntries(options)]);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = { engine: this.#create(model, options), shares: 0 };
      this.#shared.set(key, shared);
    }
    shared.shares += 1;
    const { engine } = shared;
    let released: Promise<void> | undefined;
    return { engine, release: () => (released ??= this.#release(key, shared)) };
  }

  /** Closes all engines, whoever has a share in them. */
  async close(): Promise<void> {
    const engines = [...this.#shared.values()].map(({ engine }) => engine);
    this.#shared.clear();
    await Promise.all(engines.map((engine) => engine.close()));
  }

  async #release(key: string, shared: Shared<E>): Promise<void> {
    shared.shares -= 1;
    if (shared.shares > 0) return;
    if (this.#shared.get(key) === shared) this.#shared.delete(key);
    await shared.engine.close();
  }
}

function sortedEntries(options: object): [string, unknown][] {
  return Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
