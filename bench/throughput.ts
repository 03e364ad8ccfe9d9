import { LocalEngine } from '../lib/engine/local-engine';
import { BareSession } from './bare-session';
import { figure, median, type BenchRow, type RowGroup } from './row';
import { benchModel, postLength, sampleOf, texts } from './texts';

const TEXTS = 512;
const BATCH = 32;
const IN_FLIGHT = 256;
const ROUNDS = 3;

function batches<T>(items: readonly T[]): T[][] {
  const groups: T[][] = [];
  for (let from = 0; from < items.length; from += BATCH)
    groups.push(items.slice(from, from + BATCH));
  return groups;
}

/** Texts per second of the engine beside those of a bare session that gets whole batches. */
export const throughput: RowGroup = {
  id: 'throughput',
  title: `throughput, ${TEXTS} texts of 5 to 128 tokens, median of ${ROUNDS} rounds`,
  async measure(): Promise<BenchRow[]> {
    const model = await benchModel();
    const list = texts(TEXTS, postLength);
    const sorted = [...list].sort((a, b) => a.length - b.length);
    const bare = await BareSession.create(model);
    const engine = new LocalEngine(model, {
      cacheEntries: 0,
      maxBatch: BATCH,
      queueLimit: TEXTS,
    });
    await engine.ready();

    const inBatches = async (rows: readonly number[][]): Promise<void> => {
      for (const batch of batches(rows)) await bare.run(batch);
    };
    const throughEngine = async (): Promise<void> => {
      let next = 0;
      const worker = async (): Promise<void> => {
        for (let index = next++; index < list.length; index = next++) {
          await engine.infer(sampleOf(list[index]!, model));
        }
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    };
    const contenders: [string, () => Promise<void>][] = [
      ['bare session, batches of 32 in order', () => inBatches(list)],
      ['bare session, batches of 32 sorted by length', () => inBatches(sorted)],
      [`engine, one call a text, ${IN_FLIGHT} in flight`, throughEngine],
    ];
    const seconds = contenders.map((): number[] => []);
    // One round to warm up; then in turns, so that a slow moment of the machine hits all alike.
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const [index, [, run]] of contenders.entries()) {
        const from = performance.now();
        await run();
        if (round > 0) seconds[index]!.push((performance.now() - from) / 1_000);
      }
    }
    await Promise.all([engine.close(), bare.release()]);
    const rates = seconds.map((times) => TEXTS / median(times));
    return contenders.map(([name], index) => ({
      name,
      columns: { 'texts/s': figure(rates[index]!), ratio: (rates[index]! / rates[0]!).toFixed(2) },
    }));
  },
};
