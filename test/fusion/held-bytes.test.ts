import { createServer } from 'node:net';
import { expect } from 'chai';
import { heldBytes } from '../../lib/fusion/held-bytes';
import { resultOf } from './results';

describe('heldBytes', () => {
  const megabytes = (value: unknown) => heldBytes(value) / 1e6;

  it('counts texts, buffers and typed arrays wherever they are', () => {
    const text = 'x'.repeat(1_000_000);
    expect(megabytes({ source: { text } })).to.be.closeTo(2, 0.001);
    expect(megabytes({ a: [{ b: { c: Buffer.alloc(3e6) } }] })).to.be.closeTo(3, 0.001);
    expect(megabytes({ tensors: { x: { data: new Float32Array(1e6) } } })).to.be.closeTo(4, 0.001);
  });

  it('counts what is shared once, and may go in circles', () => {
    const shared = Buffer.alloc(1e6);
    const circle: Record<string, unknown> = { shared, again: [shared, { shared }] };
    circle['self'] = circle;
    expect(megabytes(circle)).to.be.closeTo(1, 0.001);
    expect(heldBytes(shared, circle) / 1e6).to.be.closeTo(1, 0.001);
  });

  it('counts what is deep, and each of many small things', () => {
    const list = Array.from({ length: 10_000 }, () => ({ text: 'x'.repeat(40) }));
    expect(megabytes(list)).to.be.closeTo(10_000 * 176e-6, 0.001);
    expect(megabytes(Object.fromEntries(list.entries()))).to.be.closeTo(10_000 * 176e-6, 0.001);
    let deep: unknown = 'x'.repeat(1_000_000);
    for (let level = 0; level < 10_000; level += 1) deep = [deep];
    expect(megabytes(deep)).to.be.closeTo(2.8, 0.001);
  });

  it('does not look into what belongs to somebody else, and takes anything', () => {
    const server = createServer();
    expect(heldBytes({ req: server })).to.equal(heldBytes({ req: null }));
    for (const odd of [undefined, null, 7, NaN, true, Symbol('s'), 7n, () => 7, new Date()]) {
      expect(heldBytes(odd)).to.equal(0);
    }
    expect(heldBytes(Object.create(null))).to.equal(64);
  });

  it('is a few kilobytes for a Result', () => {
    const result = resultOf('text', { happy: 0.7, sad: 0.3 });
    expect(heldBytes(result)).to.be.within(200, 3_000);
  });
});
