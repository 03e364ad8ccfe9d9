// Fuses events with the methods that the node has, by the suite's own code.
//
//   node training/fusion/fuse.mjs '{"method":"vote","weights":{"text":1,"audio":2}}' < events.f32 > fused.f32
//   node training/fusion/fuse.mjs '{"method":"attention","model":"models/fusion-attention"}' < events.f32
//   node training/fusion/fuse.mjs '{"method":"product","coefficients":[…]}' < events.f32
//
// Methods: vote, reliability (weights from the shipped models' metrics), product, attention.
// Reads events as events.mjs says; answers 7 scores each, float32, 0 where no modality knows the label.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { events } from './events.mjs';

const require = createRequire(import.meta.url);
const { calibrated } = require('../../dist/lib/fusion/fused-temperature.js');
const { fusionMethod } = require('../../dist/lib/flow/fusion-method.js');
const { ModelRegistry } = require('../../dist/lib/models/registry.js');

const { EMOTIONS } = require('../../dist/lib/emotion/labels.js');
const { method: name, weights = {}, model: folder, coefficients } = JSON.parse(process.argv[2]);

async function engineOf(model) {
  const { LocalEngine } = require('../../dist/lib/engine/local-engine.js');
  return new LocalEngine(model, { intraOpThreads: 1, queueLimit: 1_000_000 });
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

for await (const some of events()) {
  const answers = await Promise.all(some.map((event) => method.combine(event)));
  const numbers = answers.flatMap(({ scores }) => EMOTIONS.map((label) => scores[label] ?? 0));
  const bytes = Buffer.from(Float32Array.from(numbers).buffer);
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}
await engine?.close();
