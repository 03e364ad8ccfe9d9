import type { FrontEndOptions } from './log-mel';
import { blockLevels } from './loudness';
import { DEFAULT_PITCH } from './pitch';

/** Samples of a level, and from one estimate of the pitch to the next. */
const BLOCK = DEFAULT_PITCH.hop * DEFAULT_PITCH.sampleRateHz;

/**
 * How the voice moves, frame by frame:
 *
 * | row | what | unit |
 * |---|---|---|
 * | 0 | share of the frame that has a pitch | 0–1 |
 * | 1 | mean pitch | octaves over 100 Hz; 0 without a pitch |
 * | 2 | from the first to the last pitch within the frame | octaves |
 * | 3 | spread of the levels of the 20 ms blocks within the frame | 10 dB |
 *
 * A block belongs to the frame that it begins in and does not reach out of.
 *
 * @param samples `[n]`, 16 kHz mono
 * @param track its pitch every 20 ms, hertz, as `pitch` gives it; may end early
 * @param frontEnd where frames begin and end
 * @returns `[4, frames]`, row major
 */
export function prosody(
  samples: Float32Array,
  track: Float32Array,
  frontEnd: Pick<FrontEndOptions, 'hopLength' | 'frameLength'>,
  frames: number,
): Float32Array {
  const out = new Float32Array(PROSODY_ROWS * frames);
  const levels = blockLevels(samples, BLOCK);
  const { hopLength, frameLength } = frontEnd;
  for (let t = 0; t < frames; t += 1) {
    const first = Math.ceil((t * hopLength) / BLOCK);
    const last = Math.floor((t * hopLength + frameLength) / BLOCK) - 1;
    let voiced = 0;
    let sum = 0;
    let low = 0;
    let high = 0;
    let level = 0;
    let squares = 0;
    for (let block = first; block <= last; block += 1) {
      const hz = track[block] ?? 0;
      if (hz > 0) {
        const octaves = Math.log2(hz / 100);
        if (voiced === 0) low = octaves;
        high = octaves;
        sum += octaves;
        voiced += 1;
      }
      const db = levels[block] ?? 0;
      level += db;
      squares += db * db;
    }
    const blocks = last - first + 1;
    if (blocks <= 0) continue;
    const mean = level / blocks;
    out[t] = voiced / blocks;
    out[frames + t] = voiced > 0 ? sum / voiced : 0;
    out[2 * frames + t] = high - low;
    out[3 * frames + t] = Math.sqrt(Math.max(0, squares / blocks - mean * mean)) / 10;
  }
  return out;
}

export const PROSODY_ROWS = 4;
