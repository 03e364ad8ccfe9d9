import { expect } from 'chai';
import { weightedVote } from '../../lib/fusion/weighted-vote';
import { resultOf } from './results';

describe('weighted vote', () => {
  const text = resultOf('text', { happy: 0.8, sad: 0.2 });
  const audio = resultOf('audio', { happy: 0.4, sad: 0.6 });

  it('averages the distributions with the weights', () => {
    const { weights, scores } = weightedVote([text, audio], { text: 3, audio: 1, video: 5 });
    expect(weights).to.deep.equal({ text: 0.75, audio: 0.25 });
    expect(scores.happy).to.be.closeTo(0.7, 1e-12);
    expect(scores.sad).to.be.closeTo(0.3, 1e-12);
  });

  it('counts every modality the same where no weights are given', () => {
    expect(weightedVote([text, audio]).scores.happy).to.be.closeTo(0.6, 1e-12);
  });

  it('leaves a single modality as it is', () => {
    expect(weightedVote([audio], { text: 1 })).to.deep.equal({
      weights: { audio: 1 },
      scores: { happy: 0.4, sad: 0.6 },
    });
  });

  it('lets nobody vote against a label that it cannot give', () => {
    // vote: happy .3, sad .25, disgust .45; text completed: .075, .25, .675; audio: .275, .275, .45
    const { scores } = weightedVote([
      resultOf('text', { happy: 0.1, disgust: 0.9 }),
      resultOf('audio', { happy: 0.5, sad: 0.5 }),
    ]);
    expect(scores.happy).to.be.closeTo(0.175, 1e-12);
    expect(scores.sad).to.be.closeTo(0.2625, 1e-12);
    expect(scores.disgust).to.be.closeTo(0.5625, 1e-12);
    expect(scores).not.to.have.property('neutral');
  });

  it('keeps a label light that only a light modality knows', () => {
    const { scores } = weightedVote(
      [resultOf('text', { happy: 0.9, sad: 0.1 }), resultOf('audio', { happy: 0.1, disgust: 0.9 })],
      { text: 99, audio: 1 },
    );
    expect(scores.disgust).to.be.below(0.02);
    expect(scores.happy).to.be.above(0.87);
  });

  it('hears a modality of weight zero only when nothing else is there', () => {
    expect(weightedVote([text, audio], { text: 1, audio: 0 }).scores).to.deep.equal(text.scores);
    const alone = resultOf('audio', { happy: 0.1, disgust: 0.9 });
    expect(weightedVote([text, alone], { audio: 0 }).scores).to.deep.equal(text.scores);
    expect(weightedVote([audio], { audio: 0 }).scores).to.deep.equal(audio.scores);
    expect(weightedVote([text, audio], { text: 0, audio: 0 }).weights).to.deep.equal({
      text: 0.5,
      audio: 0.5,
    });
  });
});
