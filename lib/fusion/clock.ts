/**
 * Time as the aligners see it. `now` is in milliseconds and must not run backwards (a wall clock
 * does when it is set); its zero does not matter.
 */
export interface Clock {
  now(): number;
  /** Calls `fire` once after `delayMs`; the returned function cancels it. */
  schedule(delayMs: number, fire: () => void): () => void;
}

/** Longest delay that `setTimeout` keeps; longer ones would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The process's monotonic clock. Its timers do not keep a process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  schedule(delayMs, fire) {
    const timer = setTimeout(fire, Math.min(Math.max(0, delayMs), LONGEST_TIMEOUT_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
