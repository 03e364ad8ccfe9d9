/**
 * The seven labels of the suite: Ekman's six basic emotions and neutral (`big6` of W3C EmotionML
 * 1.0 plus neutral), in the order that every shipped model uses for its logits.
 */
export const EMOTIONS = [
  'neutral',
  'happy',
  'sad',
  'angry',
  'fear',
  'disgust',
  'surprise',
] as const;

export type Emotion = (typeof EMOTIONS)[number];

export type Locale = 'en' | 'zh';

export const EMOTION_NAMES: Readonly<Record<Locale, Readonly<Record<Emotion, string>>>> = {
  en: {
    neutral: 'neutral',
    happy: 'happy',
    sad: 'sad',
    angry: 'angry',
    fear: 'fear',
    disgust: 'disgust',
    surprise: 'surprise',
  },
  zh: {
    neutral: '中性',
    happy: '高兴',
    sad: '悲伤',
    angry: '愤怒',
    fear: '恐惧',
    disgust: '厌恶',
    surprise: '惊讶',
  },
};

export function isEmotion(value: unknown): value is Emotion {
  return typeof value === 'string' && (EMOTIONS as readonly string[]).includes(value);
}

/**
 * Scores by label. A label that a model cannot give is absent, never zero; the scores that are
 * present sum to 1.
 */
export type Scores = Partial<Record<Emotion, number>>;

/**
 * The label with the highest score, or null when there are no scores. Ties go to the label that
 * stands first in {@link EMOTIONS}.
 *
 * @example topLabel({ happy: 0.7, sad: 0.3 }); // → { label: 'happy', score: 0.7 }
 */
export function topLabel(scores: Scores): { label: Emotion; score: number } | null {
  let best: { label: Emotion; score: number } | null = null;
  for (const label of EMOTIONS) {
    const score = scores[label];
    if (score !== undefined && (best === null || score > best.score)) best = { label, score };
  }
  return best;
}
