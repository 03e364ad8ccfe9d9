import { expect } from 'chai';
import { EMOTIONS, type Locale } from '../../../lib/emotion/labels';
import type { RuleCue, SentenceFeatures } from '../../../lib/emotion/sample';
import { emotionInside } from '../../../lib/text/cues';
import { TextPreparer } from '../../../lib/text/prepare';
import { TEXT_FIXTURE, textManifest } from '../fixture';
import {
  loadChallenges,
  passes,
  PHENOMENA,
  type Challenge,
  type Phenomenon,
} from './challenge-set';

/** The rule whose cue every sentence of a phenomenon must give. */
const CUES: Partial<Record<Phenomenon, RuleCue['rule']>> = {
  negated: 'negation',
  degree: 'degree',
  contrast: 'contrast',
  question: 'question',
  irony: 'irony',
  emoji: 'emoji',
  bracket: 'emoji',
};

/**
 * What the rules do not see: words that segmentation glues together, signs that the table lacks, and
 * pairs of negations with more words between them than a negation reaches. A sentence that they learn
 * to see leaves this list.
 */
const NOT_SEEN: Partial<Record<Phenomenon, readonly string[]>> = {
  'doubly-negated': [
    '这样的表演不会不让人感动',
    '这样的服务态度，不可能不让人生气',
    'Nobody who hears this song is not happy',
    'There was never a day when she did not make me smile',
    'Not one of us was not furious about the cover-up',
    'Never have I not been afraid of that cellar',
    'You cannot watch that ending and not cry',
    'No one here is not grateful for your help',
    'There is no way he was not sad that night',
    'I do not know anyone who does not find this disgusting',
    'Nobody in the room was not shocked by the result',
  ],
  degree: ['我非常高兴能加入这个团队', '他这副嘴脸，我讨厌透了'],
  irony: [
    '排队三个小时就为了听一句下班了，真行啊，佩服佩服',
    '地铁里公放音乐还理直气壮，真有你的',
    '借钱的时候叫哥，还钱的时候玩消失，真会玩',
  ],
  bracket: [
    '这条路晚上没有灯[吓]',
    'We won the derby \\o/',
    'Everything is on fire and nobody answers D:',
  ],
};

describe('challenge set', () => {
  const challenges = loadChallenges();
  const of = (phenomenon: Phenomenon) =>
    challenges.filter((challenge) => challenge.phenomenon === phenomenon);

  it('has 240 sentences or more, half in each language, ten or more a phenomenon in each', () => {
    expect(challenges.length).to.be.at.least(240);
    for (const language of ['zh', 'en'] as Locale[]) {
      const own = challenges.filter((challenge) => challenge.language === language);
      expect(own.length / challenges.length, language).to.be.within(0.45, 0.55);
      for (const phenomenon of PHENOMENA) {
        const count = own.filter((challenge) => challenge.phenomenon === phenomenon).length;
        expect(count, `${language} ${phenomenon}`).to.be.at.least(10);
      }
    }
  });

  it('has every sentence once', () => {
    const plain = challenges.map(({ text }) =>
      text.normalize('NFKC').toLowerCase().replace(/\s/g, ''),
    );
    expect(new Set(plain).size).to.equal(plain.length);
    for (const { text } of challenges) expect(text).not.to.match(/\{…\}|^\s|\s$|^$/);
  });

  it('says of every sentence what is right, and nothing both right and wrong', () => {
    for (const { text, right, wrong } of challenges) {
      expect(right.length, text).to.be.within(1, 5);
      expect(
        right.filter((label) => wrong.includes(label)),
        text,
      ).to.deep.equal([]);
      expect(new Set([...right, ...wrong]).size, text).to.equal(right.length + wrong.length);
    }
  });

  it('has every label as the only right one, in both languages', () => {
    for (const language of ['zh', 'en'] as Locale[]) {
      for (const label of EMOTIONS) {
        const sure = challenges.filter(
          ({ language: own, right }) => own === language && right.join() === label,
        );
        expect(sure.length, `${language} ${label}`).to.be.at.least(1);
      }
    }
  });

  it('cannot be passed by one answer to everything', () => {
    for (const label of [...EMOTIONS, null]) {
      const share = challenges.filter((one) => passes(one, label)).length / challenges.length;
      expect(share, String(label)).to.be.below(0.5);
    }
  });

  it('holds mixed sentences that are written in both languages', () => {
    for (const { text } of of('mixed')) {
      expect(text).to.match(/\p{Script=Han}/u);
      expect(text).to.match(/[a-zA-Z]{2}/);
    }
  });

  describe('and the rules', () => {
    let features: Map<Challenge, readonly SentenceFeatures[]>;

    before(async () => {
      const preparer = await TextPreparer.load(textManifest({ maxTokens: 128 }), TEXT_FIXTURE);
      const options = { language: 'auto', stopWords: 'none', split: 'text' } as const;
      features = new Map(
        challenges.map((one) => {
          const [sample] = preparer.prepare([one.text], options);
          return [one, sample!.features!.sentences];
        }),
      );
    });
    const cues = (challenge: Challenge): RuleCue[] =>
      features.get(challenge)!.flatMap((sentence) => [...sentence.cues]);

    for (const [phenomenon, rule] of Object.entries(CUES) as [Phenomenon, RuleCue['rule']][]) {
      it(`find ${phenomenon} by ${rule} cues, but for what they do not see`, () => {
        const missed = of(phenomenon).filter((one) => !cues(one).some((cue) => cue.rule === rule));
        const texts = missed.map(({ text }) => text);
        expect(texts).to.have.members([...(NOT_SEEN[phenomenon] ?? [])]);
      });
    }

    it('find neither irony nor contrast in plain sentences', () => {
      const found = of('plain').flatMap((one) =>
        cues(one).filter(({ rule }) => rule === 'irony' || rule === 'contrast'),
      );
      expect(found.map(({ cue }) => cue)).to.deep.equal([]);
    });

    it('take an emotion that is negated twice as it stands, but for what they do not see', () => {
      const turned = of('doubly-negated').filter((one) =>
        features
          .get(one)!
          .some(({ words, cues: found, language }) =>
            words.some(
              (word, at) =>
                emotionInside(word, language) !== undefined &&
                found.filter(({ rule, scope }) => rule === 'negation' && scope.includes(at))
                  .length %
                  2 ===
                  1,
            ),
          ),
      );
      const texts = turned.map(({ text }) => text);
      expect(texts).to.have.members([...(NOT_SEEN['doubly-negated'] ?? [])]);
    });
  });
});
