import type { Modality } from '../emotion/sample';
import { MODALITIES } from './modalities';
import type { ModalityWeights } from './pooling';

/** A measured property of a model as its manifest lists it. */
export interface Metric {
  readonly name: string;
  readonly value: number;
  /** What it was measured on; metrics of one set belong together. */
  readonly dataset?: string;
  readonly headline?: boolean;
}

export interface MeasuredModel {
  readonly metrics: readonly Metric[];
  /** How many labels the model tells apart. */
  readonly classes: number;
}

/**
 * Which metric stands for the share of right answers, best first. The macro averages come first
 * because a model that always says "neutral" has a good accuracy on everyday data.
 */
const HIT_RATES = [
  'macro-f1',
  'uar',
  'unweighted accuracy',
  'balanced-accuracy',
  'accuracy',
] as const;

/** Nobody's word is worth infinitely much: hit rates are kept this far from 0 and 1. */
const MARGIN = 0.005;

/**
 * What a vote of a model should count: the log-odds of its being right against chance,
 *
 *     w = ln( a (K − 1) / (1 − a) ),
 *
 * which is optimal for independent voters with equally likely errors (Nitzan and Paroush, Int.
 * Econ. Rev. 23(2), 1982, for two classes; Kuncheva, "Combining Pattern Classifiers", 2nd ed.,
 * section 4.3.2, for K). It is 0 for a model that guesses, and never below.
 *
 * @param hitRate share of right answers on held-out data, 0–1
 * @param classes number of labels K, at least 2
 *
 * @example logOddsWeight(0.75, 2); // → 1.0986  (ln 3)
 */
export function logOddsWeight(hitRate: number, classes: number): number {
  const a = Math.min(1 - MARGIN, Math.max(MARGIN, hitRate));
  return Math.max(0, Math.log((a * (classes - 1)) / (1 - a)));
}

/**
 * Weights of the modalities from what their models reached in evaluation. The hit rate is the
 * first of macro-F1, UAR or unweighted accuracy, balanced accuracy and accuracy that the manifest lists (headline entries
 * before others), lowered by the expected calibration error `ECE` on the same data where it is listed:
 * what a model claims too much is not counted. Names are compared without regard to case. A model without any of these gets the mean of the other weights.
 *
 * @returns one weight a modality that `models` names, scaled to sum 1
 */
export function reliabilityWeights(
  models: Partial<Record<Modality, MeasuredModel>>,
): ModalityWeights {
  const measured = new Map<Modality, number | undefined>();
  for (const modality of MODALITIES) {
    const model = models[modality];
    if (model !== undefined) measured.set(modality, weightOf(model));
  }
  const known = [...measured.values()].filter((weight) => weight !== undefined);
  const mean = known.length > 0 ? known.reduce((a, b) => a + b, 0) / known.length : 1;
  const filled = [...measured].map(([modality, weight]) => [modality, weight ?? mean] as const);
  const total = filled.reduce((sum, [, weight]) => sum + weight, 0);
  return Object.fromEntries(
    filled.map(([modality, weight]) => [modality, total > 0 ? weight / total : 1 / filled.length]),
  );
}

function weightOf({ metrics, classes }: MeasuredModel): number | undefined {
  const hitRate = hitRateOf(metrics);
  if (hitRate === undefined) return undefined;
  const error = metrics.find(
    (metric) => isNamed(metric, 'ece') && metric.dataset === hitRate.dataset,
  );
  return logOddsWeight(hitRate.value - (error?.value ?? 0), classes);
}

function hitRateOf(metrics: readonly Metric[]): Metric | undefined {
  for (const headline of [true, false]) {
    for (const name of HIT_RATES) {
      const found = metrics.find(
        (metric) => isNamed(metric, name) && (metric.headline ?? false) === headline,
      );
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function isNamed({ name, value }: Metric, wanted: string): boolean {
  return name.toLowerCase() === wanted && Number.isFinite(value);
}
