// Fuses events with the methods that the node has, by the suite's own code.
//
//   node training/fusion/fuse.mjs vote '{"text":1,"audio":2,"video":2}' < events.jsonl > fused.jsonl
//   node training/fusion/fuse.mjs product '{}' < events.jsonl > fused.jsonl
//   node training/fusion/fuse.mjs attention models/fusion-attention < events.jsonl > fused.jsonl
//
// Reads JSON lines {modality: {label: score}}; answers {scores, weights} in their order.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { results } from './events.mjs';

const require = createRequire(import.meta.url);
const { weightedVoteMethod } = require('../../dist/lib/fusion/weighted-vote.js');
const { productOfExpertsMethod } = require('../../dist/lib/fusion/product-of-experts.js');

const AT_ONCE = 512;
const [name, argument] = process.argv.slice(2);

async function attention(folder) {
  const { LocalEngine } = require('../../dist/lib/engine/local-engine.js');
  const { fusionMethod } = require('../../dist/lib/flow/fusion-method.js');
  const { loadModel } = require('../../dist/lib/models/model.js');
  const model = await loadModel(resolve(folder));
  const engine = new LocalEngine(model, { intraOpThreads: 1, queueLimit: 4 * AT_ONCE });
  const access = { infer: (_requested, task) => task(engine, model) };
  const registry = { list: () => Promise.resolve([]) };
  const { method } = fusionMethod({ name: 'attention', weights: {}, access, registry });
  return { method, close: () => engine.close() };
}

const { method, close } =
  name === 'attention'
    ? await attention(argument)
    : {
        method:
          name === 'vote'
            ? weightedVoteMethod(JSON.parse(argument))
            : productOfExpertsMethod({ weights: JSON.parse(argument) }),
        close: () => Promise.resolve(),
      };

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
await close();
