import { expect } from 'chai';
import { productOfExperts } from '../../lib/fusion/product-of-experts';
import { resultOf } from './results';

describe('product of experts', () => {
  const text = resultOf('text', { neutral: 0.5, happy: 0.3, sad: 0.2 });
  const audio = resultOf('audio', { neutral: 0.2, happy: 0.7, sad: 0.1 });

  it('multiplies the distributions and scales them to sum 1', () => {
    // .10 : .21 : .02
    const { scores } = productOfExperts([text, audio]);
    expect(scores.neutral).to.be.closeTo(10 / 33, 1e-12);
    expect(scores.happy).to.be.closeTo(21 / 33, 1e-12);
    expect(scores.sad).to.be.closeTo(2 / 33, 1e-12);
  });

  it('takes the weights as exponents, 1 for the one that counts most', () => {
    // NumPy: t · a^(1/3), scaled to sum 1
    const { weights, scores } = productOfExperts([text, audio], {
      weights: { text: 3, audio: 1 },
    });
    expect(weights).to.deep.equal({ text: 0.75, audio: 0.25 });
    expect(scores.neutral).to.be.closeTo(0.44874100958475377, 1e-12);
    expect(scores.happy).to.be.closeTo(0.4087926002800242, 1e-12);
    expect(scores.sad).to.be.closeTo(0.142466390135222, 1e-12);
  });

  it('leaves a single expert as it is, whatever the prior', () => {
    const { scores } = productOfExperts([text], { prior: { neutral: 0.8, happy: 0.1, sad: 0.1 } });
    expect(scores.neutral).to.be.closeTo(0.5, 1e-12);
    expect(scores.sad).to.be.closeTo(0.2, 1e-12);
  });

  it('counts the prior once, not once an expert', () => {
    // P ∝ t · a / prior
    const prior = { neutral: 0.5, happy: 0.25, sad: 0.25 };
    const { scores } = productOfExperts([text, audio], { prior });
    const raw = [0.1 / 0.5, 0.21 / 0.25, 0.02 / 0.25];
    expect(scores.happy).to.be.closeTo(0.84 / raw.reduce((a, b) => a + b), 1e-12);
  });

  it('takes no evidence from an expert about a label that it cannot give', () => {
    // audio knows neither: uniform over what it knows is no evidence at all
    const { scores } = productOfExperts([text, resultOf('audio', { neutral: 0.5, happy: 0.5 })]);
    expect(scores.neutral).to.be.closeTo(0.5, 1e-12);
    expect(scores.happy).to.be.closeTo(0.3, 1e-12);
    expect(scores.sad).to.be.closeTo(0.2, 1e-12);
  });

  it('takes nothing from an expert of weight zero, not even its labels', () => {
    const { scores } = productOfExperts([text, resultOf('audio', { happy: 0.1, disgust: 0.9 })], {
      weights: { audio: 0 },
    });
    expect(scores.happy).to.be.closeTo(0.3, 1e-12);
    expect(scores).not.to.have.property('disgust');
  });

  it('lets no expert veto a label by saying zero', () => {
    const { scores } = productOfExperts([
      resultOf('text', { happy: 1, sad: 0 }),
      resultOf('audio', { happy: 0, sad: 1 }),
    ]);
    expect(scores.happy).to.be.closeTo(0.5, 1e-12);
    expect(scores.sad).to.be.closeTo(0.5, 1e-12);
  });
});
