import type { Manifest } from '../../lib/models/manifest';
import { parseManifest } from '../../lib/models/manifest';

/** `model.yaml` of a model for sound, as its author would write it. */
export function audioModel(preprocessing: object = {}, inputs?: object): Record<string, unknown> {
  const file = { path: 'model.onnx', sha256: '0'.repeat(64), bytes: 1 };
  return {
    schema: 1,
    id: 'speech-test',
    version: '1.0.0',
    title: { en: 'Test', zh: '测试' },
    modality: 'audio',
    architecture: 'CRNN',
    labels: ['neutral', 'happy'],
    files: { default: 'fp32', fp32: file },
    inputs: inputs ?? { mel: { type: 'float32', shape: ['batch', 1, 128, 64] } },
    outputs: { logits: { kind: 'logits', shape: ['batch', 2] } },
    preprocessing: { kind: 'audio', frontEnd: 1, inputs: { mel: 'log-mel' }, ...preprocessing },
    calibration: { temperature: 1 },
    licence: { weights: 'none', data: 'none' },
  };
}

export function audioManifest(preprocessing: object = {}, inputs?: object): Manifest {
  const { manifest, problems } = parseManifest(audioModel(preprocessing, inputs));
  if (!manifest) throw new Error(JSON.stringify(problems));
  return manifest;
}
