import { expect } from 'chai';
import fc from 'fast-check';
import { EMOTIONS, type Emotion, type Scores } from '../../lib/emotion/labels';
import type { SentenceFeatures } from '../../lib/emotion/sample';
import { findCues } from '../../lib/text/cues';
import type { RuleName } from '../../lib/emotion/sample';
import { applyRules, DEFAULT_RULES } from '../../lib/text/rules';
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

  it('applies by default what was measured to cost no model a point', () => {
    const applied = Object.entries(DEFAULT_RULES).filter(([, weight]) => weight > 0);
    expect(applied.map(([rule]) => rule)).to.have.members([
      'negation',
      'degree',
      'emoji',
      'question',
      'irony',
    ]);
    const { scores, rules } = applyRules({ happy: 0.7, sad: 0.3 }, features('very happy'));
    expect(rules).to.deep.equal(['degree']);
    expect(scores.happy).to.be.above(0.7);
  });

  /** The likeliest label, which the model took, and the one that the rule makes likelier. */
  const moved: [string, RuleName, Emotion, Emotion][] = [
    ['not happy', 'negation', 'happy', 'sad'],
    ['我不高兴', 'negation', 'happy', 'sad'],
    ['我一点都不觉得幸福', 'negation', 'happy', 'sad'],
    ['not bad', 'negation', 'sad', 'happy'],
    ['我不害怕', 'negation', 'fear', 'neutral'],
    ['打针不可怕，放心吧', 'negation', 'fear', 'neutral'],
    ['我不是不高兴', 'negation', 'sad', 'happy'],
    ['我不能不喜欢', 'negation', 'sad', 'happy'],
    ['没有一个人不高兴', 'negation', 'angry', 'happy'],
    ['nobody who hears it is not happy', 'negation', 'angry', 'happy'],
    ['有点难过', 'degree', 'sad', 'happy'],
    ['it was sad but lovely', 'contrast', 'sad', 'happy'],
    ['他又走了😡', 'emoji', 'neutral', 'angry'],
    ['sure, as always 😡', 'emoji', 'happy', 'angry'],
    ['呵呵 太好了', 'irony', 'happy', 'angry'],
    ['yeah right', 'irony', 'happy', 'angry'],
    ['又加班到凌晨，真贴心[滑稽]', 'irony', 'happy', 'angry'],
    ['oh great, the printer is broken again', 'irony', 'happy', 'angry'],
    ['why are you not happy?', 'question', 'sad', 'neutral'],
    ['请问几点开门？', 'question', 'surprise', 'neutral'],
  ];
  for (const [text, rule, from, to] of moved) {
    it(`${rule} in ${JSON.stringify(text)} moves ${from} to ${to}`, () => {
      const before: Scores = { ...even, [from]: 0.3 };
      const { scores, rules } = applyRules(before, features(text), { [rule]: 1 });
      expect(rules).to.deep.equal([rule]);
      expect(scores[to]! / scores[from]!).to.be.above(before[to]! / before[from]!);
    });
  }

  const understood: [string, RuleName, Emotion][] = [
    ['not happy', 'negation', 'sad'],
    ['not happy but glad it is over', 'negation', 'happy'],
    ['如果我不高兴', 'negation', 'happy'],
    ['谁不高兴', 'negation', 'happy'],
    ['恶不恶心', 'negation', 'disgust'],
    ['好久没有这么开心了', 'negation', 'happy'],
    ['no haha it works', 'negation', 'happy'],
    ['it was sad but lovely', 'contrast', 'happy'],
    ['太感动了😭', 'emoji', 'happy'],
    ['😡', 'emoji', 'angry'],
    ['太好了[滑稽]', 'irony', 'happy'],
    ['good for you', 'irony', 'happy'],
    ['yeah right', 'irony', 'sad'],
    ['why am I so sad?', 'question', 'sad'],
    ['What?', 'question', 'surprise'],
    [`not happy ${'and so it went on and on '.repeat(5)}`, 'negation', 'happy'],
  ];
  for (const [text, rule, top] of understood) {
    it(`${rule} in ${JSON.stringify(text.slice(0, 40))} leaves ${top} alone`, () => {
      const before: Scores = { ...even, [top]: 0.3 };
      const { scores, rules } = applyRules(before, features(text), { [rule]: 1 });
      expect(rules).to.deep.equal([]);
      expect(scores).to.equal(before);
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
    const before: Scores = { ...even, happy: 0.3 };
    const text = features('not happy');
    expect(applyRules(before, text).rules).to.deep.equal(['negation']);
    expect(applyRules(before, text, { ...DEFAULT_RULES, negation: 0 }).rules).to.deep.equal([]);
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
            DEFAULT_RULES,
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
