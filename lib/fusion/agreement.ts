import { EMOTIONS, topLabel, type Emotion, type Scores } from '../emotion/labels';
import type { Result } from '../emotion/result';
import type { Modality } from '../emotion/sample';
import { labelUnion } from './pooling';

/**
 * Generalised Jensen–Shannon divergence with equal weights, in nats,
 *
 *     JS(P₁ … Pₙ) = H( (1/n) Σ Pᵢ ) − (1/n) Σ H(Pᵢ),
 *
 * (J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37(1),
 * 1991, eq. 5.1). It is 0 for equal distributions and ln n for distributions that share no label.
 *
 * @param distributions n rows over the same labels, each of sum 1
 */
export function jensenShannonDivergence(distributions: readonly (readonly number[])[]): number {
  const n = distributions.length;
  const size = distributions[0]?.length ?? 0;
  let divergence = 0;
  for (let label = 0; label < size; label++) {
    let mean = 0;
    for (const row of distributions) {
      const p = row[label] ?? 0;
      mean += p / n;
      if (p > 0) divergence += (p * Math.log(p)) / n;
    }
    if (mean > 0) divergence -= mean * Math.log(mean);
  }
  // Rounding may leave −1e-17.
  return Math.max(0, divergence);
}

/**
 * Agreement of the modalities: 1 − JS / ln min(n, labels), so 1 when all say the same and 0 when
 * they share no label at all. One modality, or none, agrees with itself.
 *
 * Models may know different labels: the part of a distribution that a model cannot give is taken
 * from the fused scores, so nobody disagrees about what it cannot say.
 *
 * @param present Results without null labels
 * @param fused scores over the union of their labels
 *
 * @example
 * // text: happy 1; audio: sad 1
 * agreement([text, audio], { happy: 0.5, sad: 0.5 }); // → 0
 */
export function agreement(present: readonly Result[], fused: Scores): number {
  if (present.length < 2) return 1;
  const labels = labelUnion(present);
  const bound = Math.log(Math.min(present.length, labels.length));
  // A single label in all: there is nothing to disagree about.
  if (bound === 0) return 1;
  const rows = present.map(({ scores }) => complete(scores, labels, fused));
  return Math.min(1, Math.max(0, 1 - jensenShannonDivergence(rows) / bound));
}

/** `scores` over all of `labels`; the labels that it does not know get the fused scores' share. */
function complete(scores: Scores, labels: readonly Emotion[], fused: Scores): readonly number[] {
  let unknown = 0;
  for (const label of labels) {
    if (scores[label] === undefined) unknown += fused[label] ?? 0;
  }
  return labels.map((label) => {
    const score = scores[label];
    return score === undefined ? (fused[label] ?? 0) : score * (1 - unknown);
  });
}

/**
 * The modalities that disagree with the answer: their own best label is another one. A modality
 * that cannot give the fused label disagrees only when it leaves less than half of its belief to
 * the labels that the fused answer holds likely.
 *
 * @param present Results without null labels
 */
export function dissenting(present: readonly Result[], fused: Scores): readonly Modality[] {
  const answer = topLabel(fused)?.label;
  if (answer === undefined || present.length < 2) return [];
  return present
    .filter(({ scores }) => {
      if (scores[answer] === undefined) return overlap(scores, fused) < 0.5;
      return topLabel(scores)?.label !== answer;
    })
    .map(({ modality }) => modality);
}

/** Shared mass of two distributions, 0–1, over the labels that the first one knows. */
function overlap(scores: Scores, fused: Scores): number {
  const known = EMOTIONS.filter((label) => scores[label] !== undefined);
  const mass = known.reduce((sum, label) => sum + (fused[label] ?? 0), 0);
  if (mass === 0) return 0;
  return known.reduce(
    (sum, label) => sum + Math.min(scores[label] ?? 0, (fused[label] ?? 0) / mass),
    0,
  );
}
