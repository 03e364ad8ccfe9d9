import { expect } from 'chai';
import { logOddsWeight, reliabilityWeights } from '../../lib/fusion/reliability';

describe('reliability weights', () => {
  it('are the log-odds against chance', () => {
    expect(logOddsWeight(0.75, 2)).to.be.closeTo(Math.log(3), 1e-12);
    expect(logOddsWeight(1 / 7, 7)).to.be.closeTo(0, 1e-12);
    expect(logOddsWeight(0.5, 7)).to.be.closeTo(Math.log(6), 1e-12);
  });

  it('are never negative and always finite', () => {
    expect(logOddsWeight(0.01, 7)).to.equal(0);
    expect(Number.isFinite(logOddsWeight(1, 7))).to.equal(true);
    expect(logOddsWeight(0, 7)).to.equal(0);
  });

  it('prefer a macro average to the accuracy and a headline to the rest', () => {
    const weights = reliabilityWeights({
      text: {
        classes: 2,
        metrics: [
          { name: 'accuracy', value: 0.99 },
          { name: 'macro-f1', value: 0.75 },
        ],
      },
      audio: {
        classes: 2,
        metrics: [
          { name: 'macro-f1', value: 0.99 },
          { name: 'uar', value: 0.75, headline: true },
        ],
      },
    });
    expect(weights.text).to.be.closeTo(0.5, 1e-12);
    expect(weights.audio).to.be.closeTo(0.5, 1e-12);
  });

  it('lower the hit rate by the calibration error', () => {
    const bold = {
      classes: 2,
      metrics: [
        { name: 'uar', value: 0.85 },
        { name: 'ece', value: 0.1 },
      ],
    };
    const honest = { classes: 2, metrics: [{ name: 'uar', value: 0.75 }] };
    const weights = reliabilityWeights({ audio: bold, video: honest });
    expect(weights.audio).to.be.closeTo(0.5, 1e-12);
  });

  it('give a model that was not measured the mean of the others', () => {
    const weights = reliabilityWeights({
      text: { classes: 2, metrics: [{ name: 'uar', value: 0.9 }] },
      audio: { classes: 2, metrics: [{ name: 'uar', value: 0.6 }] },
      video: { classes: 2, metrics: [] },
    });
    expect(weights.video).to.be.closeTo(1 / 3, 1e-12);
    expect(weights.text).to.be.above(weights.audio ?? 1);
  });

  it('are equal where nobody was measured or all only guess', () => {
    const unknown = { classes: 7, metrics: [] };
    const guess = { classes: 2, metrics: [{ name: 'uar', value: 0.5 }] };
    expect(reliabilityWeights({ text: unknown, video: unknown })).to.deep.equal({
      text: 0.5,
      video: 0.5,
    });
    expect(reliabilityWeights({ text: guess, video: guess })).to.deep.equal({
      text: 0.5,
      video: 0.5,
    });
  });
});
