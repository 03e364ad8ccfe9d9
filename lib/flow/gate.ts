import { EmotionError } from '../emotion/error';

/**
 * What happens to a message that finds all places taken. `queue`: it waits, and fails when `limit`
 * messages wait already. `latest`: it waits, and the message that has waited longest gives way.
 * `reject`: it fails at once; nothing ever waits.
 */
export type QueuePolicy = 'queue' | 'latest' | 'reject';

export const QUEUE_POLICIES: readonly QueuePolicy[] = ['queue', 'latest', 'reject'];

export interface GateOptions {
  /** Messages that are worked on at the same time. */
  readonly concurrency: number;
  /** Messages that may wait. */
  readonly limit: number;
  readonly policy: QueuePolicy;
}

interface Entry {
  readonly start: () => void;
  readonly fail: (error: EmotionError) => void;
}

/**
 * Bounds the work of one node. Every task that enters settles exactly once: with its own outcome,
 * or with the reason why it was turned away or dropped, whichever comes first.
 */
export class Gate {
  private readonly queue: Entry[] = [];
  private readonly running = new Set<Entry>();

  constructor(private readonly options: GateOptions) {}

  get waiting(): number {
    return this.queue.length;
  }

  get active(): number {
    return this.running.size;
  }

  /**
   * Runs the task as soon as there is a place.
   *
   * @throws EmotionError `queue.full` or `queue.superseded` by the policy, or the reason that
   * {@link drain} was called with; the task's signal is then aborted and its outcome ignored.
   */
  enter<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const abort = new AbortController();
      const entry: Entry = {
        start: () => {
          this.running.add(entry);
          new Promise<T>((settle) => settle(task(abort.signal)))
            .finally(() => {
              this.running.delete(entry);
              this.startNext();
            })
            .then(resolve, reject);
        },
        fail: (error) => {
          reject(error);
          abort.abort(error);
        },
      };
      this.admit(entry);
    });
  }

  /** Fails everything that waits or runs; places are free again once the running tasks have ended. */
  drain(reason: EmotionError): void {
    const dropped = [...this.queue.splice(0), ...this.running];
    for (const entry of dropped) entry.fail(reason);
  }

  private admit(entry: Entry): void {
    const { concurrency, limit, policy } = this.options;
    if (this.running.size < concurrency) {
      entry.start();
      return;
    }
    if (policy === 'latest' && limit > 0) {
      this.queue.push(entry);
      while (this.queue.length > limit) this.queue.shift()?.fail(superseded());
      return;
    }
    if (policy === 'queue' && this.queue.length < limit) {
      this.queue.push(entry);
      return;
    }
    entry.fail(full(this.queue.length));
  }

  private startNext(): void {
    while (this.running.size < this.options.concurrency) {
      const entry = this.queue.shift();
      if (!entry) return;
      entry.start();
    }
  }
}

function full(waiting: number): EmotionError {
  return new EmotionError(
    'queue.full',
    `The node is busy and ${waiting} messages wait already: slow the source down, raise the queue ` +
      'limit, or let the latest message win',
    { waiting },
  );
}

function superseded(): EmotionError {
  return new EmotionError('queue.superseded', 'A later message took the place of this one');
}
