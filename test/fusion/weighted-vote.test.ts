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

  it('asks only those who know a label about it', () => {
    // disgust: .9 of text alone; happy: (.1 + .5) / 2; sad: .5 of audio alone; sum 1.7
    const { scores } = weightedVote([
      resultOf('text', { happy: 0.1, disgust: 0.9 }),
      resultOf('audio', { happy: 0.5, sad: 0.5 }),
    ]);
    expect(scores.disgust).to.be.closeTo(0.9 / 1.7, 1e-12);
    expect(scores.happy).to.be.closeTo(0.3 / 1.7, 1e-12);
    expect(scores.sad).to.be.closeTo(0.5 / 1.7, 1e-12);
    expect(scores).not.to.have.property('neutral');
  });

  it('hears a modality of weight zero only when nothing else is there', () => {
    expect(weightedVote([text, audio], { text: 1, audio: 0 }).scores).to.deep.equal(text.scores);
    expect(weightedVote([audio], { audio: 0 }).scores).to.deep.equal(audio.scores);
    expect(weightedVote([text, audio], { text: 0, audio: 0 }).weights).to.deep.equal({
      text: 0.5,
      audio: 0.5,
    });
  });
});
