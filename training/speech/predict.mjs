// Answers JSON lines {id, path} with {id, scores, windows} through the library that the nodes run:
// decoding, speech activity, windows, the engine, calibration, the mean over windows.
//
//   node training/speech/predict.mjs MODEL_FOLDER [all|energy|silero] < files.jsonl > scores.jsonl
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const lib = fileURLToPath(new URL('../../dist/lib/', import.meta.url));
const { EnergyGate } = require(`${lib}audio/energy-gate.js`);
const { AudioPreparer } = require(`${lib}audio/prepare.js`);
const { loadSilero, SileroScorer } = require(`${lib}audio/silero.js`);
const { SPEECH_FRAME } = require(`${lib}audio/speech.js`);
const { LocalEngine } = require(`${lib}engine/local-engine.js`);
const { interpret } = require(`${lib}engine/interpret.js`);
const { decodeWhole } = require(`${lib}media/decode.js`);
const { loadModel } = require(`${lib}models/model.js`);

const [folder, method = 'silero'] = process.argv.slice(2);
if (folder === undefined) {
  console.error('predict.mjs MODEL_FOLDER [all|energy|silero] < files.jsonl');
  process.exit(2);
}

const scorers = {
  all: () => ({
    method: 'energy',
    score: async (samples) => new Float32Array(Math.ceil(samples.length / SPEECH_FRAME)).fill(1),
    reset: () => undefined,
  }),
  energy: () => new EnergyGate(),
  silero: async () => new SileroScorer(await loadSilero()),
};
const scorer = await scorers[method]();
const model = await loadModel(resolve(folder));
const preparer = new AudioPreparer(model.manifest);
const engine = new LocalEngine(model, { intraOpThreads: 1, cacheEntries: 0 });

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue;
  const { id, path } = JSON.parse(line);
  const { sampleRateHz } = preparer.frontEnd;
  const { data } = await decodeWhole({ kind: 'file', path: resolve(path) }, { sampleRateHz });
  const sample = await preparer.prepare(data, scorer);
  const output = await engine.infer(sample);
  const { scores, reason } = interpret(sample, output, model.manifest);
  const windows = output.rows.length;
  process.stdout.write(`${JSON.stringify({ id, scores, windows, ...(reason && { reason }) })}\n`);
}
await engine.close();
