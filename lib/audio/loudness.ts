/** The quietest value that is told apart from silence: −100 dBFS. */
export const SILENCE_DB = -100;

export interface LoudnessSummary {
  /** Root mean square of the whole, dBFS (a sine of amplitude 1 has −3). */
  readonly meanDb: number;
  /** Largest sample, dBFS. */
  readonly peakDb: number;
  /** From the 10th to the 95th percentile of the 20 ms blocks, dB: how much the voice moves. */
  readonly rangeDb: number;
  /** Share of samples at the very limit: the recording is overdriven. */
  readonly clipped: number;
}

const decibels = (power: number) =>
  power > 0 ? Math.max(SILENCE_DB, 10 * Math.log10(power)) : SILENCE_DB;

/**
 * Root mean square of consecutive blocks.
 *
 * @param blockSamples 320 = 20 ms at 16 kHz
 * @returns one value a whole block, dBFS, at least {@link SILENCE_DB}
 */
export function blockLevels(samples: Float32Array, blockSamples = 320): Float32Array {
  const blocks = new Float32Array(Math.floor(samples.length / blockSamples));
  for (let block = 0; block < blocks.length; block += 1) {
    let squares = 0;
    const start = block * blockSamples;
    for (let i = start; i < start + blockSamples; i += 1) squares += (samples[i] as number) ** 2;
    blocks[block] = decibels(squares / blockSamples);
  }
  return blocks;
}

export function summariseLoudness(samples: Float32Array): LoudnessSummary {
  let squares = 0;
  let peak = 0;
  let clipped = 0;
  for (let i = 0; i < samples.length; i += 1) {
    const value = samples[i] as number;
    const size = Math.abs(value);
    squares += value * value;
    if (size > peak) peak = size;
    if (size >= 0.999) clipped += 1;
  }
  const levels = blockLevels(samples).sort();
  const at = (share: number) => levels[Math.round(share * (levels.length - 1))] ?? SILENCE_DB;
  const rounded = (value: number, digits = 1) => Number(value.toFixed(digits));
  return {
    meanDb: rounded(decibels(samples.length > 0 ? squares / samples.length : 0)),
    peakDb: rounded(decibels(peak * peak)),
    rangeDb: rounded(at(0.95) - at(0.1)),
    clipped: rounded(samples.length > 0 ? clipped / samples.length : 0, 4),
  };
}
