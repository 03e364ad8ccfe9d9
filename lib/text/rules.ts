import type { Emotion, Locale, Scores } from '../emotion/labels';
import { EMOTIONS, topLabel } from '../emotion/labels';
import type { RuleCue, SentenceFeatures } from '../emotion/sample';
import { emotionInside } from './cues';
import { meaningOfToken } from './emoji';

export type RuleName = RuleCue['rule'];

/** How strongly each rule speaks; 0 or absent switches it off. 1 is a factor e on odds. */
export type RuleWeights = Readonly<Partial<Record<RuleName, number>>>;

/**
 * The rules that a node applies: those that lowered the macro-F1 of `text-bilstm` on no development
 * set (SMP2020 usual and virus, OCEMOTION, EmotionTalk, GoEmotions Ekman with one label, MELD).
 * Degree gained .000 to .005. Negation, contrast, emoji, question and irony each lost on one set or
 * more, by up to .004, although they help on hand-written sentences. Cues of all rules are found
 * and shown all the same.
 */
export const DEFAULT_RULES: RuleWeights = { degree: 0.5 };

/** Weights to start measuring from. */
export const CANDIDATE_RULES: Readonly<Record<RuleName, number>> = {
  negation: 1.5,
  degree: 0.5,
  contrast: 1,
  emoji: 0.75,
  question: 0.25,
  irony: 1,
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
 * Scores nudged by what the words around an emotion do to it. For each rule in `weights` and each
 * of its cues the log of a label's probability is raised or lowered, then all are normalised
 * again: labels that the model cannot give stay absent, the sum stays 1, and without a matching
 * cue the very same numbers come back.
 *
 * - negation: an emotion word under an odd number of negations counts against its label and for
 *   what denial means (not happy → sad, not bad → fine); under an even number it counts for it.
 * - degree: 很 raises, 有点 lowers the label of the word that it stands with.
 * - contrast: emotion words in the part after `but` count for, those outside against.
 * - emoji: a sign with a clear emotion counts for it, once a label.
 * - question: what is asked is less felt: towards neutral.
 * - irony: against happy, towards anger and disgust.
 *
 * @param scores probabilities of one text, sum 1
 * @param sentences words and cues of that text
 *
 * @example applyRules({ happy: 0.6, sad: 0.4 }, [iAmNotHappy], { negation: 1.5 });
 * // → { scores: { happy: 0.14, sad: 0.86 }, rules: ['negation'] }
 */
export function applyRules(
  scores: Scores,
  sentences: readonly SentenceFeatures[],
  weights: RuleWeights = DEFAULT_RULES,
): RuledScores {
  const total = noNudges();
  const rules: RuleName[] = [];
  for (const [rule, nudge] of Object.entries(RULES) as [RuleName, Rule][]) {
    const weight = weights[rule] ?? 0;
    if (weight === 0) continue;
    const nudges = noNudges();
    for (const sentence of sentences) {
      const cues = sentence.cues.filter((cue) => cue.rule === rule);
      if (cues.length > 0) nudge(nudges, cues, sentence, scores);
    }
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

type Rule = (
  nudges: Nudges,
  cues: readonly RuleCue[],
  sentence: SentenceFeatures,
  scores: Scores,
) => void;

const RULES: Readonly<Record<RuleName, Rule>> = {
  contrast(nudges, cues, sentence) {
    const carried = new Set(cues.flatMap((cue) => cue.scope));
    forEachEmotionWord(sentence, (label, at) => {
      const sign = carried.has(at) ? 0.5 : -0.5;
      nudges[label] += negations(sentence, at) % 2 === 0 ? sign : -sign;
    });
  },
  degree(nudges, cues, sentence) {
    for (const { scope, strength = 1 } of cues) {
      for (const at of scope) {
        const label = emotionInside(sentence.words[at]!, sentence.language);
        if (label === undefined || negations(sentence, at) % 2 === 1) continue;
        nudges[label] += Math.log(strength);
      }
    }
  },
  emoji(nudges, cues) {
    for (const label of new Set(cues.map((cue) => meaningOfToken(cue.cue)?.emotion))) {
      if (label !== undefined) nudges[label] += 1;
    }
  },
  irony(nudges) {
    nudges.happy -= 1;
    nudges.angry += 0.5;
    nudges.disgust += 0.5;
  },
  negation(nudges, cues, sentence) {
    for (const at of new Set(cues.flatMap((cue) => cue.scope))) {
      const word = sentence.words[at]!;
      const label = word.startsWith('[') ? undefined : emotionInside(word, sentence.language);
      if (label === undefined) continue;
      const reaching = cues.filter((cue) => cue.scope.includes(at));
      if (reaching.length % 2 === 0) {
        nudges[label] += 0.5;
        continue;
      }
      const strength = reaching.reduce((product, cue) => product * (cue.strength ?? 1), 1);
      nudges[label] -= strength;
      for (const [other, part] of Object.entries(DENIED[label]) as [Emotion, number][]) {
        nudges[other] += part * strength;
      }
    }
  },
  question(nudges, _cues, _sentence, scores) {
    const top = topLabel(scores);
    if (top !== null && top.label !== 'neutral' && top.label !== 'surprise') nudges.neutral += 1;
  },
};

function forEachEmotionWord(
  { words, language }: { words: readonly string[]; language: Locale },
  visit: (label: Emotion, at: number) => void,
): void {
  words.forEach((word, at) => {
    const label = word.startsWith('[') ? undefined : emotionInside(word, language);
    if (label !== undefined) visit(label, at);
  });
}

function negations({ cues }: SentenceFeatures, at: number): number {
  return cues.filter((cue) => cue.rule === 'negation' && cue.scope.includes(at)).length;
}
