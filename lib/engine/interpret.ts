import { softmax, temperatureFor } from '../emotion/calibration';
import { EmotionError } from '../emotion/error';
import { topLabel, type Emotion, type Scores } from '../emotion/labels';
import { mapScores } from '../emotion/mapping';
import type { Result, ResultSegment, TimeWeight, TokenWeight } from '../emotion/result';
import type { Sample, SampleSegment, Tensor } from '../emotion/sample';
import type { Manifest, OutputSpec } from '../models/manifest';
import type { EngineOutput, RowOutput } from './engine';
import { halfToNumber } from './half-float';

/** Scores of one row after rules, with the names of the rules that changed them. */
export interface Ruled {
  readonly scores: Scores;
  readonly rules: readonly string[];
}

/**
 * Changes the scores of one row by what stands in it.
 *
 * @param row index into `sample.segments`
 * @param manifest that of the model which answered the row
 */
export type ScoreRules = (scores: Scores, sample: Sample, row: number, manifest: Manifest) => Ruled;

export interface InterpretOptions {
  /** A result whose score is lower is marked `uncertain`. */
  readonly threshold?: number;
  /**
   * Keeps the tokens with the highest weights of every segment, in the order of the text and with
   * the weights they have among all tokens. Scores are always given for all labels.
   */
  readonly topK?: number;
  readonly rules?: ScoreRules;
}

/**
 * A model's outputs as a Result: logits → calibrated probabilities → the seven labels → rules, row
 * by row; then the mean of the rows, each weighing as much as it has tokens (text) or seconds.
 *
 * Attention comes back in the segments: on words as `tokens`, over time as `times`. A sample with
 * nothing to infer gives `label: null` with its reason.
 *
 * @param output what the engine gave for this very sample
 * @throws EmotionError `engine.failed` when the model gave NaN or infinity
 *
 * @example
 * interpret(sample, await engine.infer(sample), manifest, { threshold: 0.4 });
 * // → { modality: 'text', label: 'happy', score: 0.91, scores: { neutral: 0.02, … }, … }
 */
export function interpret(
  sample: Sample,
  output: EngineOutput,
  manifest: Manifest,
  { threshold = 0, topK, rules }: InterpretOptions = {},
): Result {
  const { modality, model, source } = sample;
  const latencyMs = Math.round(output.latencyMs * 1_000) / 1_000;
  const common = { model, runtime: output.runtime, latencyMs, source };
  if (output.rows.length === 0) {
    return {
      modality,
      label: null,
      score: 0,
      scores: {},
      ...(sample.segments.length > 0 && { segments: sample.segments.map(emptySegment) }),
      ...common,
      cached: false,
      ...(sample.reason !== undefined && { reason: sample.reason }),
    };
  }

  const ruled = output.rows.map((row, index) => {
    const segment = sample.segments[index];
    const own = row.manifest ?? manifest;
    const scores = rowScores(row, own, segment?.language ?? source.language);
    return rules?.(scores, sample, index, own) ?? { scores, rules: [] };
  });
  const weights = rowWeights(sample.segments, modality);
  const scores = weightedMean(
    ruled.map((row) => row.scores),
    weights,
  );
  const { label, score } = topLabel(scores) ?? { label: null, score: 0 };
  const flaws = commonFlaws(sample.segments, weights);
  const changed = [...new Set(ruled.flatMap((row) => row.rules))];
  return {
    modality,
    label,
    score,
    scores,
    segments: sample.segments.map((segment, index) => {
      const row = output.rows[index]!;
      const own = row.manifest ?? manifest;
      const tokens = tokenWeights(row, segment, own, topK);
      const times = timeWeights(row, segment, own);
      return {
        ...judged(segment, ruled[index]!.scores, weights[index]!),
        ...(tokens !== undefined && { tokens }),
        ...(times !== undefined && { times }),
      };
    }),
    ...common,
    cached: output.rows.every(({ cached }) => cached),
    ...((score < threshold || flaws.length > 0) && { uncertain: true }),
    ...(flaws.length > 0 && { flaws }),
    ...(changed.length > 0 && { rules: changed }),
  };
}

