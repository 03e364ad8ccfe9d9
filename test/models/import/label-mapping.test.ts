import { expect } from 'chai';
import { EMOTIONS, EMOTION_NAMES } from '../../../lib/emotion/labels';
import { isSentiment, mappingOf, proposeMapping } from '../../../lib/models/import/label-mapping';

const emotions = (...labels: string[]) => proposeMapping(labels).map(({ emotion }) => emotion);

/** The groups of the GoEmotions paper, section 5.3. */
const EKMAN = {
  angry: 'anger annoyance disapproval',
  disgust: 'disgust',
  fear: 'fear nervousness',
  happy:
    'joy amusement approval excitement gratitude love optimism relief pride admiration desire caring',
  sad: 'sadness disappointment embarrassment grief remorse',
  surprise: 'surprise realization confusion curiosity',
  neutral: 'neutral',
};

describe('proposeMapping', () => {
  it('groups the 28 labels of GoEmotions as its authors do', () => {
    let labels = 0;
    for (const [emotion, fine] of Object.entries(EKMAN)) {
      for (const label of fine.split(' ')) {
        expect(emotions(label), label).to.deep.equal([emotion]);
        labels += 1;
      }
    }
    expect(labels).to.equal(28);
  });

  it('knows the names of the suite in both languages', () => {
    for (const emotion of EMOTIONS) {
      expect(emotions(emotion, EMOTION_NAMES.zh[emotion])).to.deep.equal([emotion, emotion]);
    }
  });

  it('does not mind case, numbers, dashes and emoji', () => {
    expect(emotions('Joy', '0_anger', 'sadness 😢', '2-Fear', 'NO_EMOTION')).to.deep.equal([
      'happy',
      'angry',
      'sad',
      'fear',
      'neutral',
    ]);
  });

  it('leaves out what stands for the rest and guesses nothing', () => {
    expect(emotions('other', '其他', 'LABEL_0', 'happy-ish', '')).to.deep.equal([
      null,
      null,
      undefined,
      undefined,
      undefined,
    ]);
    expect(mappingOf(proposeMapping(['joy', 'LABEL_0']))).to.equal(undefined);
    expect(mappingOf(proposeMapping(['happy', 'anger', 'other']))).to.deep.equal({
      anger: 'angry',
      other: null,
    });
  });
});

describe('isSentiment', () => {
  it('tells good and bad from emotions', () => {
    expect(isSentiment(['negative', 'neutral', 'positive'])).to.equal(true);
    expect(isSentiment(['1 star', '2 stars', '3 stars', '4 stars', '5 stars'])).to.equal(true);
    expect(isSentiment(['正面', '负面'])).to.equal(true);
    expect(isSentiment(['neutral', 'joy'])).to.equal(false);
  });
});
