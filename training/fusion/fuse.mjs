// Fuses events with the methods that the node has, by the suite's own code.
//
//   node training/fusion/fuse.mjs '{"method":"vote","weights":{"text":1,"audio":2}}' < events.jsonl > fused.jsonl
//   node training/fusion/fuse.mjs '{"method":"attention","model":"models/fusion-attention"}' < events.jsonl
//   node training/fusion/fuse.mjs '{"method":"product","coefficients":[…]}' < events.jsonl
//
// Methods: vote, reliability (weights from the shipped models' metrics), product, attention.
// Reads JSON lines {modality: {label: score}}; answers {scores, weights} in their order.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { results } from './events.mjs';

const require = createRequire(import.meta.url);
const { calibrated } = require('../../dist/lib/fusion/fused-temperature.js');
const { fusionMethod } = require('../../dist/lib/flow/fusion-method.js');
const { ModelRegistry } = require('../../dist/lib/models/registry.js');

const AT_ONCE = 512;
const { method: name, weights = {}, model: folder, coefficients } = JSON.parse(process.argv[2]);

async function engineOf(model) {
  const { LocalEngine } = require('../../dist/lib/engine/local-engine.js');
  return new LocalEngine(model, { intraOpThreads: 1, queueLimit: 4 * AT_ONCE });
}

let engine;
let access;
if (name === 'attention') {
  const { loadModel } = require('../../dist/lib/models/model.js');
  const model = await loadModel(resolve(folder));
  engine = await engineOf(model);
  access = { infer: (_requested, task) => task(engine, model) };
}
const registry = new ModelRegistry([fileURLToPath(new URL('../../models', import.meta.url))]);
const chosen = fusionMethod({ name, weights, access, registry, calibrate: false });
const method = coefficients ? calibrated(chosen.method, coefficients) : chosen.method;

let pending = [];
const flush = async () => {
  const answers = await Promise.all(pending.map((event) => method.combine(results(event))));
  pending = [];
  const lines = answers.map(({ scores, weights }) => JSON.stringify({ scores, weights }));
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
};
for await (const line of createInterface({ input: process.stdin })) {
  pending.push(JSON.parse(line));
  if (pending.length === AT_ONCE) await flush();
}
await flush();
await engine?.close();
