import { LocalEngine } from '../lib/engine/local-engine';
import { figure, median, type BenchRow, type RowGroup } from './row';
import { benchModel, sampleOf, texts } from './texts';

const ROUNDS = 1_000;
const TOKENS = 64;

/** One text at a time: run, and answered from the cache. */
export const cache: RowGroup = {
  id: 'cache',
  title: `one text of ${TOKENS} tokens at a time`,
  async measure(): Promise<BenchRow[]> {
    const model = await benchModel();
    const engine = new LocalEngine(model);
    await engine.ready();
    const list = texts(50, () => TOKENS);
    for (const ids of texts(5, () => 20)) await engine.infer(sampleOf(ids, model));
    const first: number[] = [];
    for (const ids of list) first.push((await engine.infer(sampleOf(ids, model))).latencyMs);
    const again: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const { latencyMs, rows } = await engine.infer(sampleOf(list[round % 50]!, model));
      if (!rows[0]!.cached) throw new Error('expected an answer from the cache');
      again.push(latencyMs);
    }
    await engine.close();
    const row = (name: string, times: number[]): BenchRow => ({
      name,
      columns: {
        'median ms': figure(median(times)),
        'p99 ms': figure([...times].sort((a, b) => a - b)[Math.floor(times.length * 0.99)]!),
        ratio: (median(times) / median(first)).toFixed(4),
      },
    });
    return [row('the first time', first), row('again, from the cache', again)];
  },
};
