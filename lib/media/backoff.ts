export interface BackoffOptions {
  /** Wait before the first new attempt. Default 500 ms. */
  readonly initialMs: number;
  /** The longest wait. Default 30 s. */
  readonly maxMs: number;
  readonly factor: number;
  /** Part of the wait that is drawn at random, 0–1, so that many sources do not return at once. */
  readonly jitter: number;
}

export const DEFAULT_BACKOFF: BackoffOptions = {
  initialMs: 500,
  maxMs: 30_000,
  factor: 2,
  jitter: 0.2,
};

/**
 * How long to wait before attempt `attempt` (0 = the first repetition).
 *
 * @param random uniform in [0, 1)
 */
export function backoffMs(
  attempt: number,
  options: BackoffOptions = DEFAULT_BACKOFF,
  random: () => number = Math.random,
): number {
  const full = Math.min(options.maxMs, options.initialMs * options.factor ** attempt);
  return full * (1 - options.jitter * random());
}
