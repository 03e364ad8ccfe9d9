import { EmotionError } from '../emotion/error';
import { EMOTIONS, isEmotion, type Emotion } from '../emotion/labels';
import { bareText } from './near-duplicate';
import { certainLabel, parsePost } from './post';
import { wilsonInterval } from './statistics';
import { ContentWords, markedWords, WordCounts, type MarkedWord } from './word-statistics';
import type { ChineseCutter } from '../text/segment';

/** What a briefing needs to know of a post. */
export interface BriefingEntry {
  readonly id: string;
  readonly text: string;
  readonly source: string;
  readonly author?: string;
  readonly url?: string;
  readonly time: number;
  /** undefined: uncertain, and never counted as neutral. */
  readonly label: Emotion | undefined;
  readonly score: number;
  readonly weight: number;
  readonly group?: string;
}

/** A proportion of the certain posts, weighted, with its 95 % Wilson interval. */
export interface Share {
  /** Posts, and what they weigh. */
  readonly posts: number;
  readonly weight: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
  /** The share of the time before, and whether the difference is more than chance at 1 %. */
  readonly before?: number;
  readonly changed?: boolean;
}

export interface EmotionShare extends Share {
  readonly emotion: Emotion;
}

export interface SourceShare extends Share {
  readonly source: string;
  /** All of its posts, uncertain ones too. */
  readonly total: number;
  /** Its negative share differs from that of the other sources by more than chance at 1 %. */
  readonly differs: boolean;
}

export interface BriefingPost {
  readonly id: string;
  readonly text: string;
  readonly source: string;
  readonly author?: string;
  readonly url?: string;
  readonly time: number;
  readonly score: number;
  /** How many say the same. */
  readonly count: number;
}

export interface Briefing {
  readonly title: string;
  readonly from: number;
  readonly to: number;
  readonly posts: number;
  readonly weight: number;
  readonly certain: number;
  readonly uncertain: number;
  /** Posts of the time before, where one was given. */
  readonly before?: number;
  readonly emotions: readonly EmotionShare[];
  readonly negative: Share;
  /** Posts an hour. */
  readonly hours: readonly {
    readonly time: number;
    readonly posts: number;
    readonly negative: number;
  }[];
  /** Words that are said more than before; without a time before, more than in its first part. */
  readonly rising: readonly MarkedWord[];
  /** Words that mark an emotion against the others; `z` is the weight for a word cloud. */
  readonly words: Readonly<Partial<Record<Emotion, readonly MarkedWord[]>>>;
  readonly sources: readonly SourceShare[];
  /** The most certain posts of each emotion, of those that are the same one. */
  readonly examples: Readonly<Partial<Record<Emotion, readonly BriefingPost[]>>>;
}

export interface BriefingOptions {
  readonly title: string;
  readonly negative: readonly Emotion[];
  /** Posts of the time before, to compare with. */
  readonly before?: readonly BriefingEntry[];
  readonly words: number;
  readonly examples: number;
  readonly sources: number;
  readonly cutter: ChineseCutter;
  /** Called often; a caller on an event loop lets other work run here. */
  readonly pause?: () => Promise<void>;
}

export const BRIEFING_NEGATIVE: readonly Emotion[] = ['sad', 'angry', 'fear', 'disgust'];

const MOST_POSTS = 200_000;
const EXAMPLE_LENGTH = 280;
const HOUR = 3_600_000;
const MOST_HOURS = 24 * 31;
/** Standard deviations of a difference that is more than chance at 1 %. */
const CHANCE = 2.576;

/**
 * Posts with results, or rows of the table `posts`, as a briefing reads them.
 *
 * @throws EmotionError `opinion.not-a-post` for what is neither, `input.too-large` for more than
 * 200,000 posts
 */
export function briefingEntries(value: unknown): BriefingEntry[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > MOST_POSTS) {
    throw new EmotionError(
      'input.too-large',
      `A briefing takes at most ${MOST_POSTS} posts, got ${list.length}: choose a shorter time`,
      { most: MOST_POSTS, got: list.length },
    );
  }
  return list.map(entryOf);
}

function entryOf(value: unknown): BriefingEntry {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  if (!('label' in given)) {
    const post = parsePost(value);
    return {
      ...common(post),
      label: certainLabel(post),
      score: post.result?.score ?? 0,
      weight: post.weight ?? 1,
      ...(post.duplicate && { group: post.duplicate.group }),
    };
  }
  // A row of a database: what parsePost would take for something else is not looked at.
  const { id, text, source, author, url, time, received, topic } = given;
  const post = parsePost({
    id,
    text: text === '' ? '–' : text,
    source,
    author,
    url,
    time,
    received,
    topic,
  });
  const { label, uncertain, score, weight, duplicate_group: group } = given;
  const sure = isEmotion(label) && !isTrue(uncertain);
  return {
    ...common(post),
    label: sure ? label : undefined,
    score: typeof score === 'number' && Number.isFinite(score) ? score : Number(score ?? 0) || 0,
    weight: weight == null ? 1 : Math.max(0, Number(weight) || 0),
    ...(typeof group === 'string' && group !== '' && { group }),
  };
}

