import type { Emotion, Locale, Scores } from '../emotion/labels';
import { EMOTIONS, topLabel } from '../emotion/labels';
import type { RuleCue, RuleName, SentenceFeatures } from '../emotion/sample';
import {
  asksYou,
  emotionInside,
  isAdverseWord,
  isHypothetical,
  isLightWord,
  isPlainQuestion,
} from './cues';
import { meaningOfToken } from './emoji';

/** How strongly each rule speaks; 0 or absent switches it off. 1 is a factor e on odds. */
export type RuleWeights = Readonly<Partial<Record<RuleName, number>>>;

/**
 * The rules that a node applies. Conditions and weights were chosen by the challenge set and held to
 * the development sets (SMP2020 usual and virus, OCEMOTION, EmotionTalk, GoEmotions Ekman with one
 * label, MELD): all together they move the macro-F1 of no model there by less than −.001 or more than
 * +.003. They are for short, clear sentences, which these sets hold few of. Contrast is off: on
 * GoEmotions' test set it spoilt five labels for each that it put right. A model whose sets a rule lowers
 * switches it off in its `model.yaml` (`rules`).
 */
export const DEFAULT_RULES: Readonly<Record<RuleName, number>> = {
  negation: 4,
  degree: 0.5,
  contrast: 0,
  emoji: 3,
  question: 1.5,
  irony: 4,
};

export interface RuledScores {
  readonly scores: Scores;
  /** The rules that changed the scores, in alphabetical order. */
  readonly rules: readonly RuleName[];
}

/** Where an emotion goes when it is denied, by polarity: not happy is sad or angry, not sad is fine. */
const DENIED: Readonly<Record<Emotion, Scores>> = {
  neutral: {},
  happy: { sad: 0.5, angry: 0.3, neutral: 0.2, disgust: 0.2 },
  sad: { neutral: 0.6, happy: 0.4 },
  angry: { neutral: 0.7, happy: 0.3 },
  fear: { neutral: 0.6, happy: 0.4 },
  disgust: { neutral: 0.6, happy: 0.4 },
  surprise: { neutral: 1 },
};

type Nudges = Record<Emotion, number>;

/**
 * Scores nudged by what the words around an emotion do to it, where the model has not seen it
 * itself. Each rule looks at the label that the model found likeliest and acts only where that label
 * is the one that the construction speaks against (for the emotion under a negation, say), so a model
 * that has understood is left alone. The log of a label's probability is then raised or lowered by the
 * rule's weight and all are normalised again: labels that the model cannot give stay absent, the sum
 * stays 1, and without a matching cue the very same numbers come back.
 *
 * - negation: an emotion word under an odd number of negations, its label likeliest and nowhere else in
 *   the text: towards what denial means (not happy → sad, not bad → fine). Under an even number, another
 *   label likeliest: towards the word's.
 * - degree: 有点 lowers the likeliest label when it is that of the word it stands with, 很 raises it.
 * - contrast: the likeliest label is that of words outside the part after `but`, none of which is in
 *   it: towards those in it.
 * - emoji: a sign with a clear emotion, the likeliest label neutral or of the other polarity.
 * - question: `are you sad?` asks for a feeling, 几点开门？ for a fact: towards neutral.
 * - irony: happy or surprise likeliest: towards anger and disgust.
 *
 * @param scores probabilities of one text, sum 1
 * @param sentences words and cues of that text
 *
 * @example applyRules({ happy: 0.6, sad: 0.4 }, [iAmNotHappy], { negation: 1 });
 * // → { scores: { happy: 0.25, sad: 0.75 }, rules: ['negation'] }
 */
export function applyRules(
  scores: Scores,
  sentences: readonly SentenceFeatures[],
  weights: RuleWeights = DEFAULT_RULES,
): RuledScores {
  const top = topLabel(scores)?.label;
  if (top === undefined) return { scores, rules: [] };
  const total = noNudges();
  const rules: RuleName[] = [];
  if (sentences.every(({ cues }) => cues.length === 0)) return { scores, rules };
  for (const rule of RULE_NAMES) {
    const weight = weights[rule] ?? 0;
    if (weight === 0) continue;
    let nudges: Nudges | undefined;
    for (const sentence of sentences) {
      const cues = sentence.cues.filter((cue) => cue.rule === rule);
      if (cues.length === 0) continue;
      nudges ??= noNudges();
      RULES[rule](nudges, cues, { sentence, sentences, scores, top });
    }
    if (nudges === undefined) continue;
    const share = weight / Math.max(1, sentences.length);
    let changed = false;
    for (const label of EMOTIONS) {
      if (nudges[label] === 0 || !scores[label]) continue;
      total[label] += nudges[label] * share;
      changed = true;
    }
    if (changed) rules.push(rule);
  }
  return rules.length === 0 ? { scores, rules } : { scores: nudged(scores, total), rules };
}

