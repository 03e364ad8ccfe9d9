import path from 'node:path';
import { manifestSchema, type Manifest } from '../../lib/models/manifest';
import { packageRoot } from '../../lib/models/package-root';

/** Holds the tokenizer that make-text-tokenizer.py wrote, and the reference encodings. */
export const TEXT_FIXTURE = path.join(packageRoot(), 'test', 'fixtures', 'text');

const input = { type: 'int64', shape: ['batch', 'tokens'] };
const file = { sha256: '0'.repeat(64), bytes: 1 };

/** A text model around the fixture's tokenizer; its graph is never read by the front end. */
export function textManifest(
  preprocessing: object = {},
  inputs: object = { input_ids: input, attention_mask: input },
): Manifest {
  return manifestSchema.parse({
    schema: 1,
    id: 'front-end',
    version: '1.0.0',
    title: { en: 'Front end', zh: '前端' },
    modality: 'text',
    architecture: 'none',
    languages: ['zh', 'en'],
    labels: ['neutral', 'happy'],
    files: {
      default: 'fp32',
      fp32: { ...file, path: 'model.onnx' },
      tokenizer: { ...file, path: 'tokenizer.json' },
    },
    inputs,
    outputs: { logits: { kind: 'logits', shape: ['batch', 2] } },
    preprocessing: { kind: 'text', normaliser: 1, maxTokens: 16, ...preprocessing },
    calibration: { temperature: 1 },
    licence: { weights: 'Apache-2.0', data: 'none' },
  });
}
