// Pass rate of models on the challenge set, by phenomenon, through the library that the nodes run:
// without rules and with those that nodes apply.
//
//   node tools/challenge.mjs MODEL_FOLDER... [--precision fp32|fp16|int8] [--failures] [--json]
//
// Needs `npm run build`. A folder that holds a router needs its models beside it.
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const { EnginePool } = require(`${dist}lib/engine/engine-pool.js`);
const { LocalEngine } = require(`${dist}lib/engine/local-engine.js`);
const { RoutingEngine } = require(`${dist}lib/engine/routing-engine.js`);
const { inferAll } = require(`${dist}lib/flow/infer-all.js`);
const { ModelAccess } = require(`${dist}lib/flow/model-access.js`);
const { textRules } = require(`${dist}lib/flow/text-rules.js`);
const { ModelRegistry } = require(`${dist}lib/models/registry.js`);
const { TextPool } = require(`${dist}lib/workers/text-pool.js`);
const { loadChallenges, passes, PHENOMENA } = require(
  `${dist}test/text/challenge/challenge-set.js`,
);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    precision: { type: 'string' },
    failures: { type: 'boolean' },
    json: { type: 'boolean' },
  },
});
if (positionals.length === 0) {
  console.error('challenge.mjs MODEL_FOLDER... [--precision fp32|fp16|int8] [--failures] [--json]');
  process.exit(2);
}

/** Weights, undefined for those that a node takes: the usual ones and what the model's own file says. */
const RULES = { none: {}, rules: undefined };
const challenges = loadChallenges();

/** Results of every sentence under each set of rules. */
async function answers(folder) {
  const engines = new EnginePool((model, options) =>
    model.routes === undefined
      ? new LocalEngine(model, options)
      : new RoutingEngine(model, model.routes, (target) => engines.acquire(target, options)),
  );
  const access = new ModelAccess(
    { registry: new ModelRegistry([dirname(folder)]), engines, texts: new TextPool() },
    {
      reference: folder,
      engine: { intraOpThreads: 1, ...(values.precision && { precision: values.precision }) },
      allowOverride: false,
    },
  );
  try {
    const texts = challenges.map(({ text }) => text);
    const options = { language: 'auto', stopWords: 'none', split: 'text' };
    const samples = await access.prepareTexts(undefined, texts, options);
    const byRules = {};
    for (const [name, weights] of Object.entries(RULES)) {
      const { signal } = new AbortController();
      byRules[name] = await inferAll(access, samples, { signal }, { rules: textRules(weights) });
    }
    return byRules;
  } finally {
    await access.close();
  }
}

/** Share of the sentences that pass, and of those whose answer is plainly wrong. */
function rates(results, which) {
  const own = challenges.map((one, index) => ({ one, result: results[index] })).filter(which);
  const share = (test) => own.filter(test).length / own.length;
  return {
    sentences: own.length,
    passed: share(({ one, result }) => passes(one, result.label)),
    wrong: share(({ one, result }) => one.wrong.includes(result.label)),
  };
}

const percent = (share) => `${(100 * share).toFixed(1)} %`.padStart(8);

for (const given of positionals) {
  const folder = resolve(given);
  const byRules = await answers(folder);
  const groups = [
    ...PHENOMENA.map((name) => [name, ({ one }) => one.phenomenon === name]),
    ...['zh', 'en'].map((name) => [name, ({ one }) => one.language === name]),
    ['all', () => true],
  ];
  const table = groups.map(([name, which]) => ({
    name,
    ...Object.fromEntries(
      Object.entries(byRules).map(([rules, results]) => [rules, rates(results, which)]),
    ),
  }));
  if (values.json) {
    console.log(JSON.stringify({ model: given, table }));
    continue;
  }
  console.log(`${given}\n${'passed'.padEnd(16)}  n   no rules     rules`);
  for (const { name, none, rules } of table) {
    const cells = [none, rules].map(({ passed }) => percent(passed)).join('  ');
    console.log(`${name.padEnd(16)}${String(none.sentences).padStart(4)} ${cells}`);
  }
  const { none, rules } = table.at(-1);
  console.log(
    `plainly wrong: ${percent(none.wrong)} without rules, ${percent(rules.wrong)} with them`,
  );
  if (!values.failures) continue;
  challenges.forEach((one, index) => {
    const labels = Object.values(byRules).map((results) => results[index].label);
    if (labels.every((label) => passes(one, label))) return;
    console.log(`${one.phenomenon}\t${labels.join(' ')}\t(${one.right.join(', ')})\t${one.text}`);
  });
}
