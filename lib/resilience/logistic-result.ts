import { topLabel, type Scores } from '../emotion/labels';
import type { Result } from '../emotion/result';
import type { EmptyReason, Modality } from '../emotion/sample';
import type { Source } from '../emotion/source';

export interface LogisticAnswer {
  readonly modality: Modality;
  /** Id of the fallback model. */
  readonly model: string;
  /** Null when there is nothing to classify; `reason` says why. */
  readonly scores: Scores | null;
  readonly reason?: EmptyReason;
  readonly fallback: { readonly reason: string; readonly attempts: number };
  readonly source: Source;
  readonly latencyMs: number;
  /** Below it the answer is marked `uncertain`. */
  readonly threshold?: number;
}

/**
 * The Result of a logistic-regression model, with how it came to answer.
 *
 * @example
 * logisticResult({ modality: 'text', model: 'fallback-text', scores: { happy: 0.8, sad: 0.2 },
 *   fallback: { reason: 'engine.crashed', attempts: 3 }, source: { text: 'yes!' }, latencyMs: 0.2 });
 * // → { modality: 'text', label: 'happy', score: 0.8, runtime: 'logistic', … }
 */
export function logisticResult(answer: LogisticAnswer): Result {
  const { modality, model, scores, reason, fallback, source, latencyMs } = answer;
  const top = scores === null ? null : topLabel(scores);
  return {
    modality,
    label: top?.label ?? null,
    score: top?.score ?? 0,
    scores: scores ?? {},
    model,
    runtime: 'logistic',
    cached: false,
    latencyMs,
    ...(top !== null && top.score < (answer.threshold ?? 0) ? { uncertain: true as const } : {}),
    ...(top === null && reason !== undefined ? { reason } : {}),
    fallback,
    source,
  };
}
