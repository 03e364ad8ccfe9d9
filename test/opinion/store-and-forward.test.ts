import { join } from 'node:path';
import { expect } from 'chai';
import { Journal } from '../../lib/opinion/journal';
import {
  StoreAndForward,
  type Batch,
  type ForwardOptions,
} from '../../lib/opinion/store-and-forward';
import { scratchFolder, until } from '../media/fixtures';
import { heldMemory } from './held-memory';

interface Harness {
  readonly forward: StoreAndForward;
  readonly batches: Batch[];
  readonly errors: { readonly code: string; readonly keys?: readonly string[] }[];
  readonly put: (...keys: string[]) => Promise<unknown>;
  /** Waits for the next batch that was not looked at yet. */
  readonly next: () => Promise<Batch>;
}

describe('StoreAndForward', () => {
  const scratch = scratchFolder();
  const running: StoreAndForward[] = [];
  let count = 0;
  const folder = () => join(scratch, `forward-${(count += 1)}`);
  afterEach(async () => {
    await Promise.all(running.splice(0).map((forward) => forward.close()));
  });

  async function start(path: string, options: Partial<ForwardOptions> = {}): Promise<Harness> {
    const { journal } = await Journal.open({ folder: path });
    const batches: Batch[] = [];
    const errors: Harness['errors'] = [];
    let seen = 0;
    const forward = new StoreAndForward(
      journal,
      {
        batchItems: 3,
        batchWaitMs: 5,
        inFlight: 2,
        acknowledgeMs: 60_000,
        firstDelayMs: 1,
        longestDelayMs: 8,
        giveUpAfter: 0,
        ...options,
      },
      {
        onBatch: (batch) => batches.push(batch),
        onError: ({ code }, givenUp) =>
          errors.push({ code, ...(givenUp && { keys: givenUp.keys }) }),
        onChange: () => undefined,
      },
    );
    running.push(forward);
    forward.start();
    return {
      forward,
      batches,
      errors,
      put: (...keys) => forward.put(keys.map((key) => ({ key, value: { key } }))),
      next: async () => {
        seen += 1;
        await until(() => batches.length >= seen, `batch ${seen}`);
        return batches[seen - 1]!;
      },
    };
  }

  const settled = () => new Promise((resolve) => setTimeout(resolve, 30));

  it('sends full batches at once and the rest after a while, in order', async () => {
    const { put, next } = await start(folder(), { inFlight: 9 });
    await put('a', 'b', 'c', 'd', 'e', 'f', 'g');
    expect((await next()).items).to.deep.equal([{ key: 'a' }, { key: 'b' }, { key: 'c' }]);
    expect((await next()).keys).to.deep.equal(['d', 'e', 'f']);
    expect((await next()).keys).to.deep.equal(['g']);
  });

  it('has no more batches on their way than allowed, and goes on when one was acknowledged', async () => {
    const { put, next, batches, forward } = await start(folder());
    await put('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
    const first = await next();
    await next();
    await settled();
    expect(batches).to.have.length(2);
    expect(forward.state).to.include({ pending: 9, inFlight: 6, batches: 2 });
    forward.acknowledge(first.keys.slice(0, 2));
    await settled();
    expect(batches).to.have.length(2);
    forward.acknowledge(first.keys);
    expect((await next()).keys).to.deep.equal(['g', 'h', 'i']);
    expect(forward.state).to.include({ pending: 6, acknowledged: 3 });
  });

  it('sends what was not acknowledged again after a restart, and nothing else', async () => {
    const path = folder();
    const { put, next, forward } = await start(path);
    await put('a', 'b', 'c', 'd', 'e', 'f');
    forward.acknowledge((await next()).keys);
    await forward.close();
    const again = await start(path);
    expect((await again.next()).keys).to.deep.equal(['d', 'e', 'f']);
    again.forward.acknowledge(['d', 'e', 'f']);
    expect(again.forward.state.pending).to.equal(0);
  });

  it('sends a batch again that failed or was not acknowledged in time', async () => {
    const { put, next, forward, errors } = await start(folder(), {
      acknowledgeMs: 40,
      inFlight: 1,
    });
    await put('a', 'b', 'c');
    const first = await next();
    forward.fail(first.keys);
    expect(forward.state.failures).to.equal(1);
    const second = await next();
    expect(second.keys).to.deep.equal(first.keys);
    expect(second.id).not.to.equal(first.id);
    const third = await next();
    expect(third.keys).to.deep.equal(first.keys);
    expect(errors).to.deep.equal([{ code: 'buffer.not-acknowledged' }]);
    // Late is better than never.
    forward.acknowledge(first.keys);
    expect(forward.state).to.include({ pending: 0, failures: 0, batches: 0 });
  });

  it('asks with one batch at a time, and ever more seldom, while nothing passes', async () => {
    const { put, next, batches, forward } = await start(folder(), {
      firstDelayMs: 60,
      longestDelayMs: 100_000,
      inFlight: 3,
    });
    await put('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
    const together = [await next(), await next(), await next()];
    for (const { keys } of together) forward.fail(keys);
    // Three that were on their way together are one failure.
    expect(forward.state.failures).to.equal(1);
    expect(forward.state.retryMs).to.be.within(1, 60);
    forward.fail((await next()).keys);
    expect(forward.state.failures).to.equal(2);
    expect(forward.state.retryMs).to.be.within(1, 120);
    const probe = await next();
    await settled();
    expect(batches).to.have.length(5);
    forward.acknowledge(probe.keys);
    await next();
    await next();
    expect(forward.state.batches).to.equal(2);
  });

  it('finds the one item that cannot be taken, and lets the others pass', async () => {
    const taken: string[] = [];
    const { put, next, forward, errors } = await start(folder(), {
      batchItems: 16,
      inFlight: 1,
      giveUpAfter: 3,
      longestDelayMs: 2,
    });
    const keys = Array.from({ length: 40 }, (_unused, index) => `k${index}`);
    await put(...keys);
    while (forward.state.pending > 0) {
      const batch = await next();
      if (batch.keys.includes('k5')) {
        forward.fail(batch.keys);
        // Others come all the time.
        if (batch.keys.length === 1 && forward.state.pending > 0)
          await put(`later ${taken.length}`);
      } else {
        taken.push(...batch.keys);
        forward.acknowledge(batch.keys);
      }
    }
    expect(taken).to.include.members(keys.filter((key) => key !== 'k5'));
    expect(new Set(taken).size).to.equal(taken.length);
    expect(errors).to.deep.equal([{ code: 'buffer.given-up', keys: ['k5'] }]);
  });

  it('gives nothing up while nothing passes', async () => {
    const { put, next, forward, errors } = await start(folder(), { giveUpAfter: 2, batchItems: 1, inFlight: 1 }); // prettier-ignore
    await put('a');
    for (let attempt = 0; attempt < 8; attempt += 1) forward.fail((await next()).keys);
    expect(errors).to.deep.equal([]);
    forward.acknowledge((await next()).keys);
    expect(forward.state.pending).to.equal(0);
  });

  it('sends everything again on restart, and forgets everything on clear', async () => {
    const path = folder();
    const { put, next, forward } = await start(path);
    await put('a', 'b', 'c');
    expect((await next()).keys).to.deep.equal(['a', 'b', 'c']);
    forward.restart();
    expect((await next()).keys).to.deep.equal(['a', 'b', 'c']);
    expect(forward.clear()).to.equal(3);
    await forward.close();
    const again = await start(path);
    expect(again.forward.state.pending).to.equal(0);
  });

  it('holds 100,000 items of a kilobyte in little memory', async function () {
    this.timeout(120_000);
    const path = folder();
    const { forward, batches } = await start(path, {
      batchItems: 1000,
      inFlight: 1,
      batchWaitMs: 0,
    });
    const text = '舆'.repeat(333);
    const before = heldMemory();
    for (let at = 0; at < 100_000; at += 1000) {
      await forward.put(
        Array.from({ length: 1000 }, (_unused, index) => ({
          key: `post-${at + index}`,
          value: { id: `post-${at + index}`, text },
        })),
      );
    }
    expect(forward.state.pending).to.equal(100_000);
    expect(forward.state.bytes).to.be.above(100e6);
    // The items alone would be 100 MB and more.
    expect(heldMemory() - before).to.be.below(60e6);

    const found = new Set<string>();
    let at = 0;
    while (forward.state.pending > 0) {
      await until(() => batches.length > at, 'a batch', 20_000);
      const { keys, items } = batches[at]!;
      (batches as (Batch | undefined)[])[at] = undefined;
      at += 1;
      keys.forEach((key, index) => {
        if ((items[index] as { id: string }).id === key) found.add(key);
      });
      forward.acknowledge(keys);
    }
    expect(found.size).to.equal(100_000);
  });
});
