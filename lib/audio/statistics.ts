import { delta, mfcc } from './cepstrum';
import { DEFAULT_FRONT_END, FrontEnd, type FrontEndOptions } from './log-mel';
import { blockLevels } from './loudness';
import { pitch } from './pitch';
import type { SpectralShape } from './spectrum';

/**
 * Version of the list below. A model that was trained on one version must not be given another.
 */
export const STATISTICS_VERSION = 1;

/** What the logistic fallback looks at: plain spectra of 40 bands, every 32 ms. */
const STATISTICS_FRONT_END: FrontEndOptions = {
  ...DEFAULT_FRONT_END,
  fftSize: 512,
  frameLength: 512,
  hopLength: 512,
  bands: 40,
};
const COEFFICIENTS = 13;
const HOP = STATISTICS_FRONT_END.hopLength;
/** Samples of a level, and from one estimate of the pitch to the next. */
const BLOCK = 320;

const percentileNames = ['p10', 'p50', 'p90'] as const;

/** Names of the values of {@link utteranceStatistics}, in order. */
export const STATISTICS_NAMES: readonly string[] = [
  ...indexed('mfcc', 'mean'),
  ...indexed('mfcc', 'sd'),
  ...indexed('delta', 'sd'),
  ...['level', 'centroid', 'spread', 'flatness', 'rolloff', 'zcr'].flatMap((name) => [
    `${name}.mean`,
    `${name}.sd`,
    ...percentileNames.map((percentile) => `${name}.${percentile}`),
  ]),
  'pitch.voiced',
  'pitch.mean',
  'pitch.sd',
  ...percentileNames.map((percentile) => `pitch.${percentile}`),
  'pitch.slope',
  'pitch.jitter',
  'level.slope',
  'level.pauses',
];

function indexed(name: string, statistic: string): string[] {
  return Array.from({ length: COEFFICIENTS }, (_, i) => `${name}${i}.${statistic}`);
}

let shared: FrontEnd | undefined;

/**
 * What the statistics of a sound, or of any part of it, are made of: measured once, however many
 * windows overlap.
 */
export class UtteranceMeasures {
  /** `[13, frames]`, one frame every {@link HOP} samples. */
  private readonly coefficients: Float32Array;
  private readonly frames: number;
  private readonly shapes: readonly SpectralShape[];
  private readonly levels: Float32Array;

  /**
   * @param samples `[n]`, 16 kHz mono
   * @param track its pitch, when that is known already
   */
  constructor(
    private readonly samples: Float32Array,
    private readonly track: Float32Array = pitch(samples),
  ) {
    shared ??= new FrontEnd(STATISTICS_FRONT_END);
    const { logMel, frames, shapes = [] } = shared.analyse(samples, { shapes: true });
    this.frames = frames;
    this.shapes = shapes;
    this.coefficients = mfcc(logMel, STATISTICS_FRONT_END.bands, COEFFICIENTS);
    this.levels = blockLevels(samples, BLOCK);
  }

  /**
   * @param from first sample of the part; frames and blocks that begin in it and end in it count
   * @param to the sample behind its last one
   * @returns see {@link utteranceStatistics}
   */
  statistics(from = 0, to = this.samples.length): Float32Array {
    const firstFrame = Math.ceil(from / HOP);
    const lastFrame = Math.min(this.frames, Math.floor(to / HOP));
    const firstBlock = Math.ceil(from / BLOCK);
    const lastBlock = Math.floor(to / BLOCK);
    const count = Math.max(0, lastFrame - firstFrame);
    const coefficients = new Float32Array(COEFFICIENTS * count);
    for (let row = 0; row < COEFFICIENTS; row += 1) {
      const start = row * this.frames + firstFrame;
      coefficients.set(this.coefficients.subarray(start, start + count), row * count);
    }
    return summarise(
      coefficients,
      this.shapes.slice(firstFrame, lastFrame),
      this.levels.subarray(firstBlock, lastBlock),
      this.track.subarray(firstBlock, to === this.samples.length ? undefined : lastBlock),
    );
  }
}

