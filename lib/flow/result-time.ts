import { EmotionError } from '../emotion/error';
import type { Result } from '../emotion/result';
import type { FlowMessage } from './message';

/**
 * When a Result holds, in milliseconds: by `msg.time` (`{ start, end }` in seconds; a single picture
 * has only `start`), else by its segments, else, of a live source, now.
 *
 * @param now of the clock that live times are compared with
 * @throws EmotionError `fusion.time-unusable` when a recording's Result says nothing of its time
 */
export function resultTime(
  { modality, segments }: Result,
  { time }: FlowMessage,
  clock: 'live' | 'source',
  now: () => number = () => performance.now(),
): { startMs: number; endMs: number } {
  const said = time as { start?: unknown; end?: unknown } | null | undefined;
  if (isTime(said?.start))
    return milliseconds(said.start, isTime(said.end) ? said.end : said.start);

  const starts = (segments ?? []).map(({ start }) => start).filter(isTime);
  const ends = (segments ?? []).map(({ start, end }) => end ?? start).filter(isTime);
  if (starts.length > 0) {
    return milliseconds(
      least(starts),
      ends.reduce((a, b) => Math.max(a, b), -Infinity),
    );
  }
  if (clock === 'live') return { startMs: now(), endMs: now() };
  throw new EmotionError(
    'fusion.time-unusable',
    `The Result for "${modality}" says nothing of its time: give it in msg.time as { start, end } in seconds`,
    { modality },
  );
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function milliseconds(start: number, end: number): { startMs: number; endMs: number } {
  return { startMs: start * 1000, endMs: end * 1000 };
}
