/** The middle value; the mean of the two middle ones of an even number; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The Wilson score interval of a proportion (E. B. Wilson, JASA 22, 1927), which stays within 0–1 and
 * holds for few trials and extreme proportions as well.
 *
 * @param z 1.96 for 95 %
 * @returns 0 to 1 when there were no trials
 *
 * @example wilsonInterval(0, 10); // → { low: 0, high: 0.278 }
 */
export function wilsonInterval(
  successes: number,
  trials: number,
  z = 1.959964,
): { readonly low: number; readonly high: number } {
  if (!(trials > 0)) return { low: 0, high: 1 };
  const share = successes / trials;
  const z2 = (z * z) / trials;
  const middle = (share + z2 / 2) / (1 + z2);
  const half = (z / (1 + z2)) * Math.sqrt((share * (1 - share)) / trials + z2 / (4 * trials));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/**
 * How many standard deviations a count lies above its expectation, by Anscombe's transform
 * 2√(x + 3/8) (F. J. Anscombe, Biometrika 35, 1948), which is good for small counts too.
 *
 * @param dispersion variance over that of a Poisson count
 */
export function countZ(count: number, expected: number, dispersion = 1): number {
  return (2 * Math.sqrt(count + 0.375) - 2 * Math.sqrt(expected + 0.375)) / Math.sqrt(dispersion);
}

/**
 * The same for `successes` of `trials` against a proportion, by Anscombe's arcsine transform (same
 * paper, section 4).
 */
export function shareZ(successes: number, trials: number, share: number, dispersion = 1): number {
  if (!(trials > 0)) return 0;
  const observed = Math.asin(Math.sqrt(clamp((successes + 0.375) / (trials + 0.75), 0, 1)));
  const expected = Math.asin(Math.sqrt((share * trials + 0.375) / (trials + 0.75)));
  return (2 * Math.sqrt(trials + 0.5) * (observed - expected)) / Math.sqrt(dispersion);
}

/**
 * The slope of Theil and Sen: the median of the slopes of all pairs (P. K. Sen, JASA 63, 1968), which
 * outliers of up to 29 % do not move.
 *
 * @param values at 0, 1, 2, …
 */
export function theilSen(values: readonly number[]): { slope: number; intercept: number } {
  const slopes: number[] = [];
  for (let j = 1; j < values.length; j += 1) {
    for (let i = 0; i < j; i += 1) slopes.push((values[j]! - values[i]!) / (j - i));
  }
  const slope = slopes.length === 0 ? 0 : median(slopes);
  return { slope, intercept: median(values.map((value, at) => value - slope * at)) };
}

export function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
