import type { LocalTime } from './local-time';
import { clamp, median, theilSen } from './statistics';

/** What came in one interval, weighted. */
export interface Counts {
  /** All posts. */
  readonly volume: number;
  /** Posts with an emotion that the model is sure of. */
  readonly certain: number;
  /** Of these, the negative ones. */
  readonly negative: number;
}

/** What was to be expected of an interval. */
export interface Expected {
  /** Weighted posts. */
  readonly volume: number;
  /** Negative among the certain ones, 0–1. */
  readonly share: number;
  /** Whether enough is known to judge by. */
  readonly volumeKnown: boolean;
  readonly shareKnown: boolean;
  /** Variance of a count over that of a Poisson one, and of a share over that of a binomial one. */
  readonly volumeDispersion: number;
  readonly shareDispersion: number;
  /**
   * How far beyond what was expected is still no change, for what is expected is an estimate: a share
   * of the volume, and one standard error of the negative share.
   */
  readonly volumeMargin: number;
  readonly shareMargin: number;
}

/** What is left out of what counts as normal. */
export interface Excluded {
  readonly volume: boolean;
  readonly share: boolean;
}

/** One hour of one day: sums over the intervals that count as normal. */
interface HourOfDay {
  readonly day: number;
  readonly weekday: number;
  intervals: number;
  volume: number;
  certain: number;
  negative: number;
}

/** A few intervals of the last hours. */
interface Block {
  intervals: number;
  volume: number;
  /** What the season alone expected for them; 0 where there was none. */
  seasonal: number;
  expected: number;
  /** Intervals of which something was expected. */
  known: number;
  certain: number;
  negative: number;
}

interface Dispersion {
  value: number;
  seen: number;
}

export interface BaselineState {
  readonly hours: readonly (readonly HourOfDay[])[];
  readonly blocks: readonly Block[];
  readonly volumeDispersion: Dispersion;
  readonly blockDispersion: Dispersion;
  readonly shareDispersion: Dispersion;
  readonly shiftedUntil: number;
}

const EMPTY_BLOCK: Readonly<Block> = {
  intervals: 0,
  volume: 0,
  seasonal: 0,
  expected: 0,
  known: 0,
  certain: 0,
  negative: 0,
};

/** Days that are remembered, and how many entries of one weekday make a season of their own. */
const DAYS = 28;
const ENOUGH_OF_A_WEEKDAY = 3;
/** Intervals of a block, blocks of the local level, and the youngest that do not count yet. */
const BLOCK = 10;
const BLOCKS = 18;
const LEVEL_BLOCKS = 12;
const GUARD = 1;
/** Blocks that a level without any season needs. */
const WARM_UP_BLOCKS = 6;
/** Certain posts that a share needs, and what they count against those of the last hours. */
const ENOUGH_POSTS = 200;
const PRIOR_POSTS = 300;
/** What they count, and how long, after the level has shifted for good. */
const SHIFTED_POSTS = 20;
const SHIFTED_MS = 12 * 3_600_000;
/** Share of negative posts before anything is known, and its weight in posts. */
const FIRST_SHARE = 0.3;
const FIRST_POSTS = 10;
/** A day may be busier by so much; without a season an hour may rise by so much more than the last ones. */
const BUSIER = 0.2;
const STEEPER = 0.5;
/** A level that is off by so much is a matter of the level and not of the dispersion. */
const TOLERANCE = 0.2;
/** The dispersion before anything is known, its weight in intervals, and how long it remembers. */
const FIRST_DISPERSION = 1.5;
const FIRST_INTERVALS = 60;
const DISPERSION_MEMORY = 720;
const MOST_DISPERSION = 50;

/**
 * What is normal for one topic at a time of day. The season is, for each hour, the median over the
 * last 28 days, over those of the same weekday as soon as there are three; between the middles of
 * hours it goes straight. On top comes the level of the last two hours, a trimmed mean, so that a day
 * that is busier than others is not an alarm all day. Before there is a season, a Theil–Sen line
 * through the logarithms of the last hours stands for it.
 *
 * The share of negative posts is that of the hour, drawn towards that of all hours, then towards
 * that of the last hours, each by the posts that it rests on (a beta prior).
 *
 * Real counts vary more than Poisson's: posts answer each other. The variance over Poisson's is
 * followed with a bounded influence of each interval, for single intervals and for blocks of ten,
 * which shows what goes on for longer; the larger counts (quasi-likelihood, R. W. M. Wedderburn,
 * Biometrika 61, 1974).
 */
