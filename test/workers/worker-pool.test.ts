import path from 'node:path';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { WorkerPool } from '../../lib/workers/worker-pool';

async function failure(promise: Promise<unknown>): Promise<EmotionError> {
  return promise.then(
    () => expect.fail('did not throw'),
    (error: unknown) => {
      expect(error).to.be.instanceOf(EmotionError);
      return error as EmotionError;
    },
  );
}

describe('WorkerPool', () => {
  const filename = path.join(__dirname, 'tasks.js');
  let pool: WorkerPool;
  beforeEach(() => {
    pool = new WorkerPool({ filename, memoryMb: 64, taskTimeoutMs: 10_000 });
  });
  afterEach(() => pool.close());

  it('runs tasks by name', async () => {
    expect(await Promise.all([1, 2, 3].map((n) => pool.run('double', n)))).to.deep.equal([2, 4, 6]);
  });

  it('gives away the buffers that it is told to', async () => {
    const buffer = new ArrayBuffer(64);
    expect(await pool.run('bytes', buffer, [buffer])).to.equal(64);
    expect(buffer.byteLength).to.equal(0);
  });

  it('keeps code and details of an error', async () => {
    const error = await failure(pool.run('refusal', 0));
    expect(error.code).to.equal('model.tokenizer-invalid');
    expect(error.details).to.deep.equal({ file: 'a.json' });
  });

  it('reports a defect with its stack', async () => {
    const error = await failure(pool.run('defect', 0));
    expect(error.code).to.equal('worker.failed');
    expect(error.message).to.equal('TypeError: x is not a function');
    expect(error.cause).to.match(/tasks\.js/);
  });

  for (const [what, task] of [
    ['exits', 'exit'],
    ['runs out of memory', 'memory'],
  ] as const) {
    it(`fails the task of a thread that ${what} and goes on with a new one`, async () => {
      const error = await failure(pool.run(task, 0));
      expect(error.code).to.equal('worker.failed');
      expect(error.transient).to.equal(true);
      expect(await pool.run('double', 4)).to.equal(8);
    });
  }

  it('fails waiting tasks of no dead thread: they run on the next', async () => {
    const [dead, ...alive] = await Promise.allSettled([
      pool.run('exit', 0),
      ...[1, 2, 3].map((n) => pool.run('double', n)),
    ]);
    expect(dead.status).to.equal('rejected');
    expect(alive.map((result) => result.status)).to.deep.equal(Array(3).fill('fulfilled'));
  });

  it('stops a task that takes too long', async () => {
    const short = new WorkerPool({ filename, taskTimeoutMs: 1_500 });
    try {
      const error = await failure(short.run('hang', 0));
      expect(error.code).to.equal('worker.failed');
      expect(error.message).to.include('took longer than 1500 ms');
      expect(await short.run('double', 1)).to.equal(2);
    } finally {
      await short.close();
    }
  });

  it('ends a busy thread when it is closed, and refuses more', async () => {
    const hanging = failure(pool.run('hang', 0));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await pool.close();
    expect((await hanging).code).to.equal('engine.closed');
    expect((await failure(pool.run('double', 1))).code).to.equal('engine.closed');
  });
});
