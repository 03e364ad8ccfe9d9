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
 * Models may know different labels. What a model cannot say it leaves to the vote: with
 * v(l) = Σ wₘ pₘ(l) over the models that know l, a model that does not know the labels U is
 * completed by v(l) on U and its own scores, scaled to the rest, elsewhere; then the completed
 * distributions are averaged. So nobody votes against a label that it cannot give, and a label that
 * only a light modality knows stays light. Where all know the same labels this is the plain average.
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
  const voices = present.filter(({ modality }) => shares[modality] > 0);
  const labels = labelUnion(voices);
  const vote = labels.map((label) =>
    voices.reduce((sum, { modality, scores }) => sum + shares[modality] * (scores[label] ?? 0), 0),
  );
  const fused = labels.map(() => 0);
  for (const { modality, scores } of voices) {
    const left = labels.reduce(
      (sum, label, i) => (scores[label] === undefined ? sum + (vote[i] ?? 0) : sum),
      0,
    );
    labels.forEach((label, i) => {
      const score = scores[label];
      const completed = score === undefined ? (vote[i] ?? 0) : score * (1 - left);
      fused[i] = (fused[i] ?? 0) + shares[modality] * completed;
    });
  }
  return { weights: presentShares(present, shares), scores: normalise(labels, fused) };
}

export function weightedVoteMethod(weights?: ModalityWeights): FusionMethod {
  return {
    id: 'fusion-weighted-vote',
    runtime: 'javascript',
    combine: (present) => weightedVote(present, weights),
  };
}
