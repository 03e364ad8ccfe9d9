import { expect } from 'chai';
import { longestDelayMs, retryPolicy } from '../../lib/resilience/retry';
import { mockTime } from './mock-time';

describe('retry', () => {
  let time: ReturnType<typeof mockTime>;
  beforeEach(() => {
    time = mockTime();
  });
  afterEach(() => time.restore());

  it('doubles the longest wait up to a limit', () => {
    const delays = [1, 2, 3, 4, 5, 6].map((attempt) => longestDelayMs(attempt));
    expect(delays).to.deep.equal([500, 1000, 2000, 4000, 8000, 10_000]);
    expect(longestDelayMs(2, { initialDelayMs: 100, maxDelayMs: 150 })).to.equal(150);
  });

  it('waits a random part of the longest wait before each attempt', async () => {
    const began = Date.now();
    const calls: number[] = [];
    const draws = [0.5, 0, 0.999];
    const policy = retryPolicy(
      { initialDelayMs: 1000, random: () => draws.shift() ?? NaN },
      () => true,
    );
    const outcome = policy
      .execute(() => {
        calls.push(Date.now() - began);
        throw new Error('again');
      })
      .catch((error: Error) => error.message);
    await time.pass(10_000);
    expect(await outcome).to.equal('again');
    const [first, second, third, fourth] = calls;
    expect(calls).to.have.length(4);
    expect(first).to.equal(0);
    // 0.5 · 1 s, 0 · 2 s, 0.999 · 4 s, on a clock that moves by 100 ms
    expect(second).to.be.within(500, 600);
    expect((third ?? NaN) - (second ?? NaN)).to.be.within(0, 100);
    expect((fourth ?? NaN) - (third ?? NaN)).to.be.within(3996, 4100);
  });

  it('stops when the failure is not worth another attempt', async () => {
    let calls = 0;
    const policy = retryPolicy({ attempts: 5, random: () => 0 }, () => calls < 2);
    const outcome = policy
      .execute(() => {
        calls += 1;
        throw new Error(`call ${calls}`);
      })
      .catch((error: Error) => error.message);
    await time.pass(100);
    expect(await outcome).to.equal('call 2');
  });
});
