import Meyda from 'meyda';

/** What Meyda tells of one frame beside its spectrum. Frequencies in hertz. */
export interface SpectralShape {
  /** Centre of gravity of the amplitude spectrum. */
  readonly centroidHz: number;
  /** Width around the centroid. */
  readonly spreadHz: number;
  /** Geometric over arithmetic mean, 0 (tone) to 1 (noise). */
  readonly flatness: number;
  /** Below it lie 99 % of the spectrum's energy. */
  readonly rolloffHz: number;
  /** Share of neighbouring samples between which the sign changes. */
  readonly zeroCrossingRate: number;
}

/** Of silence, for which Meyda gives NaN and frequencies beyond the spectrum. */
const NO_SHAPE: SpectralShape = {
  centroidHz: 0,
  spreadHz: 0,
  flatness: 0,
  rolloffHz: 0,
  zeroCrossingRate: 0,
};

/** Meyda's extractors, which its types leave out: they can be used on a spectrum that is there already. */
interface MeydaExtractors {
  readonly featureExtractors: Record<
    'spectralCentroid' | 'spectralSpread' | 'spectralFlatness' | 'spectralRolloff' | 'zcr',
    (state: { ampSpectrum: Float32Array; signal: Float32Array; sampleRate: number }) => number
  >;
}

/**
 * A signal for `Meyda.extract`, whose Fourier transform also takes a complex one. It looks at the
 * length, and takes what has no `buffer` for a list of numbers.
 */
interface ComplexSignal {
  readonly real: Float64Array;
  readonly imag: Float64Array;
  readonly length: number;
  readonly buffer: ArrayBufferLike;
}

/** Meyda keeps its settings in the module: set where they differ. */
function configure(bufferSize: number): void {
  if (Meyda.bufferSize !== bufferSize) Meyda.bufferSize = bufferSize;
  // Meyda's name for no window: frames arrive windowed.
  if (Meyda.windowingFunction !== 'rect') Meyda.windowingFunction = 'rect';
}

/** The periodic Hann window that fits a Fourier transform; Meyda's own is the symmetric one. */
export function hann(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length));
}

/**
 * Power spectra of windowed frames, by Meyda's FFT. The transform of N real samples comes from a
 * complex one of half the length, of the even samples beside the odd ones (Press et al., "Numerical
 * Recipes", section 12.3.2), for half the work.
 *
 * @throws {RangeError} when the sizes do not fit: a frame longer than the FFT, or an FFT whose size
 *   is not a power of two.
 */
export class Spectrum {
  private readonly window: Float64Array;
  private readonly frame: Float32Array;
  /** Even samples of the frame as real parts, odd ones as imaginary parts. */
  private readonly halves: ComplexSignal;
  /** cos and sin of 2π · bin / fftSize. */
  private readonly cosines: Float64Array;
  private readonly sines: Float64Array;
  private readonly power: Float64Array;
  private readonly amplitude: Float32Array;

  constructor(
    readonly fftSize: number,
    readonly frameLength: number,
    readonly sampleRateHz: number,
  ) {
    if (!Number.isInteger(Math.log2(fftSize)) || fftSize < 32) {
      throw new RangeError(`fftSize: expected a power of two from 32 on, got ${fftSize}`);
    }
    if (frameLength < 2 || frameLength > fftSize) {
      throw new RangeError(`frameLength: expected 2 to ${fftSize} (fftSize), got ${frameLength}`);
    }
    this.window = hann(frameLength);
    this.frame = new Float32Array(fftSize);
    const half = fftSize / 2;
    const real = new Float64Array(half);
    this.halves = { real, imag: new Float64Array(half), length: half, buffer: real.buffer };
    const angle = (2 * Math.PI) / fftSize;
    this.cosines = Float64Array.from({ length: half + 1 }, (_, bin) => Math.cos(angle * bin));
    this.sines = Float64Array.from({ length: half + 1 }, (_, bin) => Math.sin(angle * bin));
    this.power = new Float64Array(half + 1);
    this.amplitude = new Float32Array(half);
  }

  /**
   * @param samples the whole sound; what lies beyond its ends counts as zero
   * @param at first sample of the frame
   * @returns `[fftSize / 2 + 1]`, |X|², overwritten by the next call
   */
  of(samples: Float32Array, at: number): Float64Array {
    const { window, frame, halves, power, cosines, sines } = this;
    // A short frame stands in the middle of the transform, as in librosa.
    const lead = (this.fftSize - this.frameLength) >> 1;
    for (let i = 0; i < window.length; i += 1) {
      frame[lead + i] = (samples[at + i] ?? 0) * (window[i] as number);
    }
    const half = halves.length;
    for (let i = 0; i < half; i += 1) {
      halves.real[i] = frame[2 * i] as number;
      halves.imag[i] = frame[2 * i + 1] as number;
    }
    configure(half);
    const { real, imag } = Meyda.extract(
      'complexSpectrum',
      halves as unknown as Float32Array,
    ) as unknown as { readonly real: Float64Array; readonly imag: Float64Array };
    for (let bin = 0; bin <= half; bin += 1) {
      const here = bin % half;
      const mirrored = (half - bin) % half;
      // Twice the spectra of the even and of the odd samples.
      const evenRe = (real[here] as number) + (real[mirrored] as number);
      const evenIm = (imag[here] as number) - (imag[mirrored] as number);
      const oddRe = (imag[here] as number) + (imag[mirrored] as number);
      const oddIm = (real[mirrored] as number) - (real[here] as number);
      const cos = cosines[bin] as number;
      const sin = sines[bin] as number;
      const re = evenRe + cos * oddRe + sin * oddIm;
      const im = evenIm + cos * oddIm - sin * oddRe;
      power[bin] = (re * re + im * im) / 4;
    }
    return power;
  }

  /** Meyda's spectral features of the frame that {@link of} was called with last. */
  shape(): SpectralShape {
    const { featureExtractors } = Meyda as unknown as MeydaExtractors;
    const { amplitude: ampSpectrum, power, frame: signal, sampleRateHz: sampleRate } = this;
    let loudest = 0;
    for (let bin = 0; bin < ampSpectrum.length; bin += 1) {
      const value = Math.sqrt(power[bin] as number);
      ampSpectrum[bin] = value;
      if (value > loudest) loudest = value;
    }
    if (loudest === 0) return NO_SHAPE;
    const of = (feature: keyof MeydaExtractors['featureExtractors']) => {
      const value = featureExtractors[feature]({ ampSpectrum, signal, sampleRate });
      // The logarithm of a bin that is exactly zero.
      return Number.isFinite(value) ? value : 0;
    };
    const hzPerBin = sampleRate / this.fftSize;
    return {
      centroidHz: of('spectralCentroid') * hzPerBin,
      spreadHz: of('spectralSpread') * hzPerBin,
      flatness: of('spectralFlatness'),
      rolloffHz: of('spectralRolloff'),
      zeroCrossingRate: of('zcr') / (this.frameLength - 1),
    };
  }
}
