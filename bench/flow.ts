import { readFile } from 'node:fs/promises';
import { TextPool } from '../lib/workers/text-pool';
import { BareSession } from './bare-session';
import { EmbeddedNodeRed, type FlowStart } from './embedded-node-red';
import { loopGap, type LoopGap } from './loop-gap';
import { figure, median, type BenchRow, type RowGroup } from './row';
import { benchModel, postLength, posts } from './texts';

const TEXTS = 512;
const BATCH = 32;
const WARM_UP = 3;
const ROUNDS = 7;
const LONG_TEXTS = 200;
const LONG_WORDS = 240;

/**
 * A whole flow in Node-RED (preprocess-text → infer) beside a Function node that calls
 * onnxruntime-node itself, and beside a bare session that gets the flow's own rows, tokenised
 * beforehand, in batches of 32.
 */
export const flow: RowGroup = {
  id: 'flow',
  title: `Node-RED flow, ${TEXTS} texts of 5 to 128 words; loop gap with ${LONG_TEXTS} of ${LONG_WORDS}, ms`,
  async measure(): Promise<BenchRow[]> {
    const model = await benchModel();
    const vocabulary = await words(model.folder, model.manifest.files.tokenizer!.path);
    const texts = posts(TEXTS, vocabulary, postLength);
    const long = posts(LONG_TEXTS, vocabulary, () => LONG_WORDS);
    const rows = await rowsOf(model, texts);
    const longRows = await rowsOf(model, long);

    const bare = await BareSession.create(model);
    const nodeRed = await EmbeddedNodeRed.start(model.folder, {
      bare: await bare.forFunctionNode(),
    });
    const inBatches = async (list: readonly number[][]): Promise<void> => {
      for (let from = 0; from < list.length; from += BATCH) {
        await bare.run(list.slice(from, from + BATCH));
      }
    };
    const through = (start: FlowStart) => async (list: readonly string[]) => {
      await Promise.all(list.map((text) => nodeRed.send(start, text)));
    };
    const contenders: [string, () => Promise<void>, () => Promise<void>][] = [
      ['bare session, batches of 32 in order', () => inBatches(rows), () => inBatches(longRows)],
      [
        'flow: preprocess-text → infer',
        () => through('bench-suite')(texts),
        () => through('bench-suite')(long),
      ],
      [
        'flow: Function node calling onnxruntime-node',
        () => through('bench-function')(texts),
        () => through('bench-function')(long),
      ],
    ];
    const seconds = contenders.map((): number[] => []);
    const gaps: LoopGap[] = [];
    try {
      // Until the compilers have settled; then in turns, so that a slow moment of the machine hits all alike.
      for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
        for (const [index, [, run]] of contenders.entries()) {
          const from = performance.now();
          await run();
          if (round >= WARM_UP) seconds[index]!.push((performance.now() - from) / 1_000);
        }
      }
      for (const [, , run] of contenders) gaps.push(await loopGap(run));
    } finally {
      await nodeRed.stop();
      await bare.release();
    }

    const rates = seconds.map((times) => TEXTS / median(times));
    return contenders.map(([name], index) => ({
      name,
      columns: {
        'texts/s': figure(rates[index]!),
        ratio: (rates[index]! / rates[0]!).toFixed(2),
        'gap p99': figure(gaps[index]!.p99),
        'gap max': figure(gaps[index]!.max),
      },
    }));
  },
};

/** Whole words of a tokenizer's vocabulary, so that made-up texts have as many tokens as words. */
async function words(folder: string, file: string): Promise<string[]> {
  const tokenizer = JSON.parse(await readFile(`${folder}/${file}`, 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  return Object.keys(tokenizer.model.vocab).filter((token) => /^\p{L}{2,}$/u.test(token));
}

/** Token ids of the rows that the flow's own front end makes of the texts. */
export async function rowsOf(
  model: Awaited<ReturnType<typeof benchModel>>,
  texts: readonly string[],
): Promise<number[][]> {
  const pool = new TextPool();
  const front = await pool.open(model);
  const samples = await front.prepare(texts, {
    language: 'auto',
    stopWords: 'default',
    split: 'text',
  });
  await front.close();
  return samples.flatMap(({ segments, tensors }) => {
    const { dims, data } = tensors['input_ids']!;
    const width = dims[1]!;
    return segments.map(({ tokens }, row) =>
      Array.from(data as BigInt64Array, Number).slice(row * width, row * width + tokens!.length),
    );
  });
}
