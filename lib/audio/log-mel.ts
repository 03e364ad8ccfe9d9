import { Chroma } from './chroma';
import { MelFilterBank, type MelScale } from './mel';
import { Spectrum, type SpectralShape } from './spectrum';

/** How sound becomes a picture of frequency over time. Lengths in samples. */
export interface FrontEndOptions {
  readonly sampleRateHz: number;
  readonly fftSize: number;
  readonly frameLength: number;
  readonly hopLength: number;
  readonly bands: number;
  readonly minHz: number;
  readonly maxHz: number;
  readonly scale: MelScale;
  readonly norm: 'area' | 'none';
}

/**
 * 64 frames are one window of 2.6 s: a transform of 1024 samples (64 ms) still resolves the harmonics
 * of a voice and fills each of 128 bands, and a hop of 40 ms follows syllables.
 */
export const DEFAULT_FRONT_END: FrontEndOptions = {
  sampleRateHz: 16_000,
  fftSize: 1024,
  frameLength: 1024,
  hopLength: 640,
  bands: 128,
  minHz: 50,
  maxHz: 8000,
  scale: 'slaney',
  norm: 'area',
};

/** Power under which a band counts as silent: −100 dB, librosa's `amin`. */
const POWER_FLOOR = 1e-10;

export interface TimeFrequency {
  readonly frames: number;
  /** `[bands, frames]`, row major, decibels: 10·log10 of the mel power, at least −100. */
  readonly logMel: Float32Array;
  /** `[12, frames]`, row major, 0–1. */
  readonly chroma?: Float32Array;
  /** One a frame. */
  readonly shapes?: readonly SpectralShape[];
}

/** Frames that lie wholly within so many samples. */
export function frameCount(samples: number, options: FrontEndOptions): number {
  return samples < options.frameLength
    ? 0
    : 1 + Math.floor((samples - options.frameLength) / options.hopLength);
}

/** Samples that so many frames span. */
export function sampleCount(frames: number, options: FrontEndOptions): number {
  return frames === 0 ? 0 : (frames - 1) * options.hopLength + options.frameLength;
}

/**
 * The log-mel spectrogram of a sound, and what else comes from the same spectra. Keeps its tables
 * and buffers: make one a worker, not one a call.
 *
 * @example
 * const frontEnd = new FrontEnd();
 * const { logMel, frames } = frontEnd.analyse(samples); // [128, frames]
 */
export class FrontEnd {
  private readonly spectrum: Spectrum;
  private readonly bank: MelFilterBank;
  private chroma: Chroma | undefined;

  constructor(readonly options: FrontEndOptions = DEFAULT_FRONT_END) {
    this.spectrum = new Spectrum(options.fftSize, options.frameLength, options.sampleRateHz);
    this.bank = new MelFilterBank(options);
  }

  /**
   * @param samples `[n]`; what is shorter than a frame gives no frames
   * @param want what to compute beside the log-mel spectrogram
   */
  analyse(
    samples: Float32Array,
    want: { readonly chroma?: boolean; readonly shapes?: boolean } = {},
  ): TimeFrequency {
    const { options } = this;
    const frames = frameCount(samples.length, options);
    const logMel = new Float32Array(options.bands * frames);
    const shapes: SpectralShape[] = [];
    let chroma: Float32Array | undefined;
    if (want.chroma) {
      this.chroma ??= new Chroma(options.fftSize, options.sampleRateHz);
      chroma = new Float32Array(Chroma.CLASSES * frames);
    }
    for (let t = 0; t < frames; t += 1) {
      const power = this.spectrum.of(samples, t * options.hopLength);
      this.bank.apply(power, logMel, t, frames);
      if (chroma) this.chroma?.apply(power, chroma, t, frames);
      if (want.shapes) shapes.push(this.spectrum.shape());
    }
    for (let i = 0; i < logMel.length; i += 1) {
      logMel[i] = 10 * Math.log10(Math.max(logMel[i] as number, POWER_FLOOR));
    }
    return { frames, logMel, ...(chroma && { chroma }), ...(want.shapes && { shapes }) };
  }
}

/**
 * Lifts everything that lies more than `topDb` under the loudest value, as
 * `librosa.power_to_db(top_db=…)` does. In place.
 */
export function limitRange(decibels: Float32Array, topDb: number): Float32Array {
  let loudest = -Infinity;
  for (const value of decibels) if (value > loudest) loudest = value;
  const floor = loudest - topDb;
  for (let i = 0; i < decibels.length; i += 1) {
    if ((decibels[i] as number) < floor) decibels[i] = floor;
  }
  return decibels;
}
