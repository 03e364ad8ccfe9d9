import { EMOTIONS, type Scores } from '../emotion/labels';
import type { Result } from '../emotion/result';
import type { Modality } from '../emotion/sample';
import { MODALITIES } from './modalities';
import { softmaxScores, type FusionMethod, type Pooled } from './pooling';

const LABELS = EMOTIONS.length;
const SUBSETS = 2 ** MODALITIES.length - 1;

/** How many numbers a temperature is made of, see {@link fusedTemperature}. */
export const TEMPERATURE_COEFFICIENTS = LABELS + 2 + SUBSETS + 1;

/** Smallest probability whose logarithm is taken. */
const LEAST_PROBABILITY = 1e-9;

/**
 * By what the logarithms of fused scores are to be divided, so that the leading label's score is the
 * share of cases in which it is right:
 *
 *     ln T = a · [ p₁ … p₇, H(p) / ln 7, (1/n) Σₘ Σₗ min(p(l), pₘ(l)), subset, ln max p ]
 *
 * with the fused distribution p, the modalities' own pₘ, and a one-hot vector of the subset that is
 * present (text counts 1, audio 2, video 4). An input-dependent form of temperature scaling (Guo et
 * al., ICML 2017): one number cannot do, since fused scores of some labels, and of modalities that agree,
 * are too timid while others are too bold. T is the same for all labels, so it never changes
 * which one leads.
 *
 * @param coefficients a, {@link TEMPERATURE_COEFFICIENTS} numbers; zeros give 1
 * @param fused `[7]`, in the order of `EMOTIONS`, sum 1; 0 where no modality knows the label
 * @param modalities each modality's own scores `[7]`, likewise; at least one
 */
export function fusedTemperature(
  coefficients: ArrayLike<number>,
  fused: ArrayLike<number>,
  modalities: Partial<Readonly<Record<Modality, ArrayLike<number>>>>,
): number {
  let subset = 0;
  let present = 0;
  let overlap = 0;
  MODALITIES.forEach((modality, row) => {
    const scores = modalities[modality];
    if (scores === undefined) return;
    subset += 2 ** row;
    present += 1;
    for (let i = 0; i < LABELS; i += 1) overlap += Math.min(fused[i] ?? 0, scores[i] ?? 0);
  });
  let entropy = 0;
  let logarithm = 0;
  let leading = LEAST_PROBABILITY;
  for (let i = 0; i < LABELS; i += 1) {
    const score = fused[i] ?? 0;
    entropy -= score * Math.log(Math.max(score, LEAST_PROBABILITY));
    logarithm += (coefficients[i] ?? 0) * score;
    leading = Math.max(leading, score);
  }
  logarithm += ((coefficients[LABELS] ?? 0) * entropy) / Math.log(LABELS);
  logarithm += ((coefficients[LABELS + 1] ?? 0) * overlap) / present;
  logarithm += coefficients[LABELS + 1 + subset] ?? 0;
  logarithm += (coefficients[LABELS + 2 + SUBSETS] ?? 0) * Math.log(leading);
  return Math.exp(logarithm);
}

/**
 * A method whose scores are brought to the rate of right answers. One modality alone is calibrated
 * as it comes and left alone.
 *
 * @param coefficients see {@link fusedTemperature}
 */
export function calibrated(method: FusionMethod, coefficients: ArrayLike<number>): FusionMethod {
  return {
    ...method,
    combine: async (present) => {
      const pooled = await method.combine(present);
      return present.length < 2 ? pooled : temper(pooled, present, coefficients);
    },
  };
}

function temper(
  pooled: Pooled,
  present: readonly Result[],
  coefficients: ArrayLike<number>,
): Pooled {
  const modalities = Object.fromEntries(
    present.map(({ modality, scores }) => [modality, inOrder(scores)]),
  );
  const temperature = fusedTemperature(coefficients, inOrder(pooled.scores), modalities);
  const labels = EMOTIONS.filter((label) => pooled.scores[label] !== undefined);
  const logits = labels.map((label) =>
    Math.log(Math.max(pooled.scores[label] ?? 0, LEAST_PROBABILITY)),
  );
  return { ...pooled, scores: softmaxScores(labels, logits, temperature) };
}

function inOrder(scores: Scores): readonly number[] {
  return EMOTIONS.map((label) => scores[label] ?? 0);
}
