import { softmax } from '../emotion/calibration';
import { EmotionError } from '../emotion/error';
import { EMOTIONS, type Scores } from '../emotion/labels';
import type { Result, Runtime } from '../emotion/result';
import type { Modality } from '../emotion/sample';
import { fusedTemperature, TEMPERATURE_COEFFICIENTS } from './fused-temperature';
import { MODALITIES } from './modalities';
import {
  labelUnion,
  softmaxScores,
  type FusionMethod,
  type ModalityWeights,
  type Pooled,
} from './pooling';
import { weightedVote } from './weighted-vote';

const LABELS = EMOTIONS.length;
const ROWS = MODALITIES.length;

/** Length M of a modality's feature vector, see {@link attentionFeatures}. */
export const ATTENTION_FEATURES = 3 * LABELS + ROWS + 1;

/** Units of the hidden layer. */
export const ATTENTION_HIDDEN = 64;

/** Smallest probability whose logarithm is taken. */
const LEAST_PROBABILITY = 1e-4;

/**
 * What the attention network sees of one event. Its graph is
 * `Linear(M, 64) → Tanh → Linear(64, 1) → softmax over the rows that are present`, the same two
 * layers for every row.
 */
export interface AttentionInput {
  /**
   * `[3, M]`, row major, M = {@link ATTENTION_FEATURES}; rows text, audio, video; zeros for a
   * modality that is absent. A row holds, in the order of `EMOTIONS`:
   * 0–6 its scores (0 where it does not know a label), 7–13 whether it knows the label (0 or 1),
   * 14–20 the mean of the other present modalities' scores (0 where there is no other), 21–23
   * which modality it is (one-hot), 24 the entropy of its scores over ln 7.
   */
  readonly features: Float32Array;
  /** `[3]`, 1 where the modality is present, else 0. */
  readonly present: Float32Array;
  /** `[3, 7]`: natural logarithm of the scores, not under ln 1e-4; 0 where a label is unknown. */
  readonly logScores: Float32Array;
}

export interface AttentionOutput {
  /** `[3]`: non-negative, sums to 1 over the modalities that are present. */
  readonly weights: ArrayLike<number>;
  /**
   * `[7]`: fused logits, calibrated, in the order of `EMOTIONS`. Where the network gives none the
   * fused scores are the modalities' scores averaged with `weights`.
   */
  readonly logits?: ArrayLike<number>;
}

/** Runs the network, e.g. `fusion-attention` in ONNX Runtime or {@link attentionForward}. */
export type AttentionNetwork = (
  input: AttentionInput,
) => AttentionOutput | Promise<AttentionOutput>;

/**
 * The input of the attention network for one event; training reads it from the same function.
 *
 * @param present Results without null labels, no modality twice
 */
export function attentionFeatures(present: readonly Result[]): AttentionInput {
  const features = new Float32Array(ROWS * ATTENTION_FEATURES);
  const mask = new Float32Array(ROWS);
  const logScores = new Float32Array(ROWS * LABELS);
  for (const { modality, scores } of present) {
    const row = MODALITIES.indexOf(modality);
    const at = row * ATTENTION_FEATURES;
    const others = present.filter((other) => other.modality !== modality);
    let entropy = 0;
    EMOTIONS.forEach((label, i) => {
      const score = scores[label];
      if (score !== undefined) {
        features[at + i] = score;
        features[at + LABELS + i] = 1;
        logScores[row * LABELS + i] = Math.log(Math.max(score, LEAST_PROBABILITY));
        if (score > 0) entropy -= score * Math.log(score);
      }
      let sum = 0;
      for (const other of others) sum += other.scores[label] ?? 0;
      if (others.length > 0) features[at + 2 * LABELS + i] = sum / others.length;
    });
    features[at + 3 * LABELS + row] = 1;
    features[at + 3 * LABELS + ROWS] = entropy / Math.log(LABELS);
    mask[row] = 1;
  }
  return { features, present: mask, logScores };
}

/** Parameters as PyTorch keeps them, row major. */
export interface AttentionParameters {
  /** `[64, M]`, `Linear(M, 64).weight`. */
  readonly hiddenWeight: ArrayLike<number>;
  /** `[64]`. */
  readonly hiddenBias: ArrayLike<number>;
  /** `[64]`, `Linear(64, 1).weight`. */
  readonly scoreWeight: ArrayLike<number>;
  /** `Linear(64, 1).bias`; the softmax does not see it. */
  readonly scoreBias: number;
  /**
   * How each modality's log scores become logits: `value[m] · logScores[m] + bias[m]`, which the
   * attention weights then average. Without it the scores themselves are averaged.
   */
  readonly value?: {
    /** `[3, 7, 7]`, output label before input label. */
    readonly weight: ArrayLike<number>;
    /** `[3, 7]`. */
    readonly bias: ArrayLike<number>;
    /** Of the temperature that divides the averaged logits, see {@link fusedTemperature}. */
    readonly coefficients: ArrayLike<number>;
  };
}

/**
 * The attention network in plain JavaScript, for machines without ONNX Runtime: about 5,000
 * multiplications an event.
 *
 * @throws EmotionError `model.inputs-mismatch` when an array does not have its length
 */
