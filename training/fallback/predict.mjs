// Answers JSON lines {text, language} with scores by label, or null, by the code that emotion-fallback
// runs; the last line is {msPerText}.
//
//   node training/fallback/predict.mjs models/fallback-text < texts.jsonl
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const require = createRequire(import.meta.url);
const { LogisticRegression } = require('../../dist/lib/resilience/logistic-regression.js');

const file = join(process.argv[2], 'model.safetensors');
const model = new LogisticRegression(await readFile(file), file);
const rows = (await text(process.stdin))
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const answers = [];
const began = performance.now();
for (const row of rows) answers.push(model.classifyText(row.text, row.language));
const msPerText = (performance.now() - began) / rows.length;
process.stdout.write(
  `${[...answers, { msPerText }].map((line) => JSON.stringify(line)).join('\n')}\n`,
);