/** Calibrated scores of one row. */
function rowScores(row: RowOutput, manifest: Manifest, language: string | undefined): Scores {
  const logits = numbers(row.outputs[outputOf(manifest, 'logits')!]!);
  const temperature = temperatureFor(manifest.calibration.temperature, language);
  if (!logits.every(Number.isFinite)) {
    throw new EmotionError(
      'engine.failed',
      `Model "${manifest.id}" gave logits that are no numbers: ${logits.join(', ')}`,
      { model: manifest.id },
    );
  }
  return mapScores(manifest.labels, softmax(logits, temperature), manifest.mapping);
}

/**
 * Where the network looked at the last picture of a row, `[height, width]`; undefined for a model that
 * does not tell.
 */
export function saliencyOf(
  { rows }: EngineOutput,
  row: number,
  manifest: Manifest,
): { width: number; height: number; values: number[] } | undefined {
  const name = outputOf(manifest, 'saliency');
  const map = name === undefined ? undefined : rows[row]?.outputs[name];
  const [, height, width] = map?.dims ?? [];
  if (map === undefined || height === undefined || width === undefined) return undefined;
  return { width, height, values: numbers(map) };
}

function outputOf({ outputs }: Manifest, kind: OutputSpec['kind']): string | undefined {
  for (const name of Object.keys(outputs)) if (outputs[name]!.kind === kind) return name;
  return undefined;
}

/** Shares of the rows in the whole, sum 1; equal shares when nothing says how large a row is. */
function rowWeights(segments: readonly SampleSegment[], modality: Sample['modality']): number[] {
  const sizes = segments.map(({ tokens, start, end }) =>
    modality === 'text' ? countWords(tokens ?? []) : (end ?? 0) - (start ?? 0),
  );
  const known = sizes.every((size) => size > 0);
  const total = known ? sizes.reduce((sum, size) => sum + size, 0) : segments.length;
  return sizes.map((size) => (known ? size : 1) / total);
}

function countWords(tokens: readonly string[]): number {
  let count = 0;
  for (const token of tokens) if (!isSpecialToken(token)) count += 1;
  return count;
}

/** The flaws of the rows when those that have one are more than half of the whole. */
function commonFlaws(segments: readonly SampleSegment[], weights: readonly number[]): string[] {
  const flawed = segments.map(({ flaws = [] }) => flaws);
  const share = weights.filter((_, row) => flawed[row]!.length > 0).reduce((a, b) => a + b, 0);
  return share > 0.5 ? [...new Set(flawed.flat())] : [];
}

function weightedMean(rows: readonly Scores[], weights: readonly number[]): Scores {
  const mean: Scores = {};
  let sum = 0;
  rows.forEach((scores, index) => {
    for (const [emotion, score] of Object.entries(scores) as [Emotion, number][]) {
      mean[emotion] = (mean[emotion] ?? 0) + score * weights[index]!;
      sum += score * weights[index]!;
    }
  });
  for (const emotion of Object.keys(mean) as Emotion[]) mean[emotion] /= sum;
  return mean;
}

/** What a segment is of, without what only the model needs. */
function place(segment: SampleSegment): Partial<ResultSegment> {
  const placed: { -readonly [Member in keyof ResultSegment]?: ResultSegment[Member] } = {};
  const { start, end, box, face, landmarks, flaws, text, model } = segment;
  if (start !== undefined) placed.start = start;
  if (end !== undefined) placed.end = end;
  if (box !== undefined) placed.box = box;
  if (face !== undefined) placed.face = face;
  if (landmarks !== undefined) placed.landmarks = landmarks;
  if (flaws !== undefined) placed.flaws = flaws;
  if (text !== undefined) placed.text = text;
  if (model !== undefined) placed.model = model;
  return placed;
}

function emptySegment(segment: SampleSegment): ResultSegment {
  return { ...place(segment), label: null, score: 0, scores: {} };
}

