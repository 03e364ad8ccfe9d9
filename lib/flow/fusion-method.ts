import { temperatureFor } from '../emotion/calibration';
import { EMOTIONS } from '../emotion/labels';
import type { FusionSample, Tensor } from '../emotion/sample';
import { ATTENTION_FEATURES, attention, type AttentionInput } from '../fusion/attention';
import { calibrated } from '../fusion/fused-temperature';
import { MODALITIES } from '../fusion/modalities';
import { POOL_TEMPERATURES } from '../fusion/pool-temperatures';
import type { FusionMethod, ModalityWeights, Pooled } from '../fusion/pooling';
import { productOfExpertsMethod } from '../fusion/product-of-experts';
import { reliabilityWeights, type MeasuredModel } from '../fusion/reliability';
import { weightedVote, weightedVoteMethod } from '../fusion/weighted-vote';
import type { BrokenModel, ModelRegistry, ModelSummary } from '../models/registry';
import type { ModelAccess } from './model-access';

export const FUSION_METHODS = ['reliability', 'vote', 'product', 'attention'] as const;
export type FusionMethodName = (typeof FUSION_METHODS)[number];

export interface FusionMethodOptions {
  readonly name: FusionMethodName;
  /** Of the vote and the product. */
  readonly weights: ModalityWeights;
  /** Of the attention. */
  readonly access: Pick<ModelAccess, 'infer'>;
  /** Where the metrics of the models stand. */
  readonly registry: Pick<ModelRegistry, 'list'>;
  /** Whether the scores of votes and products are brought to the rate of right answers. */
  readonly calibrate: boolean;
}

/**
 * The method that a node is set to, and what answers when it fails: the attention network may be
 * missing or broken, arithmetic cannot.
 */
export function fusionMethod(options: FusionMethodOptions): {
  readonly method: FusionMethod;
  readonly otherwise?: FusionMethod;
} {
  const { name, weights, access, registry, calibrate } = options;
  const pool = (method: FusionMethod, kind: keyof typeof POOL_TEMPERATURES): FusionMethod =>
    calibrate ? calibrated(method, POOL_TEMPERATURES[kind]) : method;
  switch (name) {
    case 'vote':
      return { method: pool(weightedVoteMethod(weights), 'vote') };
    case 'product':
      return { method: pool(productOfExpertsMethod({ weights }), 'product') };
    case 'reliability':
      return { method: pool(reliabilityVote(registry), 'vote') };
    case 'attention':
      return { method: attentionBy(access), otherwise: pool(reliabilityVote(registry), 'vote') };
  }
}

/** How long the list of installed models is believed. */
const LIST_AGE_MS = 30_000;

/** The weighted vote whose weights are what the models reached in evaluation. */
export function reliabilityVote(
  registry: Pick<ModelRegistry, 'list'>,
  now: () => number = () => performance.now(),
): FusionMethod {
  let listed: Promise<ReadonlyMap<string, MeasuredModel>> | undefined;
  let listedAt = -Infinity;
  const measured = () => {
    if (listed === undefined || now() - listedAt > LIST_AGE_MS) {
      listedAt = now();
      listed = registry.list().then(measuredById, () => new Map<string, MeasuredModel>());
    }
    return listed;
  };
  return {
    id: 'fusion-reliability-vote',
    runtime: 'javascript',
    combine: async (present) => {
      const models = await measured();
      const weights = reliabilityWeights(
        Object.fromEntries(
          present.map(({ modality, model }) => [
            modality,
            models.get(model) ?? { metrics: [], classes: EMOTIONS.length },
          ]),
        ),
      );
      return weightedVote(present, weights);
    },
  };
}

function measuredById(
  models: readonly (ModelSummary | BrokenModel)[],
): ReadonlyMap<string, MeasuredModel> {
  return new Map(
    models.flatMap((model) =>
      model.error
        ? []
        : [[model.id, { metrics: model.metrics, classes: model.labels.length }] as const],
    ),
  );
}

/**
 * The attention network of the chosen model. Inputs and outputs as `models/fusion-attention`
 * declares them: `features` [1, 3, 25], `present` [1, 3], `log_scores` [1, 3, 7] → `weights`
 * [1, 3], `logits` [1, 7].
 */
function attentionBy(access: Pick<ModelAccess, 'infer'>): FusionMethod {
  return {
    id: 'fusion-attention',
    runtime: 'onnxruntime',
    combine: async (present) => {
      let by: Pooled['by'];
      const pooled = await attention(present, (input) =>
        access.infer(undefined, async (engine, { manifest }) => {
          const { rows, runtime } = await engine.infer(attentionSample(manifest.id, input));
          by = { id: manifest.id, runtime };
          const { weights, logits } = rows[0]?.outputs ?? {};
          const temperature = temperatureFor(manifest.calibration.temperature);
          return {
            weights: numbers(weights),
            logits: numbers(logits).map((logit) => logit / temperature),
          };
        }),
      );
      return { ...pooled, ...(by && { by }) };
    },
  };
}

function attentionSample(model: string, input: AttentionInput): FusionSample {
  const rows = MODALITIES.length;
  return {
    modality: 'multimodal',
    model,
    tensors: {
      features: tensor([1, rows, ATTENTION_FEATURES], input.features),
      present: tensor([1, rows], input.present),
      log_scores: tensor([1, rows, EMOTIONS.length], input.logScores),
    },
    segments: [{}],
    source: {},
  };
}

function tensor(dims: readonly number[], data: Float32Array): Tensor {
  return { type: 'float32', dims, data };
}

function numbers(tensor: Tensor | undefined): number[] {
  return tensor === undefined ? [] : Array.from(tensor.data as Float32Array);
}
