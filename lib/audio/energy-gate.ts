import { blockLevels } from './loudness';
import { FrameCollector, SPEECH_FRAME, type SpeechScorer } from './speech';

/** So far above the background the probability is one half. */
const MARGIN_DB = 9;
/** One more of these and it is 0.73, two and it is 0.88. */
const SLOPE_DB = 2;
/** Nobody is heard below this, however quiet the background. */
const LOWEST_DB = -55;
/** A background that grows louder is believed after seconds, one that falls silent at once. */
const RISE_DB_PER_FRAME = 0.2;

/**
 * Tells sound from background by its level: what is clearly louder than the quietest of late. A
 * recording that begins in the middle of a word is heard from the first gap between syllables on.
 * Takes any noise for speech, needs nothing: the scorer for machines where the Silero net cannot be
 * loaded.
 */
export class EnergyGate implements SpeechScorer {
  readonly method = 'energy';
  private readonly frames = new FrameCollector();
  private background: number | undefined;

  score(samples: Float32Array): Promise<Float32Array> {
    const levels = blockLevels(this.frames.push(samples), SPEECH_FRAME);
    return Promise.resolve(
      levels.map((level) => {
        this.background =
          this.background === undefined || level < this.background
            ? level
            : Math.min(level, this.background + RISE_DB_PER_FRAME);
        const needed = Math.max(this.background + MARGIN_DB, LOWEST_DB);
        return 1 / (1 + Math.exp((needed - level) / SLOPE_DB));
      }),
    );
  }

  reset(): void {
    this.frames.reset();
    this.background = undefined;
  }
}
