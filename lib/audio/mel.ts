/** `slaney`: linear to 1 kHz, then logarithmic (Auditory Toolbox, Slaney 1998); `htk`: 2595·log10(1 + f/700). */
export type MelScale = 'slaney' | 'htk';

const SLANEY_HZ_PER_MEL = 200 / 3;
const SLANEY_BREAK_HZ = 1000;
const SLANEY_BREAK_MEL = SLANEY_BREAK_HZ / SLANEY_HZ_PER_MEL;
const SLANEY_LOG_STEP = Math.log(6.4) / 27;

export function hzToMel(hz: number, scale: MelScale): number {
  if (scale === 'htk') return 2595 * Math.log10(1 + hz / 700);
  return hz < SLANEY_BREAK_HZ
    ? hz / SLANEY_HZ_PER_MEL
    : SLANEY_BREAK_MEL + Math.log(hz / SLANEY_BREAK_HZ) / SLANEY_LOG_STEP;
}

export function melToHz(mel: number, scale: MelScale): number {
  if (scale === 'htk') return 700 * (10 ** (mel / 2595) - 1);
  return mel < SLANEY_BREAK_MEL
    ? mel * SLANEY_HZ_PER_MEL
    : SLANEY_BREAK_HZ * Math.exp((mel - SLANEY_BREAK_MEL) * SLANEY_LOG_STEP);
}

export interface MelOptions {
  readonly sampleRateHz: number;
  readonly fftSize: number;
  readonly bands: number;
  readonly minHz: number;
  readonly maxHz: number;
  readonly scale: MelScale;
  /** `area`: each triangle has area 1 (librosa's `norm="slaney"`); `none`: each has height 1. */
  readonly norm: 'area' | 'none';
}

/**
 * Triangular filters over a power spectrum, kept sparse: a triangle covers a few bins of hundreds,
 * so one frame costs about two products a bin instead of one a bin and band. Same numbers as
 * `librosa.filters.mel`.
 */
export class MelFilterBank {
  /** First bin of each band, and where its weights begin in {@link weights}. */
  private readonly firstBin: Int32Array;
  private readonly offsets: Int32Array;
  private readonly weights: Float64Array;

  constructor(readonly options: MelOptions) {
    const { bands, fftSize, sampleRateHz, minHz, maxHz, scale, norm } = options;
    const bins = fftSize / 2 + 1;
    const low = hzToMel(minHz, scale);
    const high = hzToMel(maxHz, scale);
    const edges = Array.from({ length: bands + 2 }, (_, i) =>
      melToHz(low + ((high - low) * i) / (bands + 1), scale),
    );
    this.firstBin = new Int32Array(bands);
    this.offsets = new Int32Array(bands + 1);
    const weights: number[] = [];
    for (let band = 0; band < bands; band += 1) {
      const [left = 0, centre = 0, right = 0] = edges.slice(band, band + 3);
      const height = norm === 'area' ? 2 / (right - left) : 1;
      let first = -1;
      for (let bin = 0; bin < bins; bin += 1) {
        const hz = (bin * sampleRateHz) / fftSize;
        const weight = Math.min((hz - left) / (centre - left), (right - hz) / (right - centre));
        if (weight <= 0) continue;
        if (first < 0) first = bin;
        weights.push(weight * height);
      }
      this.firstBin[band] = Math.max(first, 0);
      this.offsets[band + 1] = weights.length;
    }
    this.weights = Float64Array.from(weights);
  }

  /** Bands whose triangle lies between two bins and is always zero: a longer FFT or fewer bands cure it. */
  get emptyBands(): number {
    let empty = 0;
    for (let band = 0; band < this.options.bands; band += 1) {
      if (this.offsets[band] === this.offsets[band + 1]) empty += 1;
    }
    return empty;
  }

  /**
   * @param power `[fftSize / 2 + 1]`
   * @param out `[bands]`, or longer with the bands `stride` apart from `at` on
   */
  apply(power: Float64Array, out: Float32Array | Float64Array, at = 0, stride = 1): void {
    const { firstBin, offsets, weights } = this;
    for (let band = 0; band < firstBin.length; band += 1) {
      let bin = firstBin[band] as number;
      let sum = 0;
      const end = offsets[band + 1] as number;
      for (let i = offsets[band] as number; i < end; i += 1, bin += 1) {
        sum += (weights[i] as number) * (power[bin] as number);
      }
      out[at + band * stride] = sum;
    }
  }

  /** The bank as rows of a matrix `[bands][fftSize / 2 + 1]`. */
  toMatrix(): number[][] {
    return Array.from(this.firstBin, (first, band) => {
      const row = new Array<number>(this.options.fftSize / 2 + 1).fill(0);
      const begin = this.offsets[band] as number;
      const end = this.offsets[band + 1] as number;
      for (let i = begin; i < end; i += 1) row[first + i - begin] = this.weights[i] as number;
      return row;
    });
  }
}
