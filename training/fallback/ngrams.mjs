// Hashed n-grams of texts by the suite's own code (lib/resilience/hashed-ngrams.ts).
//
//   node training/fallback/ngrams.mjs '[{"analyzer":"char","range":[1,3],"features":131072}]' < texts.jsonl
//
// Reads JSON lines {text}; writes, for each, uint32 n, n × uint32 feature, n × float32 value (little endian).
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { once } from 'node:events';

const require = createRequire(import.meta.url);
const { HashedNgrams } = require('../../dist/lib/resilience/hashed-ngrams.js');

const ngrams = new HashedNgrams(JSON.parse(process.argv[2]));
for await (const line of createInterface({ input: process.stdin })) {
  const { indices, values } = ngrams.transform(JSON.parse(line).text);
  const row = Buffer.concat([
    Buffer.from(Uint32Array.of(indices.length).buffer),
    Buffer.from(indices.buffer),
    Buffer.from(Float32Array.from(values).buffer),
  ]);
  if (!process.stdout.write(row)) await once(process.stdout, 'drain');
}
