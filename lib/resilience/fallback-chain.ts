import { EmotionError } from '../emotion/error';
import { CircuitOpenError } from './circuit-breaker';
import type { CircuitBreakers } from './circuit-breakers';
import { StoppedError, failureName, isRetryable, isSourceFailure } from './failure';
import { retryPolicy, type RetryOptions } from './retry';

export interface FallbackChainOptions extends RetryOptions {
  readonly breakers: CircuitBreakers;
  /** How long an attempt may take before it counts as failed. */
  readonly attemptTimeoutMs?: number;
}

export interface FallbackCall<Recovered, Answer> {
  /** What failed, e.g. the id of a node; each has a circuit of its own. */
  readonly source: string;
  /** The failure that brought the message here. */
  readonly failure: unknown;
  /**
   * Sends the message again; `attempt` counts from 1. When `signal` is aborted the outcome is not
   * waited for any longer and must not be passed on.
   */
  readonly attempt: (attempt: number, signal: AbortSignal) => Promise<Recovered>;
  /** Answers without the source, e.g. from a logistic-regression model. */
  readonly answer?: (fallback: {
    readonly reason: string;
    readonly attempts: number;
  }) => Answer | Promise<Answer>;
  /** Aborted: no more attempts, no more waiting, `answer` at once. */
  readonly signal?: AbortSignal;
}

export type FallbackOutcome<Recovered, Answer> =
  | { readonly kind: 'recovered'; readonly value: Recovered; readonly attempts: number }
  | {
      readonly kind: 'fallback';
      readonly value: Answer;
      /** Code or message of the last failure, `circuit-open`, or `stopped` after an abort. */
      readonly reason: string;
      /** How often the message was sent again. */
      readonly attempts: number;
    };

/**
 * What happens to a message that failed, until there is an answer: it is sent again with growing
 * waits, unless its failure cannot pass or the circuit of its source is open; then the fallback
 * answers; if that fails too there is one error with everything that went wrong.
 *
 * Each call settles exactly once. The failure that comes in counts for the circuit, so a source
 * that fails every message soon gets none; messages are then answered by the fallback without
 * delay, and one at a time probes whether the source is back.
 *
 * @example
 * const chain = new FallbackChain({ breakers: new CircuitBreakers() });
 * const outcome = await chain.run({ source: node.id, failure, attempt: resend, answer: classify });
 * // → { kind: 'fallback', value: { label: 'sad', … }, reason: 'engine.crashed', attempts: 3 }
 */
export class FallbackChain {
  constructor(private readonly options: FallbackChainOptions) {}

  /**
   * @throws EmotionError `fallback.exhausted`; its `cause` is an AggregateError with the failures in
   *   the order in which they happened
   */
  async run<Recovered, Answer>(
    call: FallbackCall<Recovered, Answer>,
  ): Promise<FallbackOutcome<Recovered, Answer>> {
    const failures: unknown[] = [call.failure];
    let attempts = 0;
    try {
      const value = await this.#retry(
        call,
        (failure) => void failures.push(failure),
        () => (attempts += 1),
      );
      return { kind: 'recovered', value, attempts };
    } catch (stopped) {
      const reason = reasonOf(stopped);
      if (stopped instanceof CircuitOpenError) failures.push(stopped);
      if (call.answer !== undefined) {
        try {
          return {
            kind: 'fallback',
            value: await call.answer({ reason, attempts }),
            reason,
            attempts,
          };
        } catch (failure) {
          failures.push(failure);
        }
      }
      throw exhausted(call.source, attempts, failures);
    }
  }

  async #retry<Recovered, Answer>(
    { source, failure: first, attempt, signal }: FallbackCall<Recovered, Answer>,
    onFailure: (failure: unknown) => void,
    nextAttempt: () => number,
  ): Promise<Recovered> {
    const breaker = this.options.breakers.of(source);
    if (isSourceFailure(first)) await breaker.recordFailure(first);
    if (isRetryable(first) && !breaker.admits) throw new CircuitOpenError(source);

    const stop = stopOn(signal);
    const policy = retryPolicy(
      this.options,
      (failure) => !(failure instanceof CircuitOpenError) && isRetryable(failure) && breaker.admits,
    );
    const attempting = policy.execute(async ({ attempt: made }) => {
      // The first call of the policy is the one that has failed already.
      if (made === 0) throw first as Error;
      if (signal?.aborted === true) throw new StoppedError();
      return breaker.execute(async () => {
        try {
          return await this.#within(attempt, nextAttempt(), stop.stopped);
        } catch (failure) {
          if (!(failure instanceof StoppedError)) onFailure(failure);
          throw failure;
        }
      });
    });
    // After an abort nobody listens to what still runs.
    attempting.catch(() => undefined);
    try {
      return await Promise.race([attempting, stop.stopped]);
    } finally {
      stop.release();
    }
  }

  /** One attempt, ended by the timeout or by the abort of the whole call. */
  async #within<T>(
    attempt: (attempt: number, signal: AbortSignal) => Promise<T>,
    count: number,
    stopped: Promise<never>,
  ): Promise<T> {
    const { attemptTimeoutMs = 30_000 } = this.options;
    const abort = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new EmotionError(
            'engine.timeout',
            `No answer to attempt ${count} in ${attemptTimeoutMs} ms`,
            { timeoutMs: attemptTimeoutMs },
          ),
        );
      }, attemptTimeoutMs);
      timer.unref();
    });
    try {
      return await Promise.race([attempt(count, abort.signal), timeout, stopped]);
    } catch (failure) {
      abort.abort(failure);
      throw failure;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A promise that rejects when the signal is aborted, and never without one. */
function stopOn(signal: AbortSignal | undefined): {
  stopped: Promise<never>;
  release: () => void;
} {
  let release = (): void => undefined;
  const stopped = new Promise<never>((_, reject) => {
    if (signal === undefined) return;
    const onAbort = (): void => reject(new StoppedError());
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    release = () => signal.removeEventListener('abort', onAbort);
  });
  stopped.catch(() => undefined);
  return { stopped, release };
}

function reasonOf(stopped: unknown): string {
  if (stopped instanceof CircuitOpenError) return 'circuit-open';
  if (stopped instanceof StoppedError) return 'stopped';
  return failureName(stopped);
}

function exhausted(source: string, attempts: number, failures: readonly unknown[]): EmotionError {
  const names = failures.map((failure) =>
    failure instanceof CircuitOpenError ? 'circuit-open' : failureName(failure),
  );
  const message = `No answer for "${source}" after ${attempts} attempts: ${names.join('; ')}`;
  return new EmotionError(
    'fallback.exhausted',
    message,
    { source, attempts, failures: names.join('; ') },
    { cause: new AggregateError(failures, message) },
  );
}
