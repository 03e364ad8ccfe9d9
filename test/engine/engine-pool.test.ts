import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { LocalEngineOptions } from '../../lib/engine/engine';
import { EnginePool } from '../../lib/engine/engine-pool';
import { LocalEngine } from '../../lib/engine/local-engine';
import type { InstalledModel } from '../../lib/models/model';
import { fixture, textSample } from './samples';

/** How often an engine is acquired and released; 500 is the number to try by hand. */
const CYCLES = Number(process.env['EMOTION_ENGINE_CYCLES'] ?? 20);

/** Processes whose parent is this one (Linux). */
function children(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === process.pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe('EnginePool', function () {
  this.timeout(60_000 + CYCLES * 2_000);

  let model: InstalledModel;
  let pool: EnginePool<Partial<LocalEngineOptions>, LocalEngine>;

  before(async () => {
    model = await fixture('tiny-text');
  });
  beforeEach(() => {
    pool = new EnginePool((one, options) => new LocalEngine(one, options));
  });
  afterEach(() => pool.close());

  it('gives the same engine for the same model and settings, in any order', async () => {
    const first = pool.acquire(model, { maxBatch: 8, timeoutMs: 1_000 });
    const same = pool.acquire({ ...model }, { timeoutMs: 1_000, maxBatch: 8 });
    const other = pool.acquire(model, { maxBatch: 9, timeoutMs: 1_000 });
    const conv = pool.acquire(await fixture('tiny-conv'), { maxBatch: 8, timeoutMs: 1_000 });
    expect(same.engine).to.equal(first.engine);
    expect(new Set([first, other, conv].map(({ engine }) => engine)).size).to.equal(3);
    expect(pool.size).to.equal(3);
  });

  it('closes an engine with its last share, however often one is given back', async () => {
    const [first, second] = [pool.acquire(model, {}), pool.acquire(model, {})];
    await first.engine.ready();
    await Promise.all([first.release(), first.release(), first.release()]);
    await second.engine.infer(textSample('happy', model));
    await second.release();
    expect(second.engine.status.state).to.equal('closed');
    expect(pool.size).to.equal(0);
  });

  it('gives a new engine while the old one is closing', async () => {
    const first = pool.acquire(model, {});
    await first.engine.ready();
    const closing = first.release();
    const second = pool.acquire(model, {});
    expect(second.engine).not.to.equal(first.engine);
    await closing;
    await second.engine.infer(textSample('happy', model));
  });

  it(`leaves no process, handle, timer or listener after ${CYCLES} cycles`, async () => {
    const others = children();
    const own = () => children().filter((pid) => !others.includes(pid));
    const cycle = async () => {
      const leases = Array.from({ length: 10 }, () => pool.acquire(model, {}));
      await Promise.all(leases.map(({ engine }) => engine.infer(textSample('happy', model))));
      expect(own()).to.have.length(1);
      await Promise.all(leases.map((lease) => lease.release()));
    };
    const listeners = () =>
      process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
    const resources = () => process.getActiveResourcesInfo().sort();
    await cycle();
    await sleep(100);
    const before = { resources: resources(), listeners: listeners() };
    for (let round = 0; round < CYCLES; round += 1) await cycle();
    expect(own()).to.deep.equal([]);
    // Node frees the handle of an ended process in a later turn.
    for (let turn = 0; turn < 100 && resources().length > before.resources.length; turn += 1) {
      await sleep(100);
    }
    expect({ resources: resources(), listeners: listeners() }).to.deep.equal(before);
    expect(pool.size).to.equal(0);
  });
});
