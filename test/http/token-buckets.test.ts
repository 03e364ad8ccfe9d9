import { expect } from 'chai';
import * as fc from 'fast-check';
import { TokenBuckets } from '../../lib/http/token-buckets';

describe('TokenBuckets', () => {
  it('grants a burst, then one after another at the rate', () => {
    let now = 0;
    const buckets = new TokenBuckets(60, 3, () => now);
    expect([1, 2, 3].map(() => buckets.take('a'))).to.deep.equal([0, 0, 0]);
    expect(buckets.take('a')).to.equal(1);
    now = 400;
    expect(buckets.take('a')).to.be.closeTo(0.6, 1e-9);
    now = 1000;
    expect(buckets.take('a')).to.equal(0);
    expect(buckets.take('a')).to.equal(1);
  });

  it('keeps clients apart', () => {
    const buckets = new TokenBuckets(60, 1, () => 0);
    expect(buckets.take('a')).to.equal(0);
    expect(buckets.take('b')).to.equal(0);
    expect(buckets.take('a')).to.be.above(0);
  });

  it('never grants more than burst + rate × time, nor refuses whoever keeps below the rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6000 }),
        fc.integer({ min: 1, max: 100 }),
        fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 300 }),
        (perMinute, burst, pauses) => {
          let now = 0;
          const buckets = new TokenBuckets(perMinute, burst, () => now);
          let granted = 0;
          for (const pause of pauses) {
            now += pause;
            const wait = buckets.take('a');
            if (wait === 0) granted++;
            else if (pause >= 60_000 / perMinute) throw new Error(`refused after ${pause} ms`);
            if (granted > burst + (now * perMinute) / 60_000 + 1e-6) throw new Error('too many');
          }
        },
      ),
    );
  });

  it('grants after the wait that it names', () => {
    let now = 0;
    const buckets = new TokenBuckets(7, 1, () => now);
    buckets.take('a');
    now += buckets.take('a') * 1000 + 1e-6;
    expect(buckets.take('a')).to.equal(0);
  });

  it('remembers a bounded number of clients, the latest ones', () => {
    const buckets = new TokenBuckets(1, 1, () => 0);
    for (let client = 0; client < 25_000; client++) buckets.take(String(client));
    expect(buckets.size).to.equal(10_000);
    expect(buckets.take('24999')).to.be.above(0);
    expect(buckets.take('0')).to.equal(0);
  });
});