/**
 * One utterance as a list of numbers: how its spectrum, loudness and pitch lie and move. Pitch in
 * semitones over 100 Hz, levels in dBFS, frequencies in kHz. Fixed length whatever the duration.
 *
 * @param samples `[n]`, 16 kHz mono
 * @param track its pitch, when that is known already
 * @returns `[STATISTICS_NAMES.length]`; NaN where there is nothing to measure, such as the pitch of a
 *   sound without a voice
 */
export function utteranceStatistics(
  samples: Float32Array,
  track: Float32Array = pitch(samples),
): Float32Array {
  return new UtteranceMeasures(samples, track).statistics();
}

/**
 * @param coefficients `[13, frames]`
 * @param shapes one a frame
 * @param levels dBFS, one a block
 * @param track pitch, hertz, one a block
 */
function summarise(
  coefficients: Float32Array,
  shapes: readonly SpectralShape[],
  levels: Float32Array,
  track: Float32Array,
): Float32Array {
  const frames = coefficients.length / COEFFICIENTS;
  const values: number[] = [];
  const rows = (of: Float32Array) =>
    Array.from({ length: COEFFICIENTS }, (_, i) => of.subarray(i * frames, (i + 1) * frames));
  const spectra = rows(coefficients).map(moments);
  const slopes = rows(delta(coefficients, COEFFICIENTS)).map(moments);
  values.push(...spectra.map(({ mean }) => mean), ...spectra.map(({ sd }) => sd));
  values.push(...slopes.map(({ sd }) => sd));

  const tracks = [
    levels,
    Float32Array.from(shapes, (shape) => shape.centroidHz / 1000),
    Float32Array.from(shapes, (shape) => shape.spreadHz / 1000),
    Float32Array.from(shapes, (shape) => shape.flatness),
    Float32Array.from(shapes, (shape) => shape.rolloffHz / 1000),
    Float32Array.from(shapes, (shape) => shape.zeroCrossingRate),
  ];
  for (const measure of tracks) {
    const { mean, sd } = moments(measure);
    values.push(mean, sd, ...percentiles(measure));
  }

  const voiced = track.filter((hz) => hz > 0).map((hz) => 12 * Math.log2(hz / 100));
  const { mean, sd } = moments(voiced);
  values.push(voiced.length / track.length, mean, sd, ...percentiles(voiced));
  values.push(slope(voiced), jitter(voiced), slope(levels), pauses(levels));
  return Float32Array.from(values);
}

function moments(values: Float32Array): { mean: number; sd: number } {
  if (values.length === 0) return { mean: NaN, sd: NaN };
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, sd: Math.sqrt(squares / values.length) };
}

function percentiles(values: Float32Array): number[] {
  const sorted = values.slice().sort();
  return [0.1, 0.5, 0.9].map((share) => sorted[Math.round(share * (sorted.length - 1))] ?? NaN);
}

/** Change from the beginning to the end of the straight line through the values. */
function slope(values: Float32Array): number {
  const n = values.length;
  if (n < 2) return NaN;
  const { mean } = moments(values);
  const middle = (n - 1) / 2;
  let above = 0;
  let below = 0;
  for (const [i, value] of values.entries()) {
    above += (i - middle) * (value - mean);
    below += (i - middle) ** 2;
  }
  return (above / below) * (n - 1);
}

/** Mean step between neighbouring estimates. */
function jitter(values: Float32Array): number {
  let sum = 0;
  for (let i = 1; i < values.length; i += 1) {
    sum += Math.abs((values[i] as number) - (values[i - 1] as number));
  }
  return values.length > 1 ? sum / (values.length - 1) : NaN;
}

/** Share of blocks that are 25 dB or more below the loud ones. */
function pauses(levels: Float32Array): number {
  const [, , loud = NaN] = percentiles(levels);
  return levels.filter((level) => level < loud - 25).length / levels.length;
}
