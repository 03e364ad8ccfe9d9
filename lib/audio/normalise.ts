/**
 * Mean and spread of each row removed, over the whole of an utterance: colour and level of the
 * channel go, with them how loud the voice is. In place.
 *
 * @param features `[rows, frames]`, row major
 * @param per `row`: each row by itself; `all`: one mean and one spread, which keeps the balance of
 *   high and low
 */
export function normaliseUtterance(
  features: Float32Array,
  rows: number,
  per: 'row' | 'all',
): Float32Array {
  const size = per === 'row' ? features.length / rows : features.length;
  for (let start = 0; start < features.length; start += size) {
    const part = features.subarray(start, start + size);
    let sum = 0;
    for (const value of part) sum += value;
    const mean = sum / part.length;
    let squares = 0;
    for (const value of part) squares += (value - mean) ** 2;
    const scale = 1 / Math.max(Math.sqrt(squares / part.length), SMALLEST_SPREAD);
    for (let i = 0; i < part.length; i += 1) part[i] = ((part[i] as number) - mean) * scale;
  }
  return features;
}

/** Rows that hardly move (an empty band, silence) are not blown up. */
const SMALLEST_SPREAD = 1e-2;

/**
 * Mean and spread as measured on the training data. In place.
 *
 * @param mean one number, or one a row
 */
export function normaliseFixed(
  features: Float32Array,
  rows: number,
  mean: number | readonly number[],
  spread: number | readonly number[],
): Float32Array {
  const frames = features.length / rows;
  for (let row = 0; row < rows; row += 1) {
    const centre = typeof mean === 'number' ? mean : (mean[row] ?? 0);
    const scale = 1 / (typeof spread === 'number' ? spread : (spread[row] ?? 1));
    for (let i = row * frames; i < (row + 1) * frames; i += 1) {
      features[i] = ((features[i] as number) - centre) * scale;
    }
  }
  return features;
}

/**
 * {@link normaliseUtterance} for a source without an end: mean and spread of each row follow what
 * has been heard, and forget it again with a half-life. The first windows use what there is.
 */
export class RunningNormaliser {
  private readonly mean: Float64Array;
  private readonly variance: Float64Array;
  private weight = 0;
  private readonly keep: number;

  /**
   * @param halfLifeFrames after so many frames a value counts half
   */
  constructor(
    private readonly rows: number,
    halfLifeFrames: number,
  ) {
    this.mean = new Float64Array(rows);
    this.variance = new Float64Array(rows);
    this.keep = 0.5 ** (1 / halfLifeFrames);
  }

  /**
   * Learns the frames, then normalises them. In place.
   *
   * @param features `[rows, frames]`, row major
   * @param newFrames how many frames at the end were not in an earlier call: windows overlap
   */
  apply(features: Float32Array, newFrames = features.length / this.rows): Float32Array {
    const frames = features.length / this.rows;
    let { weight } = this;
    for (let t = Math.max(0, frames - newFrames); t < frames; t += 1) {
      // A mean over all frames at first, then the exponential one.
      weight = weight * this.keep + 1;
      for (let row = 0; row < this.rows; row += 1) {
        const value = features[row * frames + t] as number;
        const step = (value - (this.mean[row] as number)) / weight;
        const before = this.mean[row] as number;
        this.mean[row] = before + step;
        const spread = (value - before) * (value - (this.mean[row] as number));
        this.variance[row] =
          ((this.variance[row] as number) * (weight - 1)) / weight + spread / weight;
      }
    }
    this.weight = weight;
    for (let row = 0; row < this.rows; row += 1) {
      const scale = 1 / Math.max(Math.sqrt(this.variance[row] as number), SMALLEST_SPREAD);
      for (let i = row * frames; i < (row + 1) * frames; i += 1) {
        features[i] = ((features[i] as number) - (this.mean[row] as number)) * scale;
      }
    }
    return features;
  }

  /** Forgets the channel: after a reconnect or when another file begins. */
  reset(): void {
    this.mean.fill(0);
    this.variance.fill(0);
    this.weight = 0;
  }
}
