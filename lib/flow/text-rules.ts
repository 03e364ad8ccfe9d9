import type { Sample, SentenceFeatures } from '../emotion/sample';
import type { ScoreRules } from '../engine/interpret';
import { applyRules, DEFAULT_RULES, type RuleWeights } from '../text/rules';

/**
 * The rules of `lib/text` on each row of a text sample, by the cues that `emotion-preprocess-text`
 * found in the sentences of that row. Samples of another modality pass unchanged.
 *
 * @param weights when left out: {@link DEFAULT_RULES}, but for what the manifest of the model that
 * answered the row says of its own
 */
export function textRules(weights?: RuleWeights): ScoreRules {
  return (scores, sample, row, manifest) =>
    applyRules(
      scores,
      sentencesOfRow(sample, row),
      weights ?? { ...DEFAULT_RULES, ...manifest.rules },
    );
}

/**
 * The sentences that start within a row. Rows hold consecutive parts of the source text.
 *
 * @param row index into `sample.segments`
 */
export function sentencesOfRow(sample: Sample, row: number): readonly SentenceFeatures[] {
  if (sample.modality !== 'text') return [];
  const sentences = sample.features?.sentences ?? [];
  const { source, segments } = sample;
  if (segments.length === 1) return sentences;

  let start = 0;
  let end = 0;
  for (const { text = '' } of segments.slice(0, row + 1)) {
    const at = source.text?.indexOf(text, end) ?? -1;
    if (at < 0) return [];
    start = at;
    end = at + text.length;
  }
  return sentences.filter((sentence) => sentence.start >= start && sentence.start < end);
}
