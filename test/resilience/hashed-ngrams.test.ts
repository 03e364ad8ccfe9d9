import { expect } from 'chai';
import fc from 'fast-check';
import {
  HashedNgrams,
  MOST_CODE_POINTS,
  normaliseForNgrams,
} from '../../lib/resilience/hashed-ngrams';
import { anyText } from './any-text';
import { TEXTS } from './sklearn-reference';

const vectoriser = new HashedNgrams([
  { analyzer: 'char', range: [1, 3], features: 512 },
  { analyzer: 'word', range: [1, 2], features: 256 },
]);

const entries = (text: string): [number, number][] => {
  const { indices, values } = vectoriser.transform(text);
  return [...indices]
    .map((index, i): [number, number] => [index, values[i] ?? NaN])
    .sort(([a], [b]) => a - b);
};

describe('hashed n-grams', () => {
  for (const { text, count, first } of TEXTS) {
    it(`are those of scikit-learn for ${JSON.stringify(text.slice(0, 30))}`, () => {
      const ours = entries(text);
      expect(ours).to.have.length(count);
      first.forEach(([index, value], i) => {
        expect(ours[i]?.[0]).to.equal(index);
        expect(ours[i]?.[1]).to.be.closeTo(value ?? NaN, 1e-12);
      });
    });
  }

  it('are the same for a text after any other text', () => {
    const before = entries('不开心');
    vectoriser.transform('something else entirely 完全不同');
    expect(entries('不开心')).to.deep.equal(before);
  });

  it('have length 1, and none for a text without content', () => {
    fc.assert(
      fc.property(anyText(100), (text) => {
        const { indices, values } = vectoriser.transform(text);
        expect(new Set(indices).size).to.equal(indices.length);
        const length = Math.hypot(...values);
        if (normaliseForNgrams(text) === '') expect(indices.length).to.equal(0);
        else expect(length).to.be.closeTo(1, 1e-9);
      }),
    );
  });

  it('count at most 65,535 times, the most that a counter holds', () => {
    const all = new HashedNgrams([{ analyzer: 'char', range: [1, 8], features: 1 }]);
    const text = 'ab'.repeat(MOST_CODE_POINTS);
    expect([...all.transform(text).values]).to.deep.equal([1]);
    expect(8 * MOST_CODE_POINTS).to.be.below(65_535);
  });

  it('refuse settings that make no sense', () => {
    for (const block of [
      { analyzer: 'char', range: [0, 2], features: 8 },
      { analyzer: 'char', range: [3, 2], features: 8 },
      { analyzer: 'char', range: [1, 9], features: 8 },
      { analyzer: 'word', range: [1, 1.5], features: 8 },
      { analyzer: 'word', range: [1, 1], features: 0 },
    ] as const) {
      expect(() => new HashedNgrams([block])).to.throw(RangeError);
    }
  });
});

describe('text for n-grams', () => {
  it('is folded, lowered and freed of addresses, long runs and blanks', () => {
    expect(normaliseForNgrams('  ＧＯＯＯＯＯＤ day!!!!!  https://a.b/c')).to.equal('goood day!!!');
    expect(normaliseForNgrams('l’été\u3000\t很\ufeff好')).to.equal("l'été 很 好");
    expect(normaliseForNgrams('a\ud800b')).to.equal('a\ufffdb');
  });

  it('ends after 2,000 code points, not in the middle of one', () => {
    expect([...normaliseForNgrams('😀😁'.repeat(5000))]).to.have.length(MOST_CODE_POINTS);
    // U+FDFA becomes eighteen characters.
    expect([...normaliseForNgrams('\ufdfa'.repeat(5000))].length).to.be.at.most(MOST_CODE_POINTS);
  });
});
