import type { Scores } from '../emotion/labels';
import type { Result } from '../emotion/result';
import {
  labelUnion,
  presentShares,
  shareWeights,
  softmaxScores,
  type FusionMethod,
  type ModalityWeights,
  type Pooled,
} from './pooling';

/**
 * Smallest probability an expert may give. A product lets one expert veto a label by saying zero
 * (Kittler et al. 1998, section 5); a calibrated model is never that sure.
 */
export const LEAST_PROBABILITY = 1e-4;

export interface ProductOptions {
  /** Exponent of each expert, any scale; equal where not given. */
  readonly weights?: ModalityWeights;
  /** How common each label is before anything is seen; uniform where not given. */
  readonly prior?: Scores;
}

/**
 * Product of experts: what follows when the modalities are independent given the label,
 *
 *     P(l | x₁ … x_M) ∝ π(l) · ∏ₘ (pₘ(l) / π(l))^αₘ,   αₘ = wₘ / max w,
 *
 * with the modalities' shares wₘ, so the expert that counts most is taken at its word and the
 * others at less. Equal shares give every expert the exponent 1: the product rule of Kittler et
 * al., IEEE TPAMI 20(3), 1998, eq. 7; with other exponents the logarithmic opinion pool (Genest and
 * Zidek, Stat. Sci. 1(1), 1986; Hinton, Neural Comput. 14(8), 2002).
 *
 * A label that an expert cannot give brings the factor 1, no evidence; what the expert knows is
 * compared with the prior restricted to its own labels.
 *
 * @param present at least one Result, no modality twice, no null label
 *
 * @example
 * // text: happy .8, sad .2; audio: happy .6, sad .4
 * productOfExperts([text, audio]).scores; // → { happy: 0.857, sad: 0.143 }  (.48 : .08)
 */
export function productOfExperts(present: readonly Result[], options: ProductOptions = {}): Pooled {
  const shares = shareWeights(present, options.weights);
  const voices = present.filter(({ modality }) => shares[modality] > 0);
  const most = Math.max(...voices.map(({ modality }) => shares[modality]));
  const labels = labelUnion(voices);
  const prior = (label: (typeof labels)[number]): number =>
    Math.max(options.prior?.[label] ?? 1 / labels.length, LEAST_PROBABILITY);

  const logits = labels.map((label) => Math.log(prior(label)));
  for (const { modality, scores } of voices) {
    const known = labels.filter((label) => scores[label] !== undefined);
    const knownPrior = known.reduce((sum, label) => sum + prior(label), 0);
    const exponent = shares[modality] / most;
    labels.forEach((label, i) => {
      const score = scores[label];
      if (score === undefined) return;
      const ratio = Math.max(score, LEAST_PROBABILITY) / (prior(label) / knownPrior);
      logits[i] = (logits[i] ?? 0) + exponent * Math.log(ratio);
    });
  }
  return { weights: presentShares(present, shares), scores: softmaxScores(labels, logits) };
}

export function productOfExpertsMethod(options?: ProductOptions): FusionMethod {
  return {
    id: 'fusion-product-of-experts',
    runtime: 'javascript',
    combine: (present) => productOfExperts(present, options),
  };
}