export class Baseline {
  readonly #hours: HourOfDay[][] = Array.from({ length: 24 }, () => []);
  #blocks: Block[] = [];
  #volumeDispersion: Dispersion = { value: FIRST_DISPERSION, seen: 0 };
  #blockDispersion: Dispersion = { value: FIRST_DISPERSION, seen: 0 };
  #shareDispersion: Dispersion = { value: FIRST_DISPERSION, seen: 0 };
  #shiftedUntil = 0;
  #season:
    { key: string; volumes: number[]; days: number; share: number; posts: number } | undefined;

  constructor(
    private readonly clock: LocalTime,
    state?: BaselineState,
  ) {
    if (state === undefined) return;
    state.hours.slice(0, 24).forEach((days, hour) => {
      this.#hours[hour] = days.slice(-DAYS).map((entry) => ({ ...entry }));
    });
    this.#blocks = state.blocks.slice(-BLOCKS).map((block) => ({ ...block }));
    this.#volumeDispersion = { ...state.volumeDispersion };
    this.#blockDispersion = { ...state.blockDispersion };
    this.#shareDispersion = { ...state.shareDispersion };
    this.#shiftedUntil = state.shiftedUntil;
  }

  toJSON(): BaselineState {
    return {
      hours: this.#hours,
      blocks: this.#blocks,
      volumeDispersion: this.#volumeDispersion,
      blockDispersion: this.#blockDispersion,
      shareDispersion: this.#shareDispersion,
      shiftedUntil: this.#shiftedUntil,
    };
  }

