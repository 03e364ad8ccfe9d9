import { setImmediate } from 'node:timers/promises';

/**
 * Lets other flows run in the middle of long work on the event loop: whoever calls {@link pause}
 * often enough never holds it for much longer than `ms`.
 */
export class TimeSlice {
  #began = performance.now();

  constructor(private readonly ms = 10) {}

  /** Whether it is time to {@link pause}; asking costs less than a promise that resolves at once. */
  get over(): boolean {
    return performance.now() - this.#began >= this.ms;
  }

  /** Resolves at once within the slice, after the other work of the event loop beyond it. */
  async pause(): Promise<void> {
    if (!this.over) return;
    await setImmediate();
    this.#began = performance.now();
  }
}
