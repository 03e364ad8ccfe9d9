import { parseManifest, type Manifest } from '../../lib/models/manifest';

/** `model.yaml` of a model for faces, as its author would write it. */
export function faceModel(changes: object = {}): Record<string, unknown> {
  const file = { path: 'model.onnx', sha256: '0'.repeat(64), bytes: 1 };
  return {
    schema: 1,
    id: 'face-test',
    version: '1.0.0',
    title: { en: 'Test', zh: '测试' },
    modality: 'video',
    architecture: '2D-CNN + LSTM',
    labels: ['neutral', 'happy'],
    files: { default: 'fp32', fp32: file },
    inputs: { faces: { type: 'float32', shape: ['batch', 16, 1, 48, 48] } },
    outputs: { logits: { kind: 'logits', shape: ['batch', 2] } },
    preprocessing: { kind: 'video', frontEnd: 1, inputs: { faces: 'face-clip' } },
    calibration: { temperature: 1 },
    licence: { weights: 'none', data: 'none' },
    ...changes,
  };
}

export function faceManifest(changes: object = {}): Manifest {
  const { manifest, problems } = parseManifest(faceModel(changes));
  if (!manifest) throw new Error(JSON.stringify(problems));
  return manifest;
}
