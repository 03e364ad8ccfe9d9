import type { Result } from '../emotion/result';
import {
  labelUnion,
  normalise,
  presentShares,
  shareWeights,
  type FusionMethod,
  type ModalityWeights,
  type Pooled,
} from './pooling';

/**
 * The weighted average of the modalities' distributions: the linear opinion pool (M. Stone, "The
 * opinion pool", Ann. Math. Stat. 32, 1961), also called the sum rule (Kittler et al., "On
 * combining classifiers", IEEE TPAMI 20(3), 1998, eq. 11).
 *
 * Models may know different labels. A label is averaged over the modalities that know it, with
 * their weights scaled to sum 1, and the whole is scaled to sum 1 afterwards; so a model that
 * cannot say "disgust" neither votes for it nor against it.
 *
 * @param present at least one Result, no modality twice, no null label
 * @param weights what each modality counts, any scale; 1 where it is not given
 *
 * @example
 * // text: happy .8, sad .2; audio: happy .4, sad .6
 * weightedVote([text, audio], { text: 3, audio: 1 });
 * // → { weights: { text: 0.75, audio: 0.25 }, scores: { happy: 0.7, sad: 0.3 } }
 */
export function weightedVote(present: readonly Result[], weights?: ModalityWeights): Pooled {
  const shares = shareWeights(present, weights);
  const labels = labelUnion(present);
  const values = labels.map((label) => {
    let sum = 0;
    let known = 0;
    let plainSum = 0;
    let voters = 0;
    for (const { modality, scores } of present) {
      const score = scores[label];
      if (score === undefined) continue;
      sum += shares[modality] * score;
      known += shares[modality];
      plainSum += score;
      voters += 1;
    }
    // Only modalities of weight zero know the label: they speak where nobody else can.
    return known > 0 ? sum / known : plainSum / voters;
  });
  return { weights: presentShares(present, shares), scores: normalise(labels, values) };
}

export function weightedVoteMethod(weights?: ModalityWeights): FusionMethod {
  return {
    id: 'fusion-weighted-vote',
    runtime: 'javascript',
    combine: (present) => weightedVote(present, weights),
  };
}
