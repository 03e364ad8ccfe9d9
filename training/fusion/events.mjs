import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { EMOTIONS, topLabel } = require('../../dist/lib/emotion/labels.js');

const LABELS = EMOTIONS.length;
/** Bytes of an event: 3 × 7 scores, NaN where a label is unknown, and 3 flags of what is present; float32. */
const EVENT_BYTES = 4 * (3 * LABELS + 3);
/** The models whose outputs the events hold, in the order of the rows. */
const MODELS = [
  ['text', 'text-zh-bert'],
  ['audio', 'speech-crnn'],
  ['video', 'face-cnn-lstm'],
];

/** The Results of each event on standard input, some hundred events at a time. */
export async function* events() {
  let rest = Buffer.alloc(0);
  for await (const piece of process.stdin) {
    const bytes = Buffer.concat([rest, piece]);
    const count = Math.floor(bytes.length / EVENT_BYTES);
    rest = bytes.subarray(count * EVENT_BYTES);
    yield Array.from({ length: count }, (_, at) => results(bytes, at * EVENT_BYTES));
  }
  if (rest.length > 0) throw new Error(`${rest.length} bytes are no event`);
}

/** The Results of an event, in the order text, audio, video. */
function results(bytes, from) {
  const number = (index) => bytes.readFloatLE(from + 4 * index);
  return MODELS.flatMap(([modality, model], row) => {
    if (number(3 * LABELS + row) !== 1) return [];
    const known = EMOTIONS.map((label, i) => [label, number(row * LABELS + i)]);
    const scores = Object.fromEntries(known.filter(([, score]) => !Number.isNaN(score)));
    const { label, score } = topLabel(scores);
    const common = { runtime: 'onnxruntime', cached: false, latencyMs: 0, source: {} };
    return [{ modality, label, score, scores, model, ...common }];
  });
}
