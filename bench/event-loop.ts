import { LocalEngine } from '../lib/engine/local-engine';
import { BareSession } from './bare-session';
import { loopGap, type LoopGap } from './loop-gap';
import { figure, type BenchRow, type RowGroup } from './row';
import { benchModel, sampleOf, texts } from './texts';

const TEXTS = 200;
const TOKENS = 256;

/** How long Node-RED's event loop would be held up while long texts are in flight. */
export const eventLoop: RowGroup = {
  id: 'event-loop',
  title: `longest event-loop gap in ms, ${TEXTS} texts of ${TOKENS} tokens in flight`,
  async measure(): Promise<BenchRow[]> {
    const model = await benchModel();
    const list = texts(TEXTS, () => TOKENS);
    const row = (name: string, { p99, max, probeMax }: LoopGap): BenchRow => ({
      name,
      columns: { p99: figure(p99), max: figure(max), 'max by own probe': figure(probeMax) },
    });

    const idle = await loopGap(() => new Promise((resolve) => setTimeout(resolve, 1_000)));

    const bare = await BareSession.create(model);
    const native = await loopGap(async () => {
      for (let from = 0; from < TEXTS; from += 32) await bare.run(list.slice(from, from + 32));
    });
    const single = await loopGap(async () => {
      for (const ids of list.slice(0, 50)) await bare.run([ids]);
    });
    await bare.release();

    const engine = new LocalEngine(model, { cacheEntries: 0 });
    await engine.ready();
    const samples = list.map((ids) => sampleOf(ids, model));
    const burst = () => Promise.all(samples.map((sample) => engine.infer(sample)));
    await burst();
    const inChild = await loopGap(burst);
    await engine.close();

    return [
      row('native run() on the loop, batches of 32', native),
      row('native run() on the loop, one by one', single),
      row('engine, all in flight at once', inChild),
      row('nothing at all, for 1 s', idle),
    ];
  },
};
