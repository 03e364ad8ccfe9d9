import { isEmotion, type Emotion, type Scores } from './labels';

/** Model label → one of the seven, or null to leave it out. A label without an entry stands for itself. */
export type LabelMapping = Readonly<Record<string, Emotion | null>>;

/**
 * The emotion that a model's label stands for; null when it is left out, undefined when it is
 * neither mapped nor one of the seven.
 */
export function emotionOf(label: string, mapping: LabelMapping): Emotion | null | undefined {
  if (Object.hasOwn(mapping, label)) return mapping[label];
  return isEmotion(label) ? label : undefined;
}

/**
 * A model's probabilities as scores of the seven labels. Labels that map onto the same emotion are
 * summed; what maps onto null is left out and the rest divided by its sum; an emotion that no
 * label maps onto is absent. When all probability lies on labels that are left out, the rest is
 * equally likely.
 *
 * @param labels the model's labels
 * @param probabilities [labels], in the same order
 * @throws RangeError when the lengths differ or a label cannot be mapped
 *
 * @example
 * mapScores(['joy', 'love', 'anger', 'other'], [0.3, 0.1, 0.1, 0.5],
 *   { joy: 'happy', love: 'happy', anger: 'angry', other: null });
 * // → { happy: 0.8, angry: 0.2 }
 */
export function mapScores(
  labels: readonly string[],
  probabilities: ArrayLike<number>,
  mapping: LabelMapping,
): Scores {
  if (labels.length !== probabilities.length) {
    throw new RangeError(`${labels.length} labels but ${probabilities.length} probabilities`);
  }
  const scores: Scores = {};
  let kept = 0;
  labels.forEach((label, index) => {
    const emotion = emotionOf(label, mapping);
    if (emotion === undefined) throw new RangeError(`label "${label}" maps onto no emotion`);
    if (emotion === null) return;
    const probability = probabilities[index] as number;
    scores[emotion] = (scores[emotion] ?? 0) + probability;
    kept += probability;
  });
  const given = Object.keys(scores) as Emotion[];
  for (const emotion of given) {
    scores[emotion] = kept > 0 ? scores[emotion]! / kept : 1 / given.length;
  }
  return scores;
}