function noNudges(): Nudges {
  return { neutral: 0, happy: 0, sad: 0, angry: 0, fear: 0, disgust: 0, surprise: 0 };
}

function nudged(scores: Scores, nudges: Nudges): Scores {
  let sum = 0;
  const raised: Partial<Record<Emotion, number>> = {};
  for (const label of EMOTIONS) {
    const score = scores[label];
    if (score === undefined) continue;
    raised[label] = score * Math.exp(nudges[label]);
    sum += raised[label];
  }
  for (const label of EMOTIONS) {
    if (raised[label] !== undefined) raised[label] /= sum;
  }
  return raised;
}

interface Context {
  readonly sentence: SentenceFeatures;
  /** All of the text. */
  readonly sentences: readonly SentenceFeatures[];
  readonly scores: Scores;
  /** The label that the model found likeliest. */
  readonly top: Emotion;
}

type Rule = (nudges: Nudges, cues: readonly RuleCue[], context: Context) => void;

/** A longer text says more than one construction does. */
const MOST_WORDS = 24;

/** Emotions whose signs are hardly ever added to something neutral; a smile is mere politeness. */
const OUTCRIES: ReadonlySet<Emotion> = new Set(['angry', 'fear']);

/** Emotions that Chinese texts of the training corpora mostly hold even where they deny them. */
const STUBBORN: ReadonlySet<Emotion> = new Set(['sad', 'angry']);

/** 1 pleasant, −1 unpleasant, 0 neither. */
const POLARITY: Readonly<Record<Emotion, -1 | 0 | 1>> = {
  neutral: 0,
  happy: 1,
  sad: -1,
  angry: -1,
  fear: -1,
  disgust: -1,
  surprise: 0,
};

const RULES: Readonly<Record<RuleName, Rule>> = {
  contrast(nudges, cues, { sentence, sentences, top }) {
    const carried = new Set(cues.flatMap((cue) => cue.scope));
    const inside = new Set<Emotion>();
    const outside = new Set<Emotion>();
    for (const { label, at, negations } of emotionWords(sentence)) {
      if (negations % 2 === 0) (carried.has(at) ? inside : outside).add(label);
    }
    if (inside.size === 0 || inside.has(top) || !outside.has(top)) return;
    if (wordsOf(sentences) > MOST_WORDS) return;
    nudges[top] -= 0.5;
    for (const label of inside) nudges[label] += 0.5;
  },
  degree(nudges, cues, { sentence, top }) {
    for (const { scope, strength = 1 } of cues) {
      for (const at of scope) {
        const label = emotionInside(sentence.words[at]!, sentence.language);
        if (label !== top || negationsOf(sentence, at).length % 2 === 1) continue;
        nudges[label] += Math.log(strength);
      }
    }
  },
  emoji(nudges, cues, { sentences, top }) {
    const labels = new Set(cues.flatMap((cue) => meaningOfToken(cue.cue)?.emotion ?? []));
    if (labels.size !== 1 || wordsOf(sentences) > MOST_WORDS) return;
    const [label] = labels;
    // Tears of joy; an emotion that is put into words as well.
    const unclear = label === 'sad' || sentences.some((one) => says(top, one));
    const against = POLARITY[label!] * POLARITY[top] < 0 && !unclear;
    if (against || (top === 'neutral' && OUTCRIES.has(label!))) nudges[label!] += 1;
    else if (top === 'neutral' && label !== 'happy') nudges[label!] += 0.3;
  },
  irony(nudges, cues, { sentences, top }) {
    if (top !== 'happy' && !(top === 'surprise' && cues.some(({ cue }) => /surprise/.test(cue)))) {
      return;
    }
    if (wordsOf(sentences) > MOST_WORDS) return;
    if (!cues.some(({ strength = 1 }) => strength >= 1) && !sentences.some(isAdverse)) return;
    nudges.happy -= 1;
    nudges.surprise -= 1;
    nudges.angry += 0.6;
    nudges.disgust += 0.4;
  },
  negation(nudges, _cues, { sentence, sentences, top }) {
    if (wordsOf(sentences) > MOST_WORDS) return;
    for (const { label, at, negations } of emotionWords(sentence)) {
      if (negations === 0) continue;
      if (negations % 2 === 0) {
        if (label !== top) nudges[label] += 1;
        continue;
      }
      if (label !== top || isHypothetical(sentence) || !isClose(sentence, at)) continue;
      if (sentences.some((one) => tellsOf(POLARITY[label], one))) continue;
      const strength = negationsOf(sentence, at).reduce(
        (product, cue) => product * (cue.strength ?? 1),
        sentence.language === 'zh' && STUBBORN.has(label) ? 0.3 : 1,
      );
      nudges[label] -= strength;
      for (const [other, part] of Object.entries(DENIED[label]) as [Emotion, number][]) {
        nudges[other] += part * strength;
      }
    }
  },
  question(nudges, _cues, { sentence, sentences, top }) {
    if (top === 'neutral' || wordsOf(sentences) > MOST_WORDS) return;
    const felt = emotionWords(sentence);
    const asked =
      felt.length === 0 ? top === 'surprise' && isPlainQuestion(sentence) : asksYou(sentence);
    if (asked) {
      nudges[top] -= 0.5;
      nudges.neutral += 0.5;
    }
  },
};

