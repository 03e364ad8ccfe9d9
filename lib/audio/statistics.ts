import { delta, mfcc } from './cepstrum';
import { DEFAULT_FRONT_END, FrontEnd, type FrontEndOptions } from './log-mel';
import { blockLevels } from './loudness';
import { pitch } from './pitch';

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
  shared ??= new FrontEnd(STATISTICS_FRONT_END);
  const { logMel, frames, shapes = [] } = shared.analyse(samples, { shapes: true });
  const values: number[] = [];

  const coefficients = mfcc(logMel, STATISTICS_FRONT_END.bands, COEFFICIENTS);
  const rows = (of: Float32Array) =>
    Array.from({ length: COEFFICIENTS }, (_, i) => of.subarray(i * frames, (i + 1) * frames));
  const spectra = rows(coefficients).map(moments);
  const slopes = rows(delta(coefficients, COEFFICIENTS)).map(moments);
  values.push(...spectra.map(({ mean }) => mean), ...spectra.map(({ sd }) => sd));
  values.push(...slopes.map(({ sd }) => sd));

  const levels = blockLevels(samples);
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
