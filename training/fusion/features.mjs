// What the attention network sees of events, by the suite's own code (lib/fusion/attention.ts).
//
//   node training/fusion/features.mjs < events.jsonl > features.f32
//
// Reads JSON lines {modality: {label: score}}; writes for each 75 features, 3 flags and 21 log scores.
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { results } from './events.mjs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { attentionFeatures } = require('../../dist/lib/fusion/attention.js');

for await (const line of createInterface({ input: process.stdin })) {
  const { features, present, logScores } = attentionFeatures(results(JSON.parse(line)));
  const row = Buffer.from(Float32Array.of(...features, ...present, ...logScores).buffer);
  if (!process.stdout.write(row)) await once(process.stdout, 'drain');
}
