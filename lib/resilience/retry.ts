import { ExponentialBackoff, handleWhen, retry, type RetryPolicy } from 'cockatiel';

export interface RetryOptions {
  /** How often a failed message is sent again. */
  readonly attempts?: number;
  /** Longest wait before the first attempt; it doubles with each one. */
  readonly initialDelayMs?: number;
  /** Longest wait before any attempt. */
  readonly maxDelayMs?: number;
  /** A number from 0 (inclusive) to 1 (exclusive). */
  readonly random?: () => number;
}

/**
 * Longest waits before the attempts, before jitter: `initialDelayMs` · 2ⁿ, at most `maxDelayMs`.
 *
 * @param attempt 1 for the first one
 */
export function longestDelayMs(
  attempt: number,
  { initialDelayMs = 500, maxDelayMs = 10_000 }: RetryOptions = {},
): number {
  return Math.min(maxDelayMs, initialDelayMs * 2 ** (attempt - 1));
}

/**
 * Exponential back-off with full jitter: before attempt n a wait drawn evenly from 0 to
 * {@link longestDelayMs}, so that messages that failed together do not come back together
 * (M. Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015).
 *
 * The policy calls its function once at once and then up to `attempts` times more while `retryable`
 * says so. Its timers do not keep a process alive.
 */
export function retryPolicy(
  options: RetryOptions,
  retryable: (failure: unknown) => boolean,
): RetryPolicy {
  const random = options.random ?? Math.random;
  return retry(handleWhen(retryable), {
    maxAttempts: options.attempts ?? 3,
    backoff: new ExponentialBackoff<number>({
      generator: (made = 0) => [random() * longestDelayMs(made + 1, options), made + 1],
    }),
  }).dangerouslyUnref();
}
