import { expect } from 'chai';
import { agreement, dissenting, jensenShannonDivergence } from '../../lib/fusion/agreement';
import { weightedVote } from '../../lib/fusion/weighted-vote';
import { resultOf } from './results';

describe('agreement', () => {
  it('computes the Jensen–Shannon divergence that SciPy computes', () => {
    const a = [0.7, 0.2, 0.1];
    const b = [0.1, 0.3, 0.6];
    const c = [0.25, 0.25, 0.5];
    // scipy.spatial.distance.jensenshannon(a, b) ** 2
    expect(jensenShannonDivergence([a, b])).to.be.closeTo(0.2306454879041134, 1e-12);
    // scipy.stats.entropy of the mean less the mean of the entropies
    expect(jensenShannonDivergence([a, b, c])).to.be.closeTo(0.16736594385749348, 1e-12);
  });

  it('is 1 for equal distributions and for a single modality', () => {
    const scores = { happy: 0.7, sad: 0.3 };
    const twins = [resultOf('text', scores), resultOf('audio', scores)];
    expect(agreement(twins, scores)).to.be.closeTo(1, 1e-12);
    expect(agreement(twins.slice(0, 1), scores)).to.equal(1);
  });

  it('is 0 for distributions that share no label', () => {
    const two = [
      resultOf('text', { happy: 1, sad: 0, fear: 0 }),
      resultOf('audio', { happy: 0, sad: 1, fear: 0 }),
    ];
    expect(agreement(two, weightedVote(two).scores)).to.be.closeTo(0, 1e-12);
    const three = [...two, resultOf('video', { happy: 0, sad: 0, fear: 1 })];
    expect(agreement(three, weightedVote(three).scores)).to.be.closeTo(0, 1e-12);
  });

  it('is between for a mild conflict, and does not depend on the order', () => {
    const present = [
      resultOf('text', { neutral: 0.7, happy: 0.2, sad: 0.1 }),
      resultOf('audio', { neutral: 0.1, happy: 0.3, sad: 0.6 }),
    ];
    const fused = weightedVote(present).scores;
    const expected = 1 - 0.2306454879041134 / Math.LN2;
    expect(agreement(present, fused)).to.be.closeTo(expected, 1e-12);
    expect(agreement([...present].reverse(), fused)).to.be.closeTo(expected, 1e-12);
  });

  it('holds nothing against a model that cannot say the label', () => {
    const text = resultOf('text', { happy: 0.3, sad: 0.1, disgust: 0.6 });
    const audio = resultOf('audio', { happy: 0.75, sad: 0.25 });
    const fused = { happy: 0.3, sad: 0.1, disgust: 0.6 };
    expect(agreement([text, audio], fused)).to.be.closeTo(1, 1e-12);
    expect(dissenting([text, audio], fused)).to.deep.equal([]);
  });

  it('names the modality that says something else', () => {
    const present = [
      resultOf('text', { happy: 0.8, sad: 0.2 }),
      resultOf('audio', { happy: 0.7, sad: 0.3 }),
      resultOf('video', { happy: 0.1, sad: 0.9 }),
    ];
    expect(dissenting(present, weightedVote(present).scores)).to.deep.equal(['video']);
    expect(dissenting(present.slice(2), { happy: 0.1, sad: 0.9 })).to.deep.equal([]);
  });

  it('names a modality that cannot say the label but believes in unlikely ones', () => {
    const text = resultOf('text', { happy: 0.1, angry: 0, disgust: 0.9 });
    const audio = resultOf('audio', { happy: 0, angry: 1 });
    expect(dissenting([text, audio], { happy: 0.1, angry: 0.02, disgust: 0.88 })).to.deep.equal([
      'audio',
    ]);
  });
});