  /** What to expect of the interval that has its middle at `time`. */
  expect(time: number): Expected {
    const { volume: seasonal, days, share, posts } = this.#seasonAt(time);
    const level = days > 0 ? this.#level() : 1;
    const local = days > 0 ? undefined : this.#localVolume();
    const volume = days > 0 ? seasonal * level : (local ?? 0);
    const recent = this.#recentShare();
    const prior = Math.min(time < this.#shiftedUntil ? SHIFTED_POSTS : PRIOR_POSTS, posts);
    const basis = recent.certain + prior + FIRST_POSTS;
    const shareNow = (recent.negative + prior * share + FIRST_POSTS * FIRST_SHARE) / basis;
    const spread = Math.max(this.#volumeDispersion.value, this.#blockDispersion.value, 1);
    return {
      volume,
      share: clamp(shareNow, 0.01, 0.95),
      volumeKnown: days > 0 || local !== undefined,
      shareKnown: recent.certain + posts >= ENOUGH_POSTS,
      // What few days say of an hour is less sure, and a line through hours even less.
      volumeDispersion: days > 0 ? spread * (1 + 1 / days) : 1.75 * spread,
      shareDispersion: Math.max(1, this.#shareDispersion.value),
      volumeMargin: days > 0 ? BUSIER : STEEPER,
      shareMargin: Math.sqrt((shareNow * (1 - shareNow)) / basis),
    };
  }

  /**
   * Learns what came in an interval.
   *
   * @param excluded what is an incident and no part of what is normal
   */
  learn(time: number, counts: Counts, expected: Expected, excluded: Excluded): void {
    this.#learnDispersion(counts, expected, excluded);
    this.#learnHour(time, counts, expected, excluded);
    this.#learnBlock(time, counts, expected, excluded);
  }

  /** The last hours say nothing of the next: data are missing in between. */
  interrupt(): void {
    this.#blocks = [];
  }

  /** The last hours were like these intervals and nothing else. */
  adopt(intervals: readonly { readonly time: number; readonly counts: Counts }[]): void {
    this.#blocks = [];
    this.#shiftedUntil = (intervals.at(-1)?.time ?? 0) + SHIFTED_MS;
    for (const { time, counts } of intervals) {
      // What they deviate from is gone, and no measure of how much is usual.
      const expected = { ...this.expect(time), volumeKnown: false };
      this.#learnBlock(time, counts, expected, { volume: false, share: false });
    }
  }

  #learnHour(time: number, counts: Counts, expected: Expected, excluded: Excluded): void {
    const { day, hour, weekday } = this.clock.at(time);
    const days = this.#hours[Math.floor(hour)]!;
    let entry = days.at(-1);
    if (entry?.day !== day) {
      entry = { day, weekday, intervals: 0, volume: 0, certain: 0, negative: 0 };
      days.push(entry);
      if (days.length > DAYS) days.shift();
    }
    if (!excluded.volume) {
      entry.intervals += 1;
      // One interval that is out of all measure does not make the hour.
      entry.volume += expected.volumeKnown
        ? Math.min(counts.volume, 4 * expected.volume + 10)
        : counts.volume;
    }
    if (!excluded.share) {
      entry.certain += counts.certain;
      entry.negative += counts.negative;
    }
  }

  #learnBlock(time: number, counts: Counts, expected: Expected, excluded: Excluded): void {
    let block = this.#blocks.at(-1);
    if (block === undefined || block.intervals >= BLOCK) {
      if (block !== undefined) this.#finishBlock(block);
      block = { ...EMPTY_BLOCK };
      this.#blocks.push(block);
      if (this.#blocks.length > BLOCKS) this.#blocks.shift();
    }
    const { volume: seasonal } = this.#seasonAt(time);
    block.intervals += 1;
    block.volume += excluded.volume ? expected.volume : counts.volume;
    block.seasonal += seasonal;
    block.expected += expected.volume;
    if (expected.volumeKnown) block.known += 1;
    if (!excluded.share) {
      block.certain += counts.certain;
      block.negative += counts.negative;
    }
  }

  #finishBlock({ volume, expected, known }: Block): void {
    if (expected < 1 || known < BLOCK) return;
    const beyond = Math.max(0, Math.abs(volume - expected) - TOLERANCE * expected);
    this.#blockDispersion = learned(
      this.#blockDispersion,
      beyond ** 2 / expected,
      FIRST_INTERVALS / BLOCK,
      DISPERSION_MEMORY / BLOCK,
    );
  }

