import type { KeptValue } from './kept-value';

/**
 * Keeps the state of a node that changes with every message: written from time to time and at the
 * end, as a copy that nobody changes afterwards.
 */
export class StateKeeper {
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param stateOf what is to be kept now; must be JSON
   * @param onError told when it cannot be written
   */
  constructor(
    private readonly store: KeptValue,
    private readonly stateOf: () => unknown,
    private readonly onError: (error: unknown) => void,
    private readonly intervalMs = 60_000,
  ) {}

  /** The state has changed: it will be written before long. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.save().catch(this.onError);
    }, this.intervalMs).unref();
  }

  async save(): Promise<void> {
    await this.store.save(JSON.parse(JSON.stringify(this.stateOf())) as unknown);
  }

  /** Writes what has not been written yet. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.save();
  }
}
