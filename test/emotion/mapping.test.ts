import { expect } from 'chai';
import { emotionOf, mapScores } from '../../lib/emotion/mapping';

describe('mapScores', () => {
  it('sums labels that share an emotion and leaves out what maps onto none', () => {
    const scores = mapScores(['joy', 'love', 'anger', 'other'], [0.3, 0.1, 0.1, 0.5], {
      joy: 'happy',
      love: 'happy',
      anger: 'angry',
      other: null,
    });
    expect(scores.happy).to.be.closeTo(0.8, 1e-12);
    expect(scores.angry).to.be.closeTo(0.2, 1e-12);
    expect(scores).to.have.all.keys('happy', 'angry');
  });

  it('needs no entry for a label that is one of the seven', () => {
    expect(mapScores(['sad', 'happy'], [0.25, 0.75], {})).to.deep.equal({ sad: 0.25, happy: 0.75 });
    expect(emotionOf('sad', { sad: 'fear' })).to.equal('fear');
  });

  it('calls the rest equally likely when all probability lies on labels left out', () => {
    expect(mapScores(['happy', 'sad', 'other'], [0, 0, 1], { other: null })).to.deep.equal({
      happy: 0.5,
      sad: 0.5,
    });
  });

  it('refuses lengths that differ and labels without a meaning', () => {
    expect(() => mapScores(['happy'], [0.5, 0.5], {})).to.throw(RangeError, '1 labels but 2');
    expect(() => mapScores(['bliss'], [1], {})).to.throw(RangeError, '"bliss"');
    expect(() => mapScores(['toString'], [1], {})).to.throw(RangeError, '"toString"');
  });
});
