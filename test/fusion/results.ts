import type { Scores } from '../../lib/emotion/labels';
import { topLabel } from '../../lib/emotion/labels';
import type { Result } from '../../lib/emotion/result';
import type { EmptyReason, Modality } from '../../lib/emotion/sample';

export function resultOf(modality: Modality, scores: Scores, more: Partial<Result> = {}): Result {
  const top = topLabel(scores);
  return {
    modality,
    label: top?.label ?? null,
    score: top?.score ?? 0,
    scores,
    model: `${modality}-model`,
    runtime: 'onnxruntime',
    cached: false,
    latencyMs: 5,
    source: {},
    ...more,
  };
}

export function emptyResult(modality: Modality, reason: EmptyReason): Result {
  return resultOf(modality, {}, { reason });
}
