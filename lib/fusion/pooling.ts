import { softmax } from '../emotion/calibration';
import type { Result, Runtime } from '../emotion/result';
import type { Modality } from '../emotion/sample';
import { EMOTIONS, type Emotion, type Scores } from '../emotion/labels';

export type ModalityWeights = Partial<Record<Modality, number>>;

/** What a fusion method makes of the modalities that are present. */
export interface Pooled {
  /** Share of each modality that was present; sums to 1. */
  readonly weights: ModalityWeights;
  /** Over the union of the labels that the modalities know; sums to 1. */
  readonly scores: Scores;
  /** What made it, where that is not known before it ran. */
  readonly by?: { readonly id: string; readonly runtime: Runtime };
}

/**
 * A way to make one distribution of several. `combine` gets at least one Result, each of another
 * modality, none with a null label, in the order text, audio, video.
 */
export interface FusionMethod {
  /** Stands in the Fused as `model`. */
  readonly id: string;
  readonly runtime: Runtime;
  combine(present: readonly Result[]): Pooled | Promise<Pooled>;
}

/** The labels that at least one of the Results knows, in the order of `EMOTIONS`. */
export function labelUnion(results: readonly Result[]): readonly Emotion[] {
  return EMOTIONS.filter((label) => results.some(({ scores }) => scores[label] !== undefined));
}

/**
 * Restricts weights to the Results that are there and scales them to sum 1. A weight that is not
 * given counts as 1. Weight zero means "only when nothing else is there": where all the weights
 * that are left are zero, they become equal.
 */
export function shareWeights(
  present: readonly Result[],
  weights: ModalityWeights = {},
): Record<Modality, number> {
  const shares = { text: 0, audio: 0, video: 0 };
  let total = 0;
  for (const { modality } of present) {
    shares[modality] = Math.max(0, weights[modality] ?? 1);
    total += shares[modality];
  }
  for (const { modality } of present) {
    shares[modality] = total > 0 ? shares[modality] / total : 1 / present.length;
  }
  return shares;
}

/** The shares of the modalities that are present, without the others. */
export function presentShares(
  present: readonly Result[],
  shares: Readonly<Record<Modality, number>>,
): ModalityWeights {
  return Object.fromEntries(present.map(({ modality }) => [modality, shares[modality]]));
}

/** Scales non-negative values to sum 1. Their sum must be above zero. */
export function normalise(labels: readonly Emotion[], values: readonly number[]): Scores {
  const total = values.reduce((sum, value) => sum + value, 0);
  return Object.fromEntries(labels.map((label, i) => [label, (values[i] ?? 0) / total]));
}

/** The softmax of logits, by label. */
export function softmaxScores(
  labels: readonly Emotion[],
  logits: readonly number[],
  temperature = 1,
): Scores {
  return normalise(labels, softmax(logits, temperature));
}