export function attentionForward(parameters: AttentionParameters): AttentionNetwork {
  const { hiddenWeight, hiddenBias, scoreWeight, scoreBias, value } = parameters;
  expectLength('hiddenWeight', hiddenWeight, ATTENTION_HIDDEN * ATTENTION_FEATURES);
  expectLength('hiddenBias', hiddenBias, ATTENTION_HIDDEN);
  expectLength('scoreWeight', scoreWeight, ATTENTION_HIDDEN);
  if (value !== undefined) {
    expectLength('value.weight', value.weight, ROWS * LABELS * LABELS);
    expectLength('value.bias', value.bias, ROWS * LABELS);
    expectLength('value.coefficients', value.coefficients, TEMPERATURE_COEFFICIENTS);
  }

  const relevance = (features: Float32Array, row: number): number => {
    const at = row * ATTENTION_FEATURES;
    let score = scoreBias;
    for (let unit = 0; unit < ATTENTION_HIDDEN; unit++) {
      let sum = hiddenBias[unit] ?? 0;
      const from = unit * ATTENTION_FEATURES;
      for (let i = 0; i < ATTENTION_FEATURES; i++) {
        sum += (hiddenWeight[from + i] ?? 0) * (features[at + i] ?? 0);
      }
      score += (scoreWeight[unit] ?? 0) * Math.tanh(sum);
    }
    return score;
  };

  return ({ features, present, logScores }) => {
    const relevances = MODALITIES.map((_, row) =>
      present[row] === 1 ? relevance(features, row) : -Infinity,
    );
    const highest = Math.max(...relevances);
    const exponentials = relevances.map((score) => Math.exp(score - highest));
    const total = exponentials.reduce((sum, term) => sum + term, 0);
    const weights = exponentials.map((term) => term / total);
    if (value === undefined) return { weights };

    const logits = EMOTIONS.map((_, out) => {
      let logit = 0;
      weights.forEach((weight, row) => {
        if (present[row] !== 1) return;
        let sum = value.bias[row * LABELS + out] ?? 0;
        for (let i = 0; i < LABELS; i++) {
          const coefficient = value.weight[(row * LABELS + out) * LABELS + i] ?? 0;
          sum += coefficient * (logScores[row * LABELS + i] ?? 0);
        }
        logit += weight * sum;
      });
      return logit;
    });
    const own = MODALITIES.flatMap((modality, row) => {
      const at = row * ATTENTION_FEATURES;
      return present[row] === 1 ? [[modality, features.subarray(at, at + LABELS)]] : [];
    });
    const temperature = fusedTemperature(
      value.coefficients,
      softmax(logits, 1),
      Object.fromEntries(own) as Partial<Record<Modality, Float32Array>>,
    );
    return { weights, logits: logits.map((logit) => logit / temperature) };
  };
}

function expectLength(name: string, array: ArrayLike<number>, length: number): void {
  if (array.length === length) return;
  throw new EmotionError(
    'model.inputs-mismatch',
    `Attention parameters: "${name}" must hold ${length} numbers, got ${array.length}`,
    { name, expected: length, got: array.length },
  );
}

/**
 * Fuses with an attention network. A label that no modality knows is left out even when the network
 * has a logit for it.
 *
 * @throws EmotionError `engine.failed` when the network's output is not finite or does not sum to 1
 */
export async function attention(
  present: readonly Result[],
  network: AttentionNetwork,
): Promise<Pooled> {
  const output = await network(attentionFeatures(present));
  const weights: ModalityWeights = {};
  let total = 0;
  for (const { modality } of present) {
    const weight = output.weights[MODALITIES.indexOf(modality)];
    if (weight === undefined || !(weight >= 0)) throw badOutput('weights', weight);
    weights[modality] = weight;
    total += weight;
  }
  if (!(Math.abs(total - 1) < 1e-3)) throw badOutput('weights', total);
  for (const { modality } of present) weights[modality] = (weights[modality] ?? 0) / total;

  const scores =
    output.logits === undefined
      ? weightedVote(present, weights).scores
      : fromLogits(present, output.logits);
  return { weights, scores };
}

function fromLogits(present: readonly Result[], logits: ArrayLike<number>): Scores {
  const labels = labelUnion(present);
  const values = labels.map((label) => {
    const logit = logits[EMOTIONS.indexOf(label)];
    if (logit === undefined || !Number.isFinite(logit)) throw badOutput('logits', logit);
    return logit;
  });
  return softmaxScores(labels, values);
}

function badOutput(name: string, got: number | undefined): EmotionError {
  return new EmotionError(
    'engine.failed',
    `The attention network's "${name}" must be finite, weights non-negative with sum 1; got ${got}`,
    { output: name, got: String(got) },
  );
}

export function attentionMethod(
  network: AttentionNetwork,
  options: { readonly id?: string; readonly runtime?: Runtime } = {},
): FusionMethod {
  return {
    id: options.id ?? 'fusion-attention',
    runtime: options.runtime ?? 'javascript',
    combine: (present) => attention(present, network),
  };
}
