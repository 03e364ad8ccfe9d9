import { EMOTIONS, type Emotion } from '../../emotion/labels';
import type { LabelMapping } from '../../emotion/mapping';

/** A label of a model and the emotion that it probably means. */
export interface LabelProposal {
  readonly label: string;
  /** null: leave it out; undefined: a person has to say. */
  readonly emotion: Emotion | null | undefined;
}

const list = (words: string): string[] => words.split(',').map((word) => word.trim());

/**
 * The fine labels of GoEmotions are grouped as in its paper (Demszky et al. 2020, "GoEmotions: A
 * Dataset of Fine-Grained Emotions", section 5.3: the Ekman taxonomy); the others are synonyms.
 */
const SYNONYMS: Readonly<Record<Emotion, readonly string[]>> = {
  neutral: list(
    'neutral, neu, calm, none, no emotion, normal, 中性, 中立, 平静, 无情绪, 其他情绪无, 正常',
  ),
  happy: list(
    `happy, happiness, joy, joyful, hap, enjoyment, cheerful, amusement, approval, excitement, excited, gratitude, love,
    optimism, relief, pride, admiration, desire, caring, contentment, fun, like, 高兴, 快乐, 开心, 喜悦, 喜, 乐, 幸福,
    喜欢, 好, 喜爱, 愉快, 积极高兴, 爱`,
  ),
  sad: list(
    `sad, sadness, unhappy, disappointment, embarrassment, grief, remorse, sorrow, depression, lonely, empty,
    悲伤, 难过, 伤心, 悲, 哀, 哀伤, 忧伤, 低落, 沮丧`,
  ),
  angry: list(
    'angry, anger, ang, mad, rage, annoyance, annoyed, disapproval, frustrated, frustration, hate, 愤怒, 生气, 怒, 气愤, 恼怒',
  ),
  fear: list(
    'fear, fearful, fea, scared, afraid, nervousness, nervous, anxiety, anxious, worry, 恐惧, 害怕, 惧, 恐, 担忧, 焦虑, 紧张',
  ),
  disgust: list('disgust, disgusted, dis, contempt, 厌恶, 讨厌, 恶, 反感, 恶心, 嫌弃'),
  surprise: list(
    'surprise, surprised, sur, surprisingly, realization, confusion, curiosity, amazement, shock, 惊讶, 惊奇, 惊, 吃惊, 意外, 惊喜, 震惊',
  ),
};

/** Labels that stand for everything else. */
const LEFT_OUT = new Set(list('other, others, oth, unknown, xxx, 其他, 其它, 未知'));

const SENTIMENT =
  /^(?:(?:very |extremely |slightly )?(?:positive|negative|neutral|mixed|pos|neg|neu)|[1-5] stars?|[正负]面|积极|消极|正向|负向|中性|好评|差评|非常(?:正|负)面)$/;

const BY_WORD = new Map(
  Object.entries(SYNONYMS).flatMap(([emotion, words]) =>
    words.map((word): [string, Emotion] => [word, emotion as Emotion]),
  ),
);

/**
 * What each label of a model probably means. Case, underscores, dashes, numbers before it and emoji
 * around it do not matter.
 *
 * @example proposeMapping(['joy', 'LABEL_1', 'other']).map(({ emotion }) => emotion);
 * // → ['happy', undefined, null]
 */
export function proposeMapping(labels: readonly string[]): LabelProposal[] {
  return labels.map((label) => {
    const word = plain(label);
    return { label, emotion: LEFT_OUT.has(word) ? null : BY_WORD.get(word) };
  });
}

/** Whether all labels say how good something is found, none which emotion. */
export function isSentiment(labels: readonly string[]): boolean {
  const words = labels.map(plain);
  return words.every((word) => SENTIMENT.test(word)) && words.some((word) => word !== 'neutral');
}

/** The proposals as the mapping of a manifest; undefined while a person still has to say. */
export function mappingOf(proposals: readonly LabelProposal[]): LabelMapping | undefined {
  const mapping: Record<string, Emotion | null> = {};
  for (const { label, emotion } of proposals) {
    if (emotion === undefined) return undefined;
    if (emotion !== label) mapping[label] = emotion;
  }
  return mapping;
}

/** The emotions that labels are mapped onto, in the suite's order. */
export function emotionsOf(proposals: readonly LabelProposal[]): Emotion[] {
  const given = new Set(proposals.map(({ emotion }) => emotion));
  return EMOTIONS.filter((emotion) => given.has(emotion));
}

function plain(label: string): string {
  const words = label
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[_\-/]+/g, ' ')
    .replace(/[^\p{L}\p{N} ]/gu, '')
    .trim()
    .replace(/\s+/g, ' ');
  return /^\d+ stars?$/.test(words) ? words : words.replace(/^\d+ ?(?=\D)/, '');
}
