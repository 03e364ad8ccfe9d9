import { expect } from 'chai';
import type { Overlap } from '../../lib/fusion/align-by-time';
import type { Result } from '../../lib/emotion/result';
import { poolInTime } from '../../lib/fusion/pool-in-time';
import { emptyResult, resultOf } from './results';

const during = (value: Result, startMs: number, endMs: number): Overlap<Result> => ({
  value,
  startMs,
  endMs,
  overlapMs: endMs - startMs,
});

describe('pooling the windows of one modality', () => {
  it('averages the scores with the overlaps as weights and keeps each window', () => {
    const pooled = poolInTime([
      during(resultOf('audio', { happy: 1, sad: 0 }, { latencyMs: 9 }), 0, 750),
      during(resultOf('audio', { happy: 0.2, sad: 0.8 }, { cached: true }), 750, 1000),
    ]);
    expect(pooled.label).to.equal('happy');
    expect(pooled.score).to.be.closeTo(0.8, 1e-12);
    expect(pooled.scores.sad).to.be.closeTo(0.2, 1e-12);
    expect(pooled.cached).to.equal(false);
    expect(pooled.latencyMs).to.equal(9);
    expect(
      pooled.segments?.map(({ start, end, label, weight }) => [start, end, label, weight]),
    ).to.deep.equal([
      [0, 0.75, 'happy', 0.75],
      [0.75, 1, 'sad', 0.25],
    ]);
  });

  it('gives a single window as it is', () => {
    const only = resultOf('video', { fear: 1 });
    expect(poolInTime([during(only, 0, 10)])).to.equal(only);
  });

  it('leaves silence out, unless there is nothing else', () => {
    const voice = resultOf('audio', { happy: 0.6, sad: 0.4 });
    const silence = emptyResult('audio', 'silence');
    const pooled = poolInTime([during(silence, 0, 900), during(voice, 900, 1000)]);
    expect(pooled.label).to.equal('happy');
    expect(pooled.score).to.be.closeTo(0.6, 1e-12);
    expect(pooled).not.to.have.property('reason');
    expect(pooled.segments?.map(({ weight }) => weight)).to.deep.equal([0, 1]);
    expect(poolInTime([during(silence, 0, 500), during(silence, 500, 1000)])).to.equal(silence);
  });

  it('refuses nothing at all', () => {
    expect(() => poolInTime([])).to.throw(RangeError);
  });
});
