import { EmotionError } from '../emotion/error';
import type { FlowMessage } from './message';

/** What sending a message again needs of the host. */
export interface ResendHost {
  /** The node with an id, as far as it runs. */
  nodeOf(id: string): { receive(message: FlowMessage): void } | null | undefined;
  /** Calls the listener whenever a node has finished a message; the returned function stops it. */
  onComplete(listener: (completion: Completion) => void): () => void;
  /** Asks the listener of each message that a node sends on whether it may leave. */
  onSend(maySend: (message: object, node: string) => boolean): () => void;
  /** A copy that shares nothing that anyone may change. */
  clone(message: FlowMessage): FlowMessage;
}

/** A node has finished a message, with an error or without. */
export interface Completion {
  readonly message: object;
  readonly node: string;
  readonly error?: unknown;
}

/** Marks a message as an attempt. A symbol, so nobody sees it; clones of the host carry it along. */
const ATTEMPT = Symbol('emotion.attempt');

interface Attempt {
  readonly owner: string;
  readonly node: string;
  readonly number: number;
}

interface Pending {
  readonly succeed: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * A node that reports an error without finishing the message by it has that error come through a
 * Catch node a few turns of the event loop after it has finished.
 */
const GRACE_MS = 20;

/** Attempts that are remembered as abandoned; nodes that never finish anything must not fill memory. */
const MOST_ABANDONED = 10_000;

/**
 * Sends messages again to the node that failed and learns what became of them. A success leaves
 * through that node's own wires; a failure comes back through the same Catch node, where
 * {@link settleOwn} takes it out, so that an attempt never starts attempts of its own.
 */
export class Resender {
  readonly #owner: string;
  readonly #pending = new Map<number, Pending>();
  readonly #stopListening: readonly (() => void)[];
  /** Attempts that nobody waits for any longer: their messages have been answered otherwise. */
  readonly #abandoned = new Set<number>();
  #attempts = 0;

  /** @param owner differs for each life of the node, so that what an earlier one sent is not its own */
  constructor(
    private readonly host: ResendHost,
    owner: string,
  ) {
    this.#owner = owner;
    const stopCompletions = host.onComplete(({ message, node, error }) => {
      const attempt = this.#ownAttempt(message, node);
      if (attempt === undefined) return;
      this.#abandoned.delete(attempt.number);
      const pending = this.#pending.get(attempt.number);
      if (error === undefined || error === null) pending?.succeed();
      else pending?.fail(error);
    });
    const stopSends = host.onSend((message, node) => {
      const attempt = this.#ownAttempt(message, node);
      return attempt === undefined || !this.#abandoned.has(attempt.number);
    });
    this.#stopListening = [stopCompletions, stopSends];
  }

  /**
   * Resolves when the node has finished a copy of the message, rejects with its error.
   *
   * @param signal nobody waits any longer; what the node may still send of it does not leave
   * @throws EmotionError `fallback.source-gone` when the node does not run
   */
  async send(node: string, message: FlowMessage, signal: AbortSignal): Promise<void> {
    const target = this.host.nodeOf(node);
    if (typeof target?.receive !== 'function') {
      throw new EmotionError(
        'fallback.source-gone',
        `Node "${node}" cannot be sent the message again: it does not run, or lies in a subflow`,
        { node },
      );
    }
    const number = (this.#attempts += 1);
    const copy = this.host.clone(message);
    const attempt: Attempt = { owner: this.#owner, node, number };
    Object.assign(copy, { [ATTEMPT]: attempt });
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#pending.set(number, {
          succeed: () => {
            timer ??= setTimeout(resolve, GRACE_MS);
          },
          fail: reject,
        });
        const abandon = (): void => {
          this.#abandon(number);
          reject(signal.reason as Error);
        };
        signal.addEventListener('abort', abandon, { once: true });
        target.receive(copy);
      });
    } finally {
      clearTimeout(timer);
      this.#pending.delete(number);
    }
  }

  /**
   * Whether a message that a Catch node gives is one of these attempts, failed once more; whoever
   * waits for it is told.
   */
  settleOwn(message: FlowMessage, node: string, error: unknown): boolean {
    const attempt = this.#ownAttempt(message, node);
    if (attempt === undefined) return false;
    this.#pending.get(attempt.number)?.fail(error);
    return true;
  }

  close(): void {
    for (const stop of this.#stopListening) stop();
  }

  #abandon(number: number): void {
    this.#abandoned.add(number);
    if (this.#abandoned.size <= MOST_ABANDONED) return;
    for (const oldest of this.#abandoned) {
      this.#abandoned.delete(oldest);
      break;
    }
  }

  #ownAttempt(message: object, node: string): Attempt | undefined {
    const attempt = attemptOf(message);
    return attempt?.owner === this.#owner && attempt.node === node ? attempt : undefined;
  }
}

function attemptOf(message: object): Attempt | undefined {
  return (message as { [ATTEMPT]?: Attempt })[ATTEMPT];
}