function judged(segment: SampleSegment, scores: Scores, weight: number): ResultSegment {
  const { label, score } = topLabel(scores) ?? { label: null, score: 0 };
  return { ...place(segment), label, score, scores, weight };
}

/** Attention on the tokens of a row, special tokens left out, the rest divided by its sum. */
function tokenWeights(
  row: RowOutput,
  { tokens }: SampleSegment,
  manifest: Manifest,
  topK: number | undefined,
): TokenWeight[] | undefined {
  const name = outputOf(manifest, 'token-weights');
  const weights = name === undefined ? undefined : row.outputs[name];
  if (weights === undefined || tokens === undefined) return undefined;
  const attention = numbers(weights);
  const shares: { text: string; weight: number }[] = [];
  let sum = 0;
  for (let at = 0; at < Math.min(tokens.length, attention.length); at += 1) {
    const text = tokens[at]!;
    if (isSpecialToken(text)) continue;
    const weight = attention[at]!;
    sum += weight;
    shares.push({ text, weight });
  }
  for (const share of shares) share.weight = sum > 0 ? share.weight / sum : 1 / shares.length;
  if (topK === undefined || shares.length <= topK) return shares;
  const heaviest = new Set([...shares].sort((a, b) => b.weight - a.weight).slice(0, topK));
  return shares.filter((share) => heaviest.has(share));
}

/**
 * Attention over time, as shares of equal stretches of the segment. A sound that is shorter than its
 * window is repeated in it, or has silence behind it: what was paid to a repetition counts for what
 * is repeated, what was paid to the silence for nothing.
 */
function timeWeights(
  row: RowOutput,
  { start, end }: SampleSegment,
  manifest: Manifest,
): TimeWeight[] | undefined {
  const name = outputOf(manifest, 'time-weights');
  const weights = name === undefined ? undefined : row.outputs[name];
  if (weights === undefined || start === undefined || end === undefined || end <= start) {
    return undefined;
  }
  const attention = numbers(weights);
  const length = end - start;
  const full = Math.max(length, windowSeconds(manifest) ?? length);
  const step = full / attention.length;
  const stretches = Math.min(attention.length, Math.max(1, Math.round(length / step)));
  const isRepeated =
    manifest.preprocessing.kind === 'audio' && manifest.preprocessing.window.fill === 'repeat';
  const sums = new Array<number>(stretches).fill(0);
  attention.forEach((weight, index) => {
    const middle = (index + 0.5) * step;
    if (middle >= length && index >= stretches && !isRepeated) return;
    const own = Math.floor(((middle % length) / length) * stretches);
    sums[Math.min(stretches - 1, own)]! += weight;
  });
  const total = sums.reduce((sum, weight) => sum + weight, 0);
  const at = (index: number) => roundToMs(start + (length * index) / stretches);
  return sums.map((weight, index) => ({
    start: at(index),
    end: at(index + 1),
    weight: total > 0 ? weight / total : 1 / stretches,
  }));
}

/** How long a full window of the model is. */
function windowSeconds({ preprocessing }: Manifest): number | undefined {
  if (preprocessing.kind !== 'audio') return undefined;
  const { window, spectrum, sampleRateHz } = preprocessing;
  return ((window.frames - 1) * spectrum.hopLength + spectrum.frameLength) / sampleRateHz;
}

function roundToMs(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}

/** Tokens that tokenizers add; an unknown word is a word. */
const SPECIAL_TOKEN =
  /^(?:\[(?:CLS|SEP|PAD|MASK|BOS|EOS)\]|<\/?s>|<(?:pad|mask|cls|sep|bos|eos)>)$/i;

function isSpecialToken(token: string): boolean {
  return (token.startsWith('[') || token.startsWith('<')) && SPECIAL_TOKEN.test(token);
}

function numbers({ type, data }: Tensor): number[] {
  if (type === 'float16') return Array.from(data as Uint16Array, halfToNumber);
  const list: number[] = [];
  for (let at = 0; at < data.length; at += 1) list.push(Number(data[at]));
  return list;
}
