import { EmotionError } from '../emotion/error';
import type { Sample } from '../emotion/sample';
import { describeValue } from './describe';

/** The samples of one message, and whether the answer is a list as well. */
export interface SampleInput {
  readonly samples: readonly Sample[];
  readonly many: boolean;
}

/**
 * A sample or an array of samples out of what a message carries. Whether their tensors fit the
 * model is for the engine to say.
 *
 * @throws EmotionError `input.not-a-sample`
 */
export function readSamples(value: unknown): SampleInput {
  if (Array.isArray(value)) {
    return { samples: value.map((item, index) => sample(item, `, item ${index}`)), many: true };
  }
  return { samples: [sample(value, '')], many: false };
}

function sample(value: unknown, where: string): Sample {
  if (isSample(value)) return value;
  throw new EmotionError(
    'input.not-a-sample',
    `Expected a sample from a preprocess node, got ${describeValue(value)}${where}`,
    { expected: 'sample', got: describeValue(value) },
  );
}

function isSample(value: unknown): value is Sample {
  if (typeof value !== 'object' || value === null) return false;
  const { modality, model, tensors, segments, source } = value as Partial<Sample>;
  return (
    (modality === 'text' || modality === 'audio' || modality === 'video') &&
    typeof model === 'string' &&
    isObject(tensors) &&
    Array.isArray(segments) &&
    segments.every(isObject) &&
    isObject(source)
  );
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
