import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalEngine } from '../lib/engine/local-engine';
import { loadModel, type InstalledModel } from '../lib/models/model';
import { packageRoot } from '../lib/models/package-root';
import { figure, median, type BenchRow, type RowGroup } from './row';
import { sampleOf, texts } from './texts';

const MODELS = ['text-bilstm', 'text-zh-bert', 'text-en-bert'];
const TOKENS = 32;
const BATCH = 32;
const SECONDS = 1.5;

/** Resident set of a process in MB; NaN where the system has no /proc. */
async function resident(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? NaN) / 1_024;
}

/** Median milliseconds a text, `size` texts at a time, none answered from the cache. */
async function pace(engine: LocalEngine, model: InstalledModel, size: number): Promise<number> {
  const samples = texts(size, () => TOKENS).map((ids) => sampleOf(ids, model));
  const times: number[] = [];
  const end = performance.now() + SECONDS * 1_000;
  while (performance.now() < end || times.length < 6) {
    const from = performance.now();
    await Promise.all(samples.map((sample) => engine.infer(sample)));
    times.push((performance.now() - from) / size);
  }
  return median(times.slice(1));
}

function megabytes({ manifest }: InstalledModel): number {
  const files = [manifest.files.int8, manifest.files.tokenizer];
  return files.reduce((sum, file) => sum + (file?.bytes ?? 0), 0) / 1e6;
}

/** What a text costs with each model that is shipped, through the engine that the nodes use. */
export const models: RowGroup = {
  id: 'models',
  title: `text of ${TOKENS} tokens, engine with 1 and 2 threads`,
  async measure(): Promise<BenchRow[]> {
    const rows: BenchRow[] = [];
    for (const id of MODELS) {
      const model = await loadModel(join(packageRoot(), 'models', id));
      const columns: Record<string, string> = { MB: megabytes(model).toFixed(1) };
      for (const intraOpThreads of [1, 2]) {
        const engine = new LocalEngine(model, { cacheEntries: 0, maxBatch: BATCH, intraOpThreads });
        await engine.ready();
        columns[`ms alone, ${intraOpThreads}`] = figure(await pace(engine, model, 1));
        columns[`ms of ${BATCH}, ${intraOpThreads}`] = figure(await pace(engine, model, BATCH));
        columns['RSS MB'] = (await resident(engine.status.pid)).toFixed(0);
        await engine.close();
      }
      rows.push({ name: id, columns });
    }
    return rows;
  },
};
