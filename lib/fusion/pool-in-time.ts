import { EMOTIONS, topLabel, type Emotion, type Scores } from '../emotion/labels';
import type { Result, ResultSegment } from '../emotion/result';
import type { Overlap } from './align-by-time';

/**
 * One Result of all the windows of a modality that overlap an event: the scores are averaged with
 * the overlaps as weights. Windows without a label ("silence") are left out of the average; where
 * there are only such windows the one with the longest overlap stands.
 *
 * `segments` lists every window with its times (seconds, by our clock), its own scores and its
 * share; the rest of the Result is that of the window with the largest share.
 *
 * @param overlaps at least one, all of one modality and from models that know the same labels
 *
 * @example
 * // happy 1 for 750 ms, sad 1 for 250 ms
 * poolInTime(overlaps).scores; // → { happy: 0.75, sad: 0.25 }
 */
export function poolInTime(overlaps: readonly Overlap<Result>[]): Result {
  const [only] = overlaps;
  if (only === undefined) throw new RangeError('"overlaps" must hold at least one window, got 0');
  if (overlaps.length === 1) return only.value;

  const voices = overlaps.filter(({ value }) => value.label !== null);
  const heaviest = (voices.length > 0 ? voices : overlaps).reduce((a, b) =>
    b.overlapMs > a.overlapMs ? b : a,
  ).value;
  if (voices.length === 0) return heaviest;

  const total = voices.reduce((sum, { overlapMs }) => sum + overlapMs, 0);
  const sums: Partial<Record<Emotion, number>> = {};
  for (const { value, overlapMs } of voices) {
    for (const label of EMOTIONS) {
      const score = value.scores[label];
      if (score === undefined) continue;
      sums[label] = (sums[label] ?? 0) + (score * overlapMs) / total;
    }
  }
  const scores: Scores = sums;
  const top = topLabel(scores);
  const segments: ResultSegment[] = overlaps.map(({ value, startMs, endMs, overlapMs }) => ({
    start: startMs / 1000,
    end: endMs / 1000,
    label: value.label,
    score: value.score,
    scores: value.scores,
    weight: value.label === null ? 0 : overlapMs / total,
  }));
  return {
    ...heaviest,
    label: top?.label ?? null,
    score: top?.score ?? 0,
    scores,
    segments,
    cached: overlaps.every(({ value }) => value.cached),
    latencyMs: Math.max(...overlaps.map(({ value }) => value.latencyMs)),
  };
}
