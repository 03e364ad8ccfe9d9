import type { AudioSample } from '../emotion/sample';
import type { Source } from '../emotion/source';
import type { RunningNormaliser } from './normalise';
import type { AudioPreparer, PrepareAudioOptions } from './prepare';
import { SPEECH_FRAME, speechSpans, type SpeechScorer, type SpeechSpan } from './speech';

/** The end of a stream makes a window from so many seconds of unheard sound on. */
const LEAST_REST = 0.25;

/**
 * Cuts a sound without end into windows and prepares each when it is complete: a microphone, a
 * station, or a file too long to be held as a whole. Memory holds one window, whatever the length.
 *
 * @example
 * const stream = new WindowStream(preparer, scorer, { device: 'default' });
 * capture.on('samples', async ({ data }) => emit(await stream.push(data)));
 */
export class WindowStream {
  /** Sound from sample {@link first} of the stream on. */
  private buffer = new Float32Array(0);
  private first = 0;
  /** Where the next window begins, and up to where windows have been given out. */
  private next = 0;
  private given = 0;
  private before = 0;
  /** Probabilities of speech from frame {@link firstFrame} on. */
  private probabilities: number[] = [];
  private firstFrame = 0;
  private readonly normaliser: RunningNormaliser;
  private readonly windowSamples: number;
  private readonly hopSamples: number;

  /**
   * @param scorer for this stream alone
   * @param startTime seconds that the first sample stands for
   */
  constructor(
    private readonly preparer: AudioPreparer,
    private readonly scorer: SpeechScorer,
    private readonly source: Source = {},
    private readonly options: PrepareAudioOptions = {},
    private startTime = 0,
  ) {
    this.normaliser = preparer.normaliser();
    this.windowSamples = preparer.windowSamples(options.windowMs);
    this.hopSamples = preparer.hopFrames(options) * preparer.frontEnd.hopLength;
  }

  /**
   * @param samples the next piece, of any length, mono at the model's rate
   * @returns one sample for each window that is complete now: one row, or none and a reason
   */
  async push(samples: Float32Array): Promise<AudioSample[]> {
    const joined = new Float32Array(this.buffer.length + samples.length);
    joined.set(this.buffer);
    joined.set(samples, this.buffer.length);
    this.buffer = joined;
    for (const probability of await this.scorer.score(samples))
      this.probabilities.push(probability);

    const windows: AudioSample[] = [];
    while (this.first + this.buffer.length >= this.next + this.windowSamples) {
      windows.push(this.window(this.windowSamples));
      this.next += this.hopSamples;
      this.forget();
    }
    return windows;
  }

  /** The stream has ended: what no window has held yet. */
  flush(): AudioSample[] {
    const end = this.first + this.buffer.length;
    const rate = this.preparer.frontEnd.sampleRateHz;
    if (end - this.given < LEAST_REST * rate && this.given > 0) return [];
    if (end - this.given === 0) return [];
    // A full window that ends with the stream, as far as the sound is still there.
    this.next = Math.max(this.first, Math.min(this.next, end - this.windowSamples));
    return [this.window(end - this.next)];
  }

  /**
   * The source was away: what follows does not continue what came before.
   *
   * @param startTime seconds that the next sample stands for
   */
  reset(startTime: number): void {
    this.buffer = new Float32Array(0);
    this.probabilities = [];
    this.first = this.next = this.given = this.before = this.firstFrame = 0;
    this.startTime = startTime;
    this.scorer.reset();
    this.normaliser.reset();
  }

  private window(length: number): AudioSample {
    const rate = this.preparer.frontEnd.sampleRateHz;
    const from = this.next - this.first;
    const start = this.startTime + this.next / rate;
    const sample = this.preparer.window(
      this.buffer.slice(from, from + length),
      {
        start,
        spans: this.spans(),
        method: this.scorer.method,
        normaliser: this.normaliser,
        newSamples: this.next + length - Math.max(this.given, this.next),
        before: from > 0 ? (this.buffer[from - 1] as number) : this.before,
      },
      this.source,
      this.options,
    );
    this.given = this.next + length;
    return sample;
  }

  /** On the clock of the stream. The last frame may still be missing: it is younger than 32 ms. */
  private spans(): SpeechSpan[] {
    const rate = this.preparer.frontEnd.sampleRateHz;
    const offset = (this.firstFrame * SPEECH_FRAME) / rate;
    const known = (this.probabilities.length * SPEECH_FRAME) / rate;
    return speechSpans(Float32Array.from(this.probabilities), known).map(({ start, end }) => ({
      start: this.startTime + offset + start,
      end: this.startTime + offset + end,
    }));
  }

  /** Drops what no later window can hold. */
  private forget(): void {
    const obsolete = Math.min(this.next, this.first + this.buffer.length) - this.first;
    if (obsolete > 0) {
      this.before = this.buffer[obsolete - 1] as number;
      this.buffer = this.buffer.slice(obsolete);
      this.first += obsolete;
    }
    const frame = Math.max(this.firstFrame, Math.floor(this.first / SPEECH_FRAME));
    this.probabilities.splice(0, frame - this.firstFrame);
    this.firstFrame = frame;
  }
}
