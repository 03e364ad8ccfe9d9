import type { Result } from '../../lib/emotion/result';

/** A result that says which text it is of. */
export function resultOf(text: string): Result {
  const happy = text.includes('好');
  return {
    modality: 'text',
    label: text === '' ? null : happy ? 'happy' : 'sad',
    score: text === '' ? 0 : 0.75,
    scores: text === '' ? {} : { happy: happy ? 0.75 : 0.25, sad: happy ? 0.25 : 0.75 },
    ...(text === '' && { reason: 'empty-text' as const }),
    model: `of ${text.length}`,
    runtime: 'onnxruntime',
    cached: false,
    latencyMs: 1,
    source: { text },
  };
}
