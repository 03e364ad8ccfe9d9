import { mock } from 'node:test';

/** Replaces `setTimeout` and `Date` for one test; time stands still until `pass` moves it. */
export function mockTime(nowMs = 1_700_000_000_000): {
  pass(ms: number): Promise<void>;
  setClock(ms: number): void;
  restore(): void;
} {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: nowMs });
  return {
    /** Moves on in steps, so that what a timer sets off may set the next one. */
    async pass(ms) {
      await settled();
      const step = Math.max(1, Math.ceil(ms / 100));
      for (let left = ms; left > 0; left -= step) {
        mock.timers.tick(Math.min(step, left));
        await settled();
      }
    },
    setClock: (ms) => mock.timers.setTime(ms),
    restore: () => mock.timers.reset(),
  };
}

/** All promise reactions have run. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
