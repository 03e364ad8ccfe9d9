import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { topLabel } = require('../../dist/lib/emotion/labels.js');

/** The models whose outputs the events hold. */
const MODELS = { text: 'text-zh-bert', audio: 'speech-crnn', video: 'face-cnn-lstm' };

/** The Results of an event {modality: {label: score}}, in the order text, audio, video. */
export function results(event) {
  return ['text', 'audio', 'video'].flatMap((modality) => {
    const scores = event[modality];
    if (scores === undefined) return [];
    const { label, score } = topLabel(scores);
    const common = { runtime: 'onnxruntime', cached: false, latencyMs: 0, source: {} };
    return [{ modality, label, score, scores, model: MODELS[modality], ...common }];
  });
}
