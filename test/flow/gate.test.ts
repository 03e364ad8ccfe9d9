import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { Gate, type GateOptions } from '../../lib/flow/gate';

interface Job {
  readonly outcome: Promise<string>;
  readonly finish: (value: string) => void;
  readonly fail: (error: Error) => void;
  readonly signal: () => AbortSignal | undefined;
}

function enter(gate: Gate, name: string): Job {
  let finish!: (value: string) => void;
  let fail!: (error: Error) => void;
  let signal: AbortSignal | undefined;
  const work = new Promise<string>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  const outcome = gate
    .enter((given) => {
      signal = given;
      return work;
    })
    .catch((error: unknown) => (error instanceof EmotionError ? error.code : `${name} threw`));
  return { outcome, finish, fail, signal: () => signal };
}

function open(options: Partial<GateOptions>): Gate {
  return new Gate({ concurrency: 1, limit: 2, policy: 'queue', ...options });
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('Gate', () => {
  it('runs as many tasks at a time as it has places, the others in the order in which they came', async () => {
    const gate = open({ concurrency: 2, limit: 10 });
    const jobs = ['a', 'b', 'c', 'd'].map((name) => enter(gate, name));
    expect(gate.active).to.equal(2);
    expect(gate.waiting).to.equal(2);
    jobs[1]?.finish('b');
    await settled();
    expect(jobs[2]?.signal()).to.be.instanceOf(AbortSignal);
    expect(jobs[3]?.signal()).to.equal(undefined);
    for (const job of jobs) job.finish('done');
    expect(await Promise.all(jobs.map((job) => job.outcome))).to.deep.equal([
      'done',
      'b',
      'done',
      'done',
    ]);
    await settled();
    expect(gate.active).to.equal(0);
  });

  it('policy queue: turns a message away when the limit waits already, and takes the next one again later', async () => {
    const gate = open({ limit: 1 });
    const first = enter(gate, 'first');
    const second = enter(gate, 'second');
    expect(await enter(gate, 'third').outcome).to.equal('queue.full');
    first.finish('1');
    await settled();
    const fourth = enter(gate, 'fourth');
    second.finish('2');
    await settled();
    fourth.finish('4');
    expect([await first.outcome, await second.outcome, await fourth.outcome]).to.deep.equal([
      '1',
      '2',
      '4',
    ]);
  });

  it('policy latest: the message that waited longest gives way', async () => {
    const gate = open({ policy: 'latest', limit: 1 });
    const first = enter(gate, 'first');
    const second = enter(gate, 'second');
    const third = enter(gate, 'third');
    expect(await second.outcome).to.equal('queue.superseded');
    first.finish('1');
    await settled();
    third.finish('3');
    expect(await first.outcome).to.equal('1');
    expect(await third.outcome).to.equal('3');
    expect(second.signal()).to.equal(undefined);
  });

  it('policy reject: nothing waits', async () => {
    const gate = open({ policy: 'reject', limit: 100 });
    const first = enter(gate, 'first');
    expect(await enter(gate, 'second').outcome).to.equal('queue.full');
    first.finish('1');
    await settled();
    const third = enter(gate, 'third');
    third.finish('3');
    expect(await third.outcome).to.equal('3');
  });

  it('a task that fails frees its place', async () => {
    const gate = open({ limit: 1 });
    const first = enter(gate, 'first');
    const second = enter(gate, 'second');
    first.fail(new Error('broken'));
    expect(await first.outcome).to.equal('first threw');
    await settled();
    second.finish('2');
    expect(await second.outcome).to.equal('2');
  });

  it('drain fails what waits and what runs, once, and keeps the places of running tasks until they end', async () => {
    const gate = open({ limit: 5 });
    const running = enter(gate, 'running');
    const waiting = enter(gate, 'waiting');
    gate.drain(new EmotionError('queue.reset', 'reset'));
    expect(await running.outcome).to.equal('queue.reset');
    expect(await waiting.outcome).to.equal('queue.reset');
    expect(running.signal()?.aborted).to.equal(true);

    const next = enter(gate, 'next');
    expect(next.signal()).to.equal(undefined);
    running.finish('too late');
    await settled();
    next.finish('next');
    expect(await next.outcome).to.equal('next');
    expect(waiting.signal()).to.equal(undefined);
  });
});
