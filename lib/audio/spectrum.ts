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

/** What `Meyda.extract` leaves behind; its extractors can be used on it without a second FFT. */
interface MeydaState {
  readonly ampSpectrum: Float32Array;
  readonly featureExtractors: Record<
    'spectralCentroid' | 'spectralSpread' | 'spectralFlatness' | 'spectralRolloff' | 'zcr',
    (state: { ampSpectrum: Float32Array; signal: Float32Array; sampleRate: number }) => number
  >;
}

/** Meyda keeps its settings in the module: set where they differ, which in a worker is once. */
function configure(fftSize: number, sampleRateHz: number): void {
  if (Meyda.bufferSize !== fftSize) Meyda.bufferSize = fftSize;
  if (Meyda.sampleRate !== sampleRateHz) Meyda.sampleRate = sampleRateHz;
  // Meyda's name for no window: frames arrive windowed.
  if (Meyda.windowingFunction !== 'rect') Meyda.windowingFunction = 'rect';
}

/** The periodic Hann window that fits a Fourier transform; Meyda's own is the symmetric one. */
export function hann(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length));
}

/**
 * Power spectra of windowed frames, by Meyda's FFT.
 *
 * @throws {RangeError} when the sizes do not fit: a frame longer than the FFT, or an FFT whose size
 *   is not a power of two.
 */
export class Spectrum {
  private readonly window: Float64Array;
  private readonly frame: Float32Array;
  private readonly power: Float64Array;

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
    this.power = new Float64Array(fftSize / 2 + 1);
  }

  /**
   * @param samples the whole sound; what lies beyond its ends counts as zero
   * @param at first sample of the frame
   * @returns `[fftSize / 2 + 1]`, |X|², overwritten by the next call
   */
  of(samples: Float32Array, at: number): Float64Array {
    configure(this.fftSize, this.sampleRateHz);
    const { window, frame, power } = this;
    // A short frame stands in the middle of the transform, as in librosa.
    const lead = (this.fftSize - this.frameLength) >> 1;
    for (let i = 0; i < window.length; i += 1) {
      frame[lead + i] = (samples[at + i] ?? 0) * (window[i] as number);
    }
    const spectrum = Meyda.extract('complexSpectrum', frame) as unknown as {
      real: ArrayLike<number>;
      imag: ArrayLike<number>;
    };
    for (let bin = 0; bin < power.length; bin += 1) {
      const re = spectrum.real[bin] as number;
      const im = spectrum.imag[bin] as number;
      power[bin] = re * re + im * im;
    }
    return power;
  }

  /** Meyda's spectral features of the frame that {@link of} was called with last. */
  shape(): SpectralShape {
    const { featureExtractors, ampSpectrum } = Meyda as unknown as MeydaState;
    if (ampSpectrum.every((value) => value === 0)) return NO_SHAPE;
    const of = (feature: keyof MeydaState['featureExtractors']) => {
      const value = featureExtractors[feature]({
        ampSpectrum,
        signal: this.frame,
        sampleRate: this.sampleRateHz,
      });
      // The logarithm of a bin that is exactly zero.
      return Number.isFinite(value) ? value : 0;
    };
    const hzPerBin = this.sampleRateHz / this.fftSize;
    return {
      centroidHz: of('spectralCentroid') * hzPerBin,
      spreadHz: of('spectralSpread') * hzPerBin,
      flatness: of('spectralFlatness'),
      rolloffHz: of('spectralRolloff'),
      zeroCrossingRate: of('zcr') / (this.frameLength - 1),
    };
  }
}