const RULE_NAMES = Object.keys(RULES) as RuleName[];

interface EmotionWord {
  readonly label: Emotion;
  readonly at: number;
  readonly negations: number;
}

/** The words of a sentence that name or show an emotion; signs are looked at by themselves. */
function emotionWords(sentence: SentenceFeatures): EmotionWord[] {
  return sentence.words.flatMap((word, at) => {
    const label = word.startsWith('[') ? undefined : emotionInside(word, sentence.language);
    return label === undefined ? [] : [{ label, at, negations: negationsOf(sentence, at).length }];
  });
}

function negationsOf({ cues }: SentenceFeatures, at: number): RuleCue[] {
  return cues.filter((cue) => cue.rule === 'negation' && cue.scope.includes(at));
}

/** Whether a sentence names an emotion of a polarity, without a negation over it. */
function tellsOf(polarity: number, sentence: SentenceFeatures): boolean {
  return emotionWords(sentence).some(
    ({ label, negations }) => POLARITY[label] === polarity && negations % 2 === 0,
  );
}

function says(emotion: Emotion, sentence: SentenceFeatures): boolean {
  return emotionWords(sentence).some(
    ({ label, negations }) => label === emotion && negations % 2 === 0,
  );
}

/** Whether only words without a weight of their own stand between an emotion word and what denies it. */
function isClose(sentence: SentenceFeatures, at: number): boolean {
  const { cues, words, language } = sentence;
  const inner = cues.filter(({ rule }) => rule !== 'question').flatMap((cue) => [cue.at]);
  const nearest = Math.max(...negationsOf(sentence, at).map((cue) => lastWordOf(cue, language)));
  return words
    .slice(nearest + 1, at)
    .every((word, index) => isLightWord(word, language) || inner.includes(nearest + 1 + index));
}

/** Index of the last word of a cue. */
function lastWordOf({ cue, at, scope }: RuleCue, language: Locale): number {
  return language === 'en'
    ? at + cue.split(' ').length - 1
    : Math.max(at, (scope[0] ?? at + 1) - 1);
}

function wordsOf(sentences: readonly SentenceFeatures[]): number {
  return sentences.reduce((sum, { words }) => sum + words.length, 0);
}

/** Whether it tells of something that is nobody's wish. */
function isAdverse(sentence: SentenceFeatures): boolean {
  return (
    sentence.words.some((word) => isAdverseWord(word, sentence.language)) ||
    emotionWords(sentence).some(
      ({ label, negations }) => POLARITY[label] * (negations % 2 === 0 ? 1 : -1) < 0,
    )
  );
}
