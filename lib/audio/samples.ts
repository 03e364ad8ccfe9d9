import { EmotionError } from '../emotion/error';

export interface CleanSamples {
  /** `[n]`, finite, within ±{@link LOUDEST}. The very input when nothing had to be changed. */
  readonly samples: Float32Array;
  /** NaN and infinite samples that were replaced by the last good one. */
  readonly replaced: number;
}

/** Float files may go beyond ±1 (+24 dB is a fair margin); beyond this they are damaged. */
const LOUDEST = 16;
/** With a larger share of damaged samples the sound is refused. */
const MOST_DAMAGED = 0.1;

/**
 * Makes samples safe to compute with: NaN and infinities are bridged with the last good sample,
 * absurd values are cut.
 *
 * @throws {EmotionError} `input.unusable` when more than a tenth of the samples are not numbers.
 */
export function cleanSamples(input: Float32Array): CleanSamples {
  let bad = 0;
  // By index here and in `summariseLoudness`: an iterator over each sample takes four times as long.
  for (let i = 0; i < input.length; i += 1) {
    const value = input[i] as number;
    if (!(value >= -LOUDEST && value <= LOUDEST)) bad += 1;
  }
  if (bad === 0) return { samples: input, replaced: 0 };
  const samples = new Float32Array(input.length);
  let last = 0;
  let replaced = 0;
  for (let i = 0; i < input.length; i += 1) {
    const value = input[i] as number;
    if (Number.isFinite(value)) last = Math.min(LOUDEST, Math.max(-LOUDEST, value));
    else replaced += 1;
    samples[i] = last;
  }
  if (replaced > MOST_DAMAGED * input.length) {
    throw new EmotionError(
      'input.unusable',
      `${replaced} of ${input.length} samples are NaN or infinite; is the declared format right?`,
      { replaced, samples: input.length },
    );
  }
  return { samples, replaced };
}

/**
 * High frequencies lifted: y[n] = x[n] − coefficient · x[n − 1].
 *
 * @param coefficient 0 (no change) to 1; 0.97 is common
 */
export function preEmphasis(samples: Float32Array, coefficient: number): Float32Array {
  if (coefficient === 0) return samples;
  const out = new Float32Array(samples.length);
  let previous = 0;
  for (let i = 0; i < samples.length; i += 1) {
    const value = samples[i] as number;
    out[i] = value - coefficient * previous;
    previous = value;
  }
  return out;
}
