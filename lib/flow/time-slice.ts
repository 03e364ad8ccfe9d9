import { setImmediate } from 'node:timers/promises';

/**
 * Lets other flows run in the middle of long work on the event loop: whoever calls {@link pause}
 * often enough never holds it for much longer than `ms`.
 */
export class TimeSlice {
  #began = performance.now();

  constructor(private readonly ms = 10) {}

  /** Resolves at once within the slice, after the other work of the event loop beyond it. */
  async pause(): Promise<void> {
    if (performance.now() - this.#began < this.ms) return;
    await setImmediate();
    this.#began = performance.now();
  }
}
