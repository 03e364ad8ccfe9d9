// What the attention network sees of events, by the suite's own code (lib/fusion/attention.ts).
//
//   node training/fusion/features.mjs < events.f32 > features.f32
//
// Reads events as events.mjs says; writes for each 75 features, 3 flags and 21 log scores, float32.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { events } from './events.mjs';

const require = createRequire(import.meta.url);
const { attentionFeatures } = require('../../dist/lib/fusion/attention.js');

for await (const some of events()) {
  const rows = some.map((event) => {
    const { features, present, logScores } = attentionFeatures(event);
    return Buffer.from(Float32Array.of(...features, ...present, ...logScores).buffer);
  });
  if (!process.stdout.write(Buffer.concat(rows))) await once(process.stdout, 'drain');
}
