import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How long the event loop kept other work waiting, in milliseconds. */
export interface LoopGap {
  /** From Node's own histogram, its sampling interval taken off. */
  readonly p99: number;
  readonly max: number;
  /** Longest time between two turns of a timer of 1 ms, an independent check on `max`. */
  readonly probeMax: number;
}

const RESOLUTION_MS = 1;

/** Measures the event loop of this process while some work goes on. */
export async function loopGap(work: () => Promise<unknown>): Promise<LoopGap> {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let probeMax = 0;
  let last = performance.now();
  const probe = setInterval(() => {
    const now = performance.now();
    probeMax = Math.max(probeMax, now - last - RESOLUTION_MS);
    last = now;
  }, RESOLUTION_MS);
  histogram.enable();
  await work();
  histogram.disable();
  clearInterval(probe);
  const milliseconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  return {
    p99: milliseconds(histogram.percentile(99)),
    max: milliseconds(histogram.max),
    probeMax,
  };
}
