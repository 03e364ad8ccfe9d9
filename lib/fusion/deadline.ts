import type { Clock } from './clock';

/** Something that waits since `openedAt`, in milliseconds of the clock. */
interface Waiting {
  readonly openedAt: number;
}

/**
 * One timer for things that wait equally long: it is set for the one that was opened first, and
 * moved on when that one has left.
 */
export class Deadline {
  #armedFor: Waiting | undefined;
  #cancel: (() => void) | undefined;

  /**
   * @param oldest what was opened first, undefined when nothing waits
   * @param onDue releases what is overdue; what it throws reaches the timer
   */
  constructor(
    private readonly clock: Clock,
    private readonly waitMs: number,
    private readonly oldest: () => Waiting | undefined,
    private readonly onDue: (now: number) => void,
  ) {}

  /** To be called whenever things have come or gone. */
  arm(now: number): void {
    const oldest = this.oldest();
    if (oldest === this.#armedFor) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedFor = oldest;
    if (oldest === undefined) return;
    this.#cancel = this.clock.schedule(oldest.openedAt + this.waitMs - now, () => {
      this.#armedFor = undefined;
      this.#cancel = undefined;
      const fired = this.clock.now();
      try {
        this.onDue(fired);
      } finally {
        this.arm(fired);
      }
    });
  }
}
