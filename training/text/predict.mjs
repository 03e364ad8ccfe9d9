// Answers JSON lines {id, text, language?} with {id, scores, logits?, tokens} through the library that the
// nodes run: the model's own preparation, the engine, calibration.
//
//   node training/text/predict.mjs MODEL_FOLDER [PRECISION] [--rules] [--each-rule] < texts.jsonl > scores.jsonl
//
// --rules: after the lexicon rules that nodes apply. --each-rule: adds `ruled`, the scores after each
// rule alone at its usual weight, where it changed them.
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const lib = fileURLToPath(new URL('../../dist/lib/', import.meta.url));
const { LocalEngine } = require(`${lib}engine/local-engine.js`);
const { interpret } = require(`${lib}engine/interpret.js`);
const { textRules } = require(`${lib}flow/text-rules.js`);
const { loadModel } = require(`${lib}models/model.js`);
const { applyRules, DEFAULT_RULES } = require(`${lib}text/rules.js`);
const { TextPreparer } = require(`${lib}text/prepare.js`);

const AT_ONCE = 256;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rules: { type: 'boolean' }, 'each-rule': { type: 'boolean' } },
});
const [folder, precision] = positionals;
if (folder === undefined) {
  console.error('predict.mjs MODEL_FOLDER [fp32|fp16|int8] [--rules] [--each-rule] < texts.jsonl');
  process.exit(2);
}

const model = await loadModel(resolve(folder));
const preparer = await TextPreparer.load(model.manifest, model.folder);
const engine = new LocalEngine(model, {
  intraOpThreads: 1,
  cacheEntries: 0,
  queueLimit: 4 * AT_ONCE,
  ...(precision !== undefined && { precision }),
});

const interpretation = values.rules ? { rules: textRules() } : {};

/** Scores of one text by label, as a node would give them. */
async function answer({ id, text, language }) {
  const [sample] = preparer.prepare([text], {
    language: language ?? 'auto',
    stopWords: 'none',
    split: 'text',
  });
  const result = interpret(sample, await engine.infer(sample), model.manifest, interpretation);
  return JSON.stringify({
    id,
    scores: result.scores,
    rows: sample.segments.length,
    ...(values['each-rule'] && { ruled: ruledAlone(result.scores, sample) }),
  });
}

/** Scores after each rule alone, by the rule's name, of those that change a text of one row. */
function ruledAlone(scores, { features, segments }) {
  if (segments.length !== 1) return {};
  return Object.fromEntries(
    Object.entries(DEFAULT_RULES).flatMap(([rule, weight]) => {
      const after = applyRules(scores, features?.sentences ?? [], { [rule]: weight });
      return after.rules.length === 0 ? [] : [[rule, after.scores]];
    }),
  );
}

let pending = [];
const flush = async () => {
  const lines = await Promise.all(pending.map(answer));
  pending = [];
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
};
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue;
  pending.push(JSON.parse(line));
  if (pending.length === AT_ONCE) await flush();
}
await flush();
await engine.close();
