import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { safetensorsFile } from '../resilience/safetensors-file';

/** A text model with a single answer. */
export async function writeFallbackModel(parent: string, id: string): Promise<void> {
  const features = 64;
  const specification = {
    schema: 1,
    id,
    modality: 'text',
    labels: ['happy', 'sad'],
    input: { kind: 'ngrams', blocks: [{ analyzer: 'char', range: [1, 1], features }] },
    temperature: 1,
  };
  const bytes = safetensorsFile(
    {
      weight: { shape: [features, 2], data: new Float32Array(features * 2) },
      bias: { shape: [2], data: Float32Array.of(1, 0) },
    },
    { emotion: JSON.stringify(specification) },
  );
  await mkdir(join(parent, id));
  await writeFile(join(parent, id, 'model.safetensors'), bytes);
  await writeFile(
    join(parent, id, 'model.yaml'),
    JSON.stringify({
      schema: 1,
      id,
      version: '1.0.0',
      title: { en: 'Always happy', zh: '总是高兴' },
      modality: 'text',
      architecture: 'logistic-regression',
      labels: specification.labels,
      weights: {
        path: 'model.safetensors',
        sha256: createHash('sha256').update(bytes).digest('hex'),
        bytes: bytes.length,
      },
      licence: { weights: 'none', data: 'none' },
    }),
  );
}