function common({ id, text, source, author, url, time }: ReturnType<typeof parsePost>) {
  return {
    id,
    text,
    source,
    ...(author !== undefined && { author }),
    ...(url !== undefined && { url }),
    time,
  };
}

/** Databases give 1, true, '1' or 't'. */
function isTrue(value: unknown): boolean {
  return value === true || value === 1 || value === '1' || value === 't' || value === 'true';
}

/**
 * What posts of a time are about and how people feel: shares with their uncertainty, words, sources,
 * examples. Weighted posts count by their weight, and intervals rest on the effective number
 * (Σw)² / Σw² (L. Kish, Survey Sampling, 1965); differences are those of two proportions.
 */
export async function makeBriefing(
  entries: readonly BriefingEntry[],
  options: BriefingOptions,
): Promise<Briefing> {
  const { before, negative, title } = options;
  const times = entries.map(({ time }) => time);
  const from = times.reduce((least, time) => Math.min(least, time), Infinity);
  const to = times.reduce((most, time) => Math.max(most, time), -Infinity);
  const isNegative = ({ label }: BriefingEntry) => label !== undefined && negative.includes(label);
  const certain = entries.filter(({ label }) => label !== undefined);
  const { words, rising } = await wordsOf(entries, options, from, to);
  const shareOfEmotion = (emotion: Emotion): EmotionShare => ({
    emotion,
    ...shareOf(entries, ({ label }) => label === emotion, before),
  });
  return {
    title,
    from: entries.length > 0 ? from : 0,
    to: entries.length > 0 ? to : 0,
    posts: entries.length,
    weight: round(sumOf(entries)),
    certain: certain.length,
    uncertain: entries.length - certain.length,
    ...(before && { before: before.length }),
    emotions: EMOTIONS.map(shareOfEmotion).sort((a, b) => b.share - a.share),
    negative: shareOf(entries, isNegative, before),
    hours: hoursOf(entries, isNegative, from, to),
    rising,
    words,
    sources: sourcesOf(entries, isNegative, options.sources),
    examples: Object.fromEntries(
      EMOTIONS.map(
        (emotion) => [emotion, examplesOf(entries, emotion, options.examples)] as const,
      ).filter(([, examples]) => examples.length > 0),
    ),
  };
}

interface Proportion {
  readonly posts: number;
  readonly weight: number;
  readonly share: number;
  /** Effective number of trials. */
  readonly trials: number;
}

function proportion(
  entries: readonly BriefingEntry[],
  counts: (entry: BriefingEntry) => boolean,
): Proportion {
  let total = 0;
  let squares = 0;
  let own = 0;
  let posts = 0;
  for (const entry of entries) {
    if (entry.label === undefined) continue;
    total += entry.weight;
    squares += entry.weight ** 2;
    if (!counts(entry)) continue;
    own += entry.weight;
    posts += 1;
  }
  return {
    posts,
    weight: round(own),
    share: total > 0 ? own / total : 0,
    trials: squares > 0 ? total ** 2 / squares : 0,
  };
}

function shareOf(
  entries: readonly BriefingEntry[],
  counts: (entry: BriefingEntry) => boolean,
  before: readonly BriefingEntry[] | undefined,
): Share {
  const now = proportion(entries, counts);
  const { low, high } = wilsonInterval(now.share * now.trials, now.trials);
  const earlier = before && proportion(before, counts);
  return {
    posts: now.posts,
    weight: now.weight,
    share: round(now.share),
    low: round(low),
    high: round(high),
    ...(earlier &&
      earlier.trials > 0 && {
        before: round(earlier.share),
        changed: differ(now, earlier),
      }),
  };
}

/** Whether two proportions differ by more than chance, with the pooled standard error. */
function differ(one: Proportion, other: Proportion): boolean {
  if (one.trials < 1 || other.trials < 1) return false;
  const pooled =
    (one.share * one.trials + other.share * other.trials) / (one.trials + other.trials);
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / one.trials + 1 / other.trials));
  return error > 0 && Math.abs(one.share - other.share) / error > CHANCE;
}

