/** Sound is judged in frames of so many samples: 32 ms at 16 kHz. */
export const SPEECH_FRAME = 512;
export const SPEECH_RATE_HZ = 16_000;

/**
 * How likely each frame is speech. Stateful: one scorer hears one sound from its beginning, in pieces
 * of any length.
 */
export interface SpeechScorer {
  readonly method: 'silero' | 'energy';
  /**
   * @param samples the next piece, 16 kHz mono
   * @returns one probability for each frame of {@link SPEECH_FRAME} samples that is complete by now
   */
  score(samples: Float32Array): Promise<Float32Array>;
  /** Another sound begins. */
  reset(): void;
}

export interface SpeechOptions {
  /** Speech begins at this probability … */
  readonly onset: number;
  /** … and ends below this one. */
  readonly offset: number;
  /** Pauses up to this length belong to the speech around them. */
  readonly bridgeMs: number;
  /** Anything shorter is a click. */
  readonly minSpeechMs: number;
  /** Kept before and after: the first consonant is quiet. */
  readonly padMs: number;
}

export const DEFAULT_SPEECH: SpeechOptions = {
  onset: 0.5,
  offset: 0.35,
  bridgeMs: 300,
  minSpeechMs: 96,
  padMs: 64,
};

/** Seconds from the start of the sound. */
export interface SpeechSpan {
  readonly start: number;
  readonly end: number;
}

/**
 * Where somebody speaks, from the probabilities of consecutive frames: hysteresis, pauses bridged,
 * clicks dropped, edges padded.
 *
 * @param probabilities `[frames]`, 0–1
 * @param duration seconds of the sound; spans end there at the latest
 * @example
 * speechSpans(Float32Array.of(0, 0.9, 0.9, 0.9, 0.9, 0, 0), 0.224);
 * // → [{ start: 0, end: 0.224 }], with 64 ms around the 128 ms of speech
 */
export function speechSpans(
  probabilities: Float32Array,
  duration: number,
  options: Partial<SpeechOptions> = {},
): SpeechSpan[] {
  const { onset, offset, bridgeMs, minSpeechMs, padMs } = { ...DEFAULT_SPEECH, ...options };
  const frame = SPEECH_FRAME / SPEECH_RATE_HZ;
  const found: { start: number; end: number }[] = [];
  let start: number | undefined;
  for (let i = 0; i <= probabilities.length; i += 1) {
    const probability = probabilities[i] ?? -1;
    if (start === undefined) {
      if (probability >= onset) start = i * frame;
    } else if (probability < offset) {
      found.push({ start, end: i * frame });
      start = undefined;
    }
  }
  const joined: { start: number; end: number }[] = [];
  for (const span of found) {
    const last = joined.at(-1);
    if (last && span.start - last.end <= bridgeMs / 1000) last.end = span.end;
    else joined.push(span);
  }
  const pad = padMs / 1000;
  const spans: { start: number; end: number }[] = [];
  for (const span of joined) {
    // Half a frame of tolerance: 3 × 32 ms are 96 ms, whatever the floating point says.
    if (span.end - span.start < minSpeechMs / 1000 - frame / 2) continue;
    const start = Math.max(0, span.start - pad);
    const end = Math.min(duration, span.end + pad);
    const last = spans.at(-1);
    if (last && start <= last.end) last.end = end;
    else spans.push({ start, end });
  }
  return spans;
}

/** Seconds of speech between two times. */
export function speechWithin(spans: readonly SpeechSpan[], start: number, end: number): number {
  return spans.reduce(
    (sum, span) => sum + Math.max(0, Math.min(end, span.end) - Math.max(start, span.start)),
    0,
  );
}

/** Collects pieces of any length into whole frames. */
export class FrameCollector {
  private rest = new Float32Array(0);

  /** @returns `[n · SPEECH_FRAME]`: all frames that are complete by now */
  push(samples: Float32Array): Float32Array {
    const all = new Float32Array(this.rest.length + samples.length);
    all.set(this.rest);
    all.set(samples, this.rest.length);
    const whole = all.length - (all.length % SPEECH_FRAME);
    this.rest = all.slice(whole);
    return all.subarray(0, whole);
  }

  reset(): void {
    this.rest = new Float32Array(0);
  }
}
