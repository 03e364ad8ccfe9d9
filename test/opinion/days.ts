import type { Emotion } from '../../lib/emotion/labels';
import type { Post } from '../../lib/opinion/post';
import { resultOf } from '../fusion/results';

/** Midnight of a Monday, UTC. */
export const MONDAY = Date.UTC(2026, 2, 2);
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The same sequence each time: Mulberry32. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function poisson(random: () => number, mean: number): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  let product = random();
  let count = 0;
  for (const limit = Math.exp(-mean); product > limit; count += 1) product *= random();
  return count;
}

/** Something that happens to a topic. */
export interface Event {
  readonly from: number;
  readonly minutes: number;
  /** Times the usual volume. */
  readonly volume?: number;
  /** Negative share instead of the usual one. */
  readonly share?: number;
}

export interface Life {
  readonly seed: number;
  readonly from?: number;
  readonly days: number;
  /** Mean posts a minute. */
  readonly rate: number;
  readonly share?: number;
  /** Standard deviation of what moves the volume for about an hour, as a share of it. */
  readonly restless?: number;
  readonly events?: readonly Event[];
  readonly topic?: string;
}

/** A night with little, a morning and an evening peak; the mean over a day is about 1. */
export function rhythm(hour: number): number {
  const peak = (at: number, width: number) => Math.exp(-(((hour - at) / width) ** 2));
  return 0.25 + 1.25 * peak(9, 2.5) + 0.9 * peak(14, 3) + 1.7 * peak(20.5, 2.2);
}

/**
 * The posts of a topic, minute by minute: a daily rhythm, busier and quieter days, an hour-long
 * restlessness (AR(1)), Poisson sampling, a share that is higher at night, 8 % uncertain posts, and
 * arrival up to 15 s late.
 */
export function* life(options: Life): Generator<Post[]> {
  const { seed, from = MONDAY, days, rate, share = 0.22, restless = 0.1, events = [] } = options;
  const random = generator(seed);
  let mood = 0;
  let dayFactor = 1;
  let serial = 0;
  for (let minute = 0; minute < days * 24 * 60; minute += 1) {
    const time = from + minute * MINUTE;
    if (minute % (24 * 60) === 0) {
      const weekend = [5, 6].includes(Math.floor((time - MONDAY) / DAY) % 7);
      dayFactor = (weekend ? 0.8 : 1) * Math.exp(0.12 * normal(random));
    }
    const memory = Math.exp(-1 / 60);
    mood = memory * mood + Math.sqrt(1 - memory ** 2) * restless * normal(random);
    const event = events.find((one) => time >= one.from && time < one.from + one.minutes * MINUTE);
    const hour = (time % DAY) / HOUR;
    const mean = rate * rhythm(hour) * dayFactor * Math.exp(mood) * (event?.volume ?? 1);
    const usual = share + (hour < 6 ? 0.04 : 0);
    yield Array.from({ length: poisson(random, mean) }, () => {
      serial += 1;
      const at = time + Math.floor(random() * MINUTE);
      return post(
        `${options.topic ?? 't'}-${seed}-${serial}`,
        at,
        moodOf(random, event?.share ?? usual),
        {
          ...(options.topic !== undefined && { topic: options.topic }),
          received: at + Math.floor(random() * 15_000),
          uncertain: random() < 0.08,
        },
      );
    }).sort((a, b) => a.received - b.received);
  }
}

function moodOf(random: () => number, share: number): Emotion {
  const negative: Emotion[] = ['angry', 'sad', 'fear', 'disgust'];
  const other: Emotion[] = ['neutral', 'happy', 'surprise'];
  const list = random() < share ? negative : other;
  return list[Math.floor(random() * list.length)]!;
}

export function post(
  id: string,
  time: number,
  label: Emotion,
  more: Partial<Post> & { uncertain?: boolean } = {},
): Post {
  const { uncertain, ...rest } = more;
  const other = label === 'neutral' ? 'happy' : 'neutral';
  return {
    id,
    text: `text of ${id}`,
    source: 'feed',
    time,
    received: time,
    ...rest,
    result: resultOf('text', { [label]: 0.9, [other]: 0.1 }, uncertain ? { uncertain: true } : {}),
  };
}
