import { EmotionError } from '../emotion/error';
import { EMOTIONS, isEmotion, type Emotion, type Scores } from '../emotion/labels';
import type { Result, Runtime } from '../emotion/result';
import { MODALITIES, isModality } from './modalities';

const RUNTIMES: readonly Runtime[] = [
  'onnxruntime',
  'onnxruntime-web',
  'remote',
  'logistic',
  'javascript',
];

/**
 * How far from 1 the scores may sum: seven scores rounded to two decimals on their way over a wire
 * are at most 7 × 0.005 off. Within it they are scaled to sum 1, beyond it they are refused.
 */
export const SUM_TOLERANCE = 0.035;

/** How far `score` may be from `scores[label]`, for the same reason. */
const SCORE_TOLERANCE = 0.011;

/** The version of the Result that this code reads; a Result without `schema` is of this version. */
const SCHEMA = 1;

/**
 * Takes a Result out of a message that may hold anything, and never changes what came.
 *
 * Refused: another schema version, a modality, label or runtime that this version does not know,
 * scores that are not finite or below zero, scores that do not sum to 1 (see
 * {@link SUM_TOLERANCE}), a label that has no score, a `score` that is not the label's, a null
 * label without a reason, an array (send its members one by one), the answer of another fusion.
 * Members that a Result does not have are kept and ignored.
 *
 * @returns the very object where it is in order, a copy with scaled scores where they were rounded
 * @throws EmotionError `fusion.not-a-result`, which names the member, what was expected, what came
 *
 * @example
 * parseResult({ modality: 'text', label: 'happy', score: 1, scores: { happy: 0.7, sad: 0.4 }, … });
 * // EmotionError: Not a Result: "scores" must be values that sum to 1; got 1.1
 */
export function parseResult(value: unknown): Result {
  if (Array.isArray(value)) {
    throw refuse('payload', 'one Result; send the members of an array one by one', value);
  }
  if (!isRecord(value)) throw refuse('payload', 'a Result', value);
  if (value['schema'] !== undefined && value['schema'] !== SCHEMA) {
    throw refuse('schema', `${SCHEMA}, the version that this release reads`, value['schema']);
  }
  if (value['modality'] === 'multimodal') {
    throw refuse('modality', `the Result of one modality (${MODALITIES.join(', ')})`, 'multimodal');
  }
  if (!isModality(value['modality'])) {
    throw refuse('modality', `one of ${MODALITIES.join(', ')}`, value['modality']);
  }
  checkProvenance(value);
  if (value['label'] === null) {
    if (typeof value['reason'] !== 'string' || value['reason'] === '') {
      throw refuse('reason', 'why the label is null, e.g. "silence"', value['reason']);
    }
    return value as unknown as Result;
  }
  if (!isEmotion(value['label'])) {
    throw refuse('label', `null or one of ${EMOTIONS.join(', ')}`, value['label']);
  }
  const { scores, rounded } = parseScores(value['scores']);
  const score = scores[value['label']];
  if (score === undefined) {
    throw refuse('scores', `a score for the label "${value['label']}"`, value['scores']);
  }
  const stated = value['score'];
  if (typeof stated !== 'number' || !(Math.abs(stated - score) <= SCORE_TOLERANCE)) {
    throw refuse('score', `${score}, the score of "${value['label']}"`, stated);
  }
  return (rounded ? { ...value, score, scores } : value) as unknown as Result;
}

function checkProvenance(value: Record<string, unknown>): void {
  if (typeof value['model'] !== 'string' || value['model'] === '') {
    throw refuse('model', 'the id of a model', value['model']);
  }
  if (!(RUNTIMES as readonly unknown[]).includes(value['runtime'])) {
    throw refuse('runtime', `one of ${RUNTIMES.join(', ')}`, value['runtime']);
  }
  if (typeof value['cached'] !== 'boolean') {
    throw refuse('cached', 'true or false', value['cached']);
  }
  const latency = value['latencyMs'];
  if (typeof latency !== 'number' || !Number.isFinite(latency) || latency < 0) {
    throw refuse('latencyMs', 'milliseconds, zero or more', latency);
  }
  if (!isRecord(value['source'])) throw refuse('source', 'an object', value['source']);
}

function parseScores(value: unknown): { scores: Scores; rounded: boolean } {
  if (!isRecord(value)) throw refuse('scores', 'an object of scores by label', value);
  const scores: Partial<Record<Emotion, number>> = {};
  let sum = 0;
  for (const [label, score] of Object.entries(value)) {
    if (!isEmotion(label)) {
      throw refuse('scores', `labels out of ${EMOTIONS.join(', ')}`, label);
    }
    if (typeof score !== 'number' || !Number.isFinite(score) || score < 0) {
      throw refuse(`scores.${label}`, 'a number from 0 to 1', score);
    }
    scores[label] = score;
    sum += score;
  }
  if (Math.abs(sum - 1) > SUM_TOLERANCE) throw refuse('scores', 'values that sum to 1', sum);
  // Half a millionth is what single precision leaves; such scores are in order as they are.
  if (Math.abs(sum - 1) <= 5e-7) return { scores, rounded: false };
  for (const label of EMOTIONS) {
    const score = scores[label];
    if (score !== undefined) scores[label] = score / sum;
  }
  return { scores, rounded: true };
}

/**
 * Refuses a list in which a modality stands twice: which of two texts is meant cannot be guessed.
 *
 * @throws EmotionError `fusion.not-a-result`
 */
export function assertDistinctModalities(results: readonly Result[]): void {
  const seen = new Set<string>();
  for (const { modality } of results) {
    if (seen.has(modality)) {
      throw new EmotionError(
        'fusion.not-a-result',
        `Two Results for "${modality}" in one event; expected at most one a modality: ` +
          'give each event its own key, or join by time',
        { member: 'modality', expected: 'each modality once', got: modality },
      );
    }
    seen.add(modality);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(member: string, expected: string, got: unknown): EmotionError {
  const came = describe(got);
  return new EmotionError(
    'fusion.not-a-result',
    `Not a Result: "${member}" must be ${expected}; got ${came}`,
    { member, expected, got: came },
  );
}

/** A short, safe picture of any value: a message must not carry megabytes or run a getter twice. */
function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'number' || typeof value === 'boolean' || value == null) {
    return String(value);
  }
  if (typeof value === 'object') {
    return `an object with ${Object.keys(value).slice(0, 8).join(', ') || 'no members'}`.slice(
      0,
      120,
    );
  }
  return typeof value;
}
