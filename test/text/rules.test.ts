import { expect } from 'chai';
import fc from 'fast-check';
import { EMOTIONS, type Scores } from '../../lib/emotion/labels';
import type { SentenceFeatures } from '../../lib/emotion/sample';
import { findCues } from '../../lib/text/cues';
import { applyRules, CANDIDATE_RULES, DEFAULT_RULES } from '../../lib/text/rules';
import { normaliseText } from '../../lib/text/normalise';
import { loadJieba, segment, type ChineseCutter } from '../../lib/text/segment';

let cutter: ChineseCutter;

function features(text: string): SentenceFeatures[] {
  const { text: clean, language } = normaliseText(text);
  const words = segment(clean, cutter);
  const cues = findCues(words, language);
  return [{ text, start: 0, end: text.length, language, words, stems: words, removed: [], cues }];
}

const even: Scores = Object.fromEntries(EMOTIONS.map((label) => [label, 1 / 7]));

describe('applyRules', () => {
  before(async () => {
    cutter = await loadJieba();
  });

  it('applies by default only what was measured to cost no model a point: degree words', () => {
    expect(DEFAULT_RULES).to.have.all.keys('degree');
    const scores = { happy: 0.7, sad: 0.3 };
    expect(applyRules(scores, features('not happy'))).to.deep.equal({ scores, rules: [] });
    const { scores: raised, rules } = applyRules(scores, features('very happy'));
    expect(rules).to.deep.equal(['degree']);
    expect(raised.happy).to.be.above(0.7);
  });

  const raised: [string, keyof typeof CANDIDATE_RULES, string, string][] = [
    ['not happy', 'negation', 'sad', 'happy'],
    ['我不高兴', 'negation', 'sad', 'happy'],
    ['not bad', 'negation', 'happy', 'sad'],
    ['我不害怕', 'negation', 'neutral', 'fear'],
    ['我不是不高兴', 'negation', 'happy', 'sad'],
    ['今天非常难过', 'degree', 'sad', 'happy'],
    ['有点难过', 'degree', 'happy', 'sad'],
    ['it was sad but lovely', 'contrast', 'happy', 'sad'],
    ['真行😭', 'emoji', 'sad', 'happy'],
    ['呵呵 太好了', 'irony', 'angry', 'happy'],
  ];
  for (const [text, rule, up, down] of raised) {
    it(`${rule} in ${JSON.stringify(text)} moves ${down} to ${up}`, () => {
      const { scores, rules } = applyRules(even, features(text), { [rule]: 1 });
      const of = scores as Record<string, number>;
      expect(rules).to.deep.equal([rule]);
      expect(of[up]).to.be.above(of[down]!);
    });
  }

  it('a question makes an emotion less sure', () => {
    const { scores, rules } = applyRules({ sad: 0.6, neutral: 0.4 }, features('are you sad?'), {
      question: 1,
    });
    expect(rules).to.deep.equal(['question']);
    expect(scores.sad).to.be.below(0.6);
  });

  it('each rule can be switched off', () => {
    const { rules } = applyRules(even, features('not happy but very sad 😭?'), {
      ...CANDIDATE_RULES,
      negation: 0,
      emoji: 0,
    });
    expect(rules).not.to.include.members(['negation']);
    expect(rules).not.to.include.members(['emoji']);
    expect(rules).to.include('contrast');
  });

  it('multiplies the odds by e to the weight: not happy, sad 0.4', () => {
    const { scores } = applyRules({ happy: 0.6, sad: 0.4 }, features('not happy'), { negation: 1 });
    // happy · e^-1 and sad · e^0.5, normalised.
    const [happy, sad] = [0.6 * Math.exp(-1), 0.4 * Math.exp(0.5)];
    expect(scores.happy).to.be.closeTo(happy / (happy + sad), 1e-12);
    expect(scores.sad).to.be.closeTo(sad / (happy + sad), 1e-12);
  });

  it('keeps probabilities probabilities and absent labels absent, for any text', () => {
    const word = fc.constantFrom(
      'not',
      'happy',
      '不',
      '开心',
      'but',
      '但是',
      '?',
      '😭',
      '很',
      'never',
      'sad',
      '呵呵',
      ',',
      '害怕',
    );
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 8 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
        (words, raw) => {
          const sum = raw.reduce((a, b) => a + b, 0);
          fc.pre(sum > 1e-6);
          const [happy, sad, neutral] = raw.map((value) => value / sum) as [number, number, number];
          const { scores } = applyRules(
            { happy, sad, neutral },
            features(words.join(' ')),
            CANDIDATE_RULES,
          );
          expect(Object.keys(scores)).to.have.members(['happy', 'sad', 'neutral']);
          const total = Object.values(scores).reduce((a, b) => a + b, 0);
          expect(total).to.be.closeTo(1, 1e-9);
        },
      ),
      { numRuns: 500 },
    );
  });
});