function hoursOf(
  entries: readonly BriefingEntry[],
  isNegative: (entry: BriefingEntry) => boolean,
  from: number,
  to: number,
): Briefing['hours'] {
  if (entries.length === 0) return [];
  const first = Math.max(Math.floor(from / HOUR), Math.floor(to / HOUR) - MOST_HOURS + 1);
  const hours = Array.from({ length: Math.floor(to / HOUR) - first + 1 }, (_, at) => ({
    time: (first + at) * HOUR,
    posts: 0,
    negative: 0,
  }));
  for (const entry of entries) {
    const hour = hours[Math.floor(entry.time / HOUR) - first];
    if (hour === undefined) continue;
    hour.posts += 1;
    if (isNegative(entry)) hour.negative += 1;
  }
  return hours;
}

function sourcesOf(
  entries: readonly BriefingEntry[],
  isNegative: (entry: BriefingEntry) => boolean,
  most: number,
): SourceShare[] {
  const bySource = new Map<string, BriefingEntry[]>();
  for (const entry of entries) {
    const list = bySource.get(entry.source);
    if (list) list.push(entry);
    else bySource.set(entry.source, [entry]);
  }
  return [...bySource]
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, most)
    .map(([source, own]) => {
      const others = entries.filter((entry) => entry.source !== source);
      return {
        source,
        total: own.length,
        ...shareOf(own, isNegative, undefined),
        differs: differ(proportion(own, isNegative), proportion(others, isNegative)),
      };
    });
}

function examplesOf(
  entries: readonly BriefingEntry[],
  emotion: Emotion,
  most: number,
): BriefingPost[] {
  const groups = new Map<string, { best: BriefingEntry; count: number }>();
  for (const entry of entries) {
    if (entry.label !== emotion) continue;
    const key = entry.group ?? bareText(entry.text.slice(0, 500));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { best: entry, count: 1 });
    else {
      group.count += 1;
      if (entry.score > group.best.score) group.best = entry;
    }
  }
  return [...groups.values()]
    .sort((a, b) => strength(b) - strength(a) || a.best.time - b.best.time)
    .slice(0, most)
    .map(({ best, count }) => ({
      id: best.id,
      text: shortened(best.text),
      source: best.source,
      ...(best.author !== undefined && { author: best.author }),
      ...(best.url !== undefined && { url: best.url }),
      time: best.time,
      score: round(best.score),
      count,
    }));
}

function strength({ best, count }: { best: BriefingEntry; count: number }): number {
  return best.score * (1 + Math.log(count));
}

async function wordsOf(
  entries: readonly BriefingEntry[],
  { before, words: most, cutter, pause }: BriefingOptions,
  from: number,
  to: number,
): Promise<Pick<Briefing, 'words' | 'rising'>> {
  const content = new ContentWords(cutter);
  const byEmotion = new Map<Emotion, WordCounts>();
  const counts = { now: new WordCounts(), late: new WordCounts(), early: new WordCounts() };
  const turn = from + ((to - from) * 2) / 3;
  for (const entry of entries) {
    const found = content.of(entry.text);
    counts.now.add(found, entry.weight);
    (entry.time > turn ? counts.late : counts.early).add(found, entry.weight);
    if (entry.label !== undefined) {
      const own = byEmotion.get(entry.label) ?? new WordCounts();
      own.add(found, entry.weight);
      byEmotion.set(entry.label, own);
    }
    await pause?.();
  }
  const earlier = new WordCounts();
  for (const entry of before ?? []) {
    earlier.add(content.of(entry.text), entry.weight);
    await pause?.();
  }
  const shown = (list: MarkedWord[]) =>
    list.map((marked) => ({ ...marked, word: content.shown(marked.word) }));
  const background = WordCounts.sum([counts.now, earlier]);
  const rising = before
    ? markedWords(counts.now, earlier, background, most)
    : markedWords(counts.late, counts.early, background, most);
  const all = WordCounts.sum(byEmotion.values());
  return {
    rising: shown(rising.filter(({ z }) => z > CHANCE)),
    words: Object.fromEntries(
      [...byEmotion].map(([emotion, own]) => {
        const others = WordCounts.sum(
          [...byEmotion].filter(([e]) => e !== emotion).map(([, c]) => c),
        );
        return [emotion, shown(markedWords(own, others, all, most))];
      }),
    ),
  };
}

function sumOf(entries: readonly BriefingEntry[]): number {
  return entries.reduce((sum, { weight }) => sum + weight, 0);
}

function shortened(text: string): string {
  if (text.length <= EXAMPLE_LENGTH) return text;
  return `${text.slice(0, EXAMPLE_LENGTH - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