  #learnDispersion(
    { volume, certain, negative }: Counts,
    expected: Expected,
    excluded: Excluded,
  ): void {
    if (expected.volumeKnown && !excluded.volume && expected.volume > 0.1) {
      this.#volumeDispersion = learned(
        this.#volumeDispersion,
        (volume - expected.volume) ** 2 / expected.volume,
        FIRST_INTERVALS,
        DISPERSION_MEMORY,
      );
    }
    if (expected.shareKnown && !excluded.share && certain >= 2) {
      const { share } = expected;
      this.#shareDispersion = learned(
        this.#shareDispersion,
        (negative - certain * share) ** 2 / (certain * share * (1 - share)),
        FIRST_INTERVALS,
        DISPERSION_MEMORY,
      );
    }
  }

  /**
   * How much busier the last hours were than their season. Half as far down as up: that it was quiet
   * lately does not make what is usual at this hour an alarm.
   */
  #level(): number {
    const blocks = this.#settled().filter(({ seasonal }) => seasonal > 0);
    const kept = trimmed(blocks, ({ volume, seasonal }) => volume / seasonal);
    const volume = kept.reduce((sum, block) => sum + block.volume, 10);
    const seasonal = kept.reduce((sum, block) => sum + block.seasonal, 10);
    const level = volume / seasonal;
    return clamp(level < 1 ? Math.sqrt(level) : level, 1 / 3, 3);
  }

  /** The level of the last hours carried on to now; undefined while there are too few. */
  #localVolume(): number | undefined {
    const blocks = this.#settled().filter(({ intervals }) => intervals === BLOCK);
    if (blocks.length < WARM_UP_BLOCKS) return undefined;
    const total = blocks.reduce((sum, { volume }) => sum + volume, 0);
    if (total < 10 * blocks.length) return total / blocks.length / BLOCK;
    const { slope, intercept } = theilSen(blocks.map(({ volume }) => Math.log(volume + 1)));
    const now = blocks.length - 0.5 + GUARD + (this.#blocks.at(-1)?.intervals ?? 0) / BLOCK / 2;
    return Math.max(0, Math.exp(intercept + clamp(slope, -0.3, 0.3) * now) - 1) / BLOCK;
  }

  #recentShare(): { certain: number; negative: number } {
    const blocks = this.#settled().filter(({ certain }) => certain > 0);
    const kept = trimmed(blocks, ({ certain, negative }) => negative / certain);
    return {
      certain: kept.reduce((sum, block) => sum + block.certain, 0),
      negative: kept.reduce((sum, block) => sum + block.negative, 0),
    };
  }

  /** Blocks of the last two hours without the youngest, which may hold the start of an incident. */
  #settled(): Block[] {
    return this.#blocks.slice(0, -1 - GUARD).slice(-LEVEL_BLOCKS);
  }

  #seasonAt(time: number): { volume: number; days: number; share: number; posts: number } {
    const { day, hour, weekday } = this.clock.at(time);
    const whole = Math.floor(hour);
    const key = `${day} ${whole}`;
    if (this.#season?.key !== key) {
      const slots = [(whole + 23) % 24, whole, (whole + 1) % 24];
      const volumes = slots.map((slot) => this.#hourVolume(slot, day, weekday));
      const known = volumes.every(({ days }) => days > 0);
      this.#season = {
        key,
        volumes: volumes.map(({ volume }) => volume),
        days: known ? volumes[1]!.days : 0,
        ...this.#hourShare(whole, day),
      };
    }
    const { volumes, days, share, posts } = this.#season;
    if (days === 0) return { volume: 0, days, share, posts };
    const [before, at, after] = volumes as [number, number, number];
    const fraction = hour - whole - 0.5;
    const volume = fraction < 0 ? at + (at - before) * fraction : at + (after - at) * fraction;
    return { volume, days, share, posts };
  }

  /** The median over days of an hour's mean per interval. */
  #hourVolume(slot: number, day: number, weekday: number): { volume: number; days: number } {
    const entries = this.#hours[slot]!.filter((entry) => entry.day < day && entry.intervals >= 5);
    const same = entries.filter((entry) => entry.weekday === weekday);
    const used = same.length >= ENOUGH_OF_A_WEEKDAY ? same : entries;
    if (used.length === 0) return { volume: 0, days: 0 };
    return {
      volume: median(used.map(({ volume, intervals }) => volume / intervals)),
      days: used.length,
    };
  }

  #hourShare(slot: number, day: number): { share: number; posts: number } {
    const before = (entries: readonly HourOfDay[]) =>
      entries.filter((entry) => entry.day < day && entry.certain >= 10);
    const all = this.#hours.flatMap(before);
    const posts = all.reduce((sum, { certain }) => sum + certain, 0);
    if (posts === 0) return { share: FIRST_SHARE, posts: 0 };
    const overall = median(all.map(({ certain, negative }) => negative / certain));
    const own = before(this.#hours[slot]!);
    const certain = own.reduce((sum, entry) => sum + entry.certain, 0);
    const share = own.length === 0 ? overall : median(own.map((e) => e.negative / e.certain));
    const weight = certain / (certain + PRIOR_POSTS);
    return { share: weight * share + (1 - weight) * overall, posts };
  }
}

/** Without the quarter with the lowest and the quarter with the highest values. */
function trimmed<T>(items: readonly T[], valueOf: (item: T) => number): T[] {
  const cut = Math.floor(items.length / 4);
  const sorted = [...items].sort((a, b) => valueOf(a) - valueOf(b));
  return sorted.slice(cut, sorted.length - cut);
}

function learned(
  { value, seen }: Dispersion,
  observed: number,
  first: number,
  memory: number,
): Dispersion {
  const step = 1 / Math.min(memory, seen + first);
  const bounded = Math.min(observed, 9 * Math.max(1, value));
  return { value: clamp(value + step * (bounded - value), 0.2, MOST_DISPERSION), seen: seen + 1 };
}
