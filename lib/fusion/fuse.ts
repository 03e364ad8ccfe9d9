import { EmotionError } from '../emotion/error';
import { topLabel } from '../emotion/labels';
import type { Fused, Result } from '../emotion/result';
import type { Modality } from '../emotion/sample';
import type { Source } from '../emotion/source';
import { agreement, dissenting } from './agreement';
import { explain } from './explain';
import { MODALITIES, presentResults } from './modalities';
import type { FusionMethod, ModalityWeights, Pooled } from './pooling';
import { assertDistinctModalities } from './validate';

export interface FuseOptions {
  readonly method: FusionMethod;
  /** What answers when `method` fails, e.g. a weighted vote while the attention network is down. */
  readonly otherwise?: FusionMethod;
  /** Modalities that the event should have had; those without a label are listed as `missing`. */
  readonly expected?: readonly Modality[];
  /** Below it the answer is marked `uncertain`. */
  readonly threshold?: number;
  /** Milliseconds on a clock that does not run backwards. */
  readonly now?: () => number;
}

/**
 * Makes one answer of the Results of one event. Any subset of the modalities is enough, also one.
 * A Result with a null label counts as absent but is kept in `modalities`; where all are null the
 * answer is null too, with the reason of the first one in the order text, audio, video.
 *
 * `latencyMs` is the time of the slowest modality, for they run side by side, plus that of the
 * fusion itself; waiting for one another is not in it. `fallback` is there when a modality or the
 * fusion itself was answered by a stand-in.
 *
 * @param results validated Results (see `parseResult`), at least one, no modality twice
 * @throws EmotionError `fusion.not-a-result` for no Result at all or a modality that comes twice;
 *   what `method` throws where there is no `otherwise`
 *
 * @example
 * const fused = await fuse([text, audio], {
 *   method: weightedVoteMethod({ text: 3, audio: 2 }), expected: ['text', 'audio', 'video'],
 * });
 * // fused.label → 'happy'; fused.weights → { text: 0.6, audio: 0.4 }; fused.missing → ['video']
 */
export async function fuse(results: readonly Result[], options: FuseOptions): Promise<Fused> {
  const now = options.now ?? (() => performance.now());
  const began = now();
  assertDistinctModalities(results);
  const ordered = MODALITIES.flatMap((modality) =>
    results.filter((result) => result.modality === modality),
  );
  if (ordered[0] === undefined) {
    throw new EmotionError(
      'fusion.not-a-result',
      'An event must hold at least one Result to be fused; got none',
      { member: 'payload', expected: 'at least one Result', got: 'none' },
    );
  }
  const present = presentResults(ordered);
  const { pooled, method, failure } =
    present.length > 0
      ? await combine(present, options)
      : { pooled: NOTHING, method: options.method, failure: undefined };

  const by = pooled.by ?? method;
  const { scores } = pooled;
  const top = topLabel(scores);
  const score = top?.score ?? 0;
  const reason = top === null ? ordered.find((result) => result.reason)?.reason : undefined;
  const modalities = Object.fromEntries(ordered.map((result) => [result.modality, result]));
  const missing = missingModalities(options.expected ?? MODALITIES, present);
  const dissent = dissenting(present, scores);
  const fallback = fallbackOf(ordered, failure);
  const answer = {
    label: top?.label ?? null,
    score,
    weights: pooled.weights,
    modalities,
    missing,
    ...(dissent.length > 0 ? { dissenting: dissent } : {}),
  };
  return {
    modality: 'multimodal',
    ...answer,
    scores,
    agreement: agreement(present, scores),
    explanation: explain(answer),
    model: by.id,
    runtime: by.runtime,
    cached: ordered.every(({ cached }) => cached),
    latencyMs: Math.max(...ordered.map(({ latencyMs }) => latencyMs)) + (now() - began),
    ...(top !== null && score < (options.threshold ?? 0) ? { uncertain: true as const } : {}),
    ...(reason !== undefined ? { reason } : {}),
    ...(fallback !== undefined ? { fallback } : {}),
    source: mergeSources(ordered),
  };
}

const NOTHING: Pooled = { weights: {} satisfies ModalityWeights, scores: {} };

async function combine(
  present: readonly Result[],
  { method, otherwise }: FuseOptions,
): Promise<{ pooled: Pooled; method: FusionMethod; failure?: unknown }> {
  try {
    return { pooled: await method.combine(present), method };
  } catch (failure) {
    if (otherwise === undefined) throw failure;
    return { pooled: await otherwise.combine(present), method: otherwise, failure };
  }
}

/** Expected modalities without a label, in the order of `MODALITIES`. */
function missingModalities(
  expected: readonly Modality[],
  present: readonly Result[],
): readonly Modality[] {
  return MODALITIES.filter(
    (modality) =>
      expected.includes(modality) && !present.some((result) => result.modality === modality),
  );
}

function fallbackOf(results: readonly Result[], failure: unknown): Fused['fallback'] {
  const stoodIn = results.filter(({ fallback }) => fallback !== undefined);
  const reasons = stoodIn.map(({ modality, fallback }) => `${modality}: ${fallback?.reason ?? ''}`);
  if (failure !== undefined) reasons.push(`fusion: ${codeOf(failure)}`);
  if (reasons.length === 0) return undefined;
  const attempts = stoodIn.map(({ fallback }) => fallback?.attempts ?? 0);
  return {
    reason: reasons.join('; '),
    attempts: Math.max(failure === undefined ? 0 : 1, ...attempts),
  };
}

function codeOf(failure: unknown): string {
  if (failure instanceof EmotionError) return failure.code;
  return failure instanceof Error ? failure.message : String(failure);
}

/** Members of all sources; where two have the same one, text goes before audio before video. */
function mergeSources(results: readonly Result[]): Source {
  return Object.assign({}, ...[...results].reverse().map(({ source }) => source)) as Source;
}
