import { createHash } from 'node:crypto';
import { EmotionError } from '../emotion/error';
import type { Emotion, Scores } from '../emotion/labels';
import type { Result, TokenWeight } from '../emotion/result';
import { parseResult } from '../fusion/validate';

/** What a near-duplicate of other posts is to its group. */
export interface Duplicate {
  /** Id of the group's first post. */
  readonly group: string;
  /** Posts of the group so far, this one included. */
  readonly count: number;
  readonly first: boolean;
  /** Jaccard similarity with the group's first post, 0–1. */
  readonly similarity: number;
}

/** One opinion of somebody, as it travels through a flow. Times in milliseconds since 1970. */
export interface Post {
  readonly id: string;
  readonly text: string;
  /** The channel that it came by: one level of an MQTT topic. */
  readonly topic?: string;
  readonly source: string;
  readonly author?: string;
  /** http or https. */
  readonly url?: string;
  /** When it was written: data time. */
  readonly time: number;
  /** When it reached us. */
  readonly received: number;
  /** Ids of the Boolean rules that match; empty when none does, absent when none was asked. */
  readonly topics?: readonly string[];
  readonly duplicate?: Duplicate;
  /** What it counts in shares and volumes, 0 or more; 1 where absent. */
  readonly weight?: number;
  readonly result?: Result;
}

/** What a post has that its sender left out, and how long it may be. */
export interface PostDefaults {
  readonly topic?: string | undefined;
  readonly source?: string | undefined;
  /** The clock; by default `Date.now()`. */
  readonly received?: number | undefined;
  /** Longest text in UTF-16 units. */
  readonly maxLength?: number | undefined;
}

export const MAX_POST_LENGTH = 100_000;

/** Longest id, topic, source, author and address. */
const MAX_NAME = 512;
const MAX_URL = 2048;
const MAX_TOPICS = 1000;
/** 10,000-01-01: what lies behind it no calendar of a database takes. */
const LAST_TIME = 253_402_300_800_000;
/** Numbers below are seconds, for no post is older than 3 March 1973. */
const FIRST_TIME = 1e11;

// eslint-disable-next-line no-control-regex
const UNSTORABLE = /[\u0000\p{Surrogate}]/u;
const EACH_UNSTORABLE = new RegExp(UNSTORABLE, 'gu');
const MQTT_WILDCARD = /[+#\u0000]/; // eslint-disable-line no-control-regex
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/**
 * A post out of what a message carries: a string (the text), or an object with at least `text`. An
 * array gives nothing: take its members one by one. Members that a Post does not have are left out,
 * and what no database can hold (U+0000, half a surrogate pair) becomes U+FFFD.
 *
 * `time` may be a number (milliseconds since 1970, or seconds when below 10¹¹), a Date or a string
 * that `Date.parse` reads; without one it is the time of receipt. A post without an `id` gets the
 * SHA-256 of its source, author, stated time and text, so that the same post sent twice is one; two
 * people who say the same are told apart by author or time. An address that is not http or https is
 * left out, since it becomes a link on a page. Only a post that brings its `result` along may be
 * without text, as those of a microphone or camera are.
 *
 * @throws EmotionError `opinion.not-a-post`, which names the member; `input.too-large` for a text
 * beyond `maxLength` (100,000 by default); `fusion.not-a-result` for a `result` that is none
 *
 * @example
 * parsePost({ text: '地铁又涨价了', author: 'a', time: 1714521600 }, { source: 'weibo' });
 * // → { id: '5c0b…', text: '地铁又涨价了', source: 'weibo', author: 'a', time: 1714521600000, received: … }
 */
export function parsePost(value: unknown, defaults: PostDefaults = {}): Post {
  const given: Record<string, unknown> =
    typeof value === 'string' ? { text: value } : record(value);
  const result = given['result'] == null ? undefined : parseResult(given['result']);
  const text = textOf(given['text'], defaults.maxLength ?? MAX_POST_LENGTH, result !== undefined);
  const received = given['received'] == null ? defaults.received : timeOf(given, 'received');
  const now = received ?? Date.now();
  const stated = given['time'] == null || given['time'] === '' ? undefined : timeOf(given, 'time');
  const topic = channel(nameOf(given, 'topic') ?? defaults.topic);
  const source = nameOf(given, 'source') ?? defaults.source ?? 'unknown';
  const author = nameOf(given, 'author');
  const url = urlOf(given['url']);
  const topics = topicsOf(given['topics']);
  const duplicate = duplicateOf(given['duplicate']);
  const weight = weightOf(given['weight']);
  return {
    id: nameOf(given, 'id') ?? postId(source, author, stated, text, result),
    text,
    ...(topic !== undefined && { topic }),
    source,
    ...(author !== undefined && { author }),
    ...(url !== undefined && { url }),
    time: stated ?? now,
    received: now,
    ...(topics && { topics }),
    ...(duplicate && { duplicate }),
    ...(weight !== undefined && { weight }),
    ...(result && { result }),
  };
}

/**
 * The posts with what the model said of them, in the same order. A post that has a result keeps it.
 *
 * @throws EmotionError `opinion.results-mismatch` when there is not one result for each post
 */
export function withResults(posts: readonly Post[], results: unknown): Post[] {
  const list: readonly unknown[] = Array.isArray(results) ? results : [results];
  if (list.length !== posts.length) {
    throw new EmotionError(
      'opinion.results-mismatch',
      `Expected a result for each of ${posts.length} posts, got ${list.length}: keep msg.posts and ` +
        'what the model reads in the same order',
      { posts: posts.length, results: list.length },
    );
  }
  return posts.map((post, index) =>
    post.result ? post : { ...post, result: parseResult(list[index]) },
  );
}

/** A post as a row of the table `posts`, and what belongs into `post_topics`. */
export interface PostRow {
  readonly id: string;
  readonly topic: string | null;
  readonly source: string;
  readonly author: string | null;
  readonly url: string | null;
  readonly text: string;
  readonly language: string | null;
  readonly time: number;
  readonly received: number;
  readonly label: Emotion | null;
  readonly score: number | null;
  /** 1 where the model is not sure, or had nothing to judge; such a post is no neutral one. */
  readonly uncertain: 0 | 1;
  readonly scores: Scores | null;
  /** The words that decided, the heaviest first. */
  readonly words: readonly TokenWeight[];
  readonly duplicate_group: string | null;
  readonly weight: number;
  readonly model: string | null;
  readonly runtime: string | null;
  /** Why the fallback answered. */
  readonly fallback: string | null;
  readonly topics: readonly string[];
}

/**
 * The row of a post. `scores`, `words` and `topics` are values, not JSON text: a driver that takes
 * the rows of a batch as one JSON parameter (`json_each`, `jsonb_to_recordset`) gets them as JSON.
 *
 * @example toRow(post).words; // → [{ text: '涨价', weight: 0.61 }, { text: '地铁', weight: 0.2 }]
 */
export function toRow(post: Post): PostRow {
  const { result } = post;
  return {
    id: post.id,
    topic: post.topic ?? null,
    source: post.source,
    author: post.author ?? null,
    url: post.url ?? null,
    text: post.text,
    language: result?.source.language ?? null,
    time: post.time,
    received: post.received,
    label: result?.label ?? null,
    score: result ? result.score : null,
    uncertain: certainLabel(post) === undefined ? 1 : 0,
    scores: result ? result.scores : null,
    words: result ? decisiveWords(result) : [],
    duplicate_group: post.duplicate?.group ?? null,
    weight: post.weight ?? 1,
    model: result?.model ?? null,
    runtime: result?.runtime ?? null,
    fallback: result?.fallback?.reason ?? null,
    topics: post.topics ?? [],
  };
}

/** The emotion of a post; undefined when there is no result, no label or no certainty. */
export function certainLabel({ result }: Pick<Post, 'result'>): Emotion | undefined {
  if (result === undefined || result.label === null || result.uncertain === true) return undefined;
  return result.label;
}

const HAS_LETTER = /[\p{L}\p{N}]|\p{Extended_Pictographic}/u;
const HAN = /\p{Script=Han}/u;

/**
 * The words of a text that decided its emotion, the heaviest first. A word's weight is the attention
 * that its tokens got, times the share of their segment in the answer. Pieces of one word are joined,
 * and neighbouring Chinese characters that both got more than an equal share of the attention.
 *
 * @param most at most so many
 * @returns weights sum to 1 at most; empty for a model that does not tell
 */
export function decisiveWords(
  { segments = [] }: Pick<Result, 'segments'>,
  most = 12,
): TokenWeight[] {
  const weights = new Map<string, number>();
  for (const segment of segments) {
    const { tokens = [], text = '', weight: share = 1 / segments.length } = segment;
    for (const word of joined(tokens, text.normalize('NFKC').toLowerCase())) {
      if (!HAS_LETTER.test(word.text)) continue;
      weights.set(word.text, (weights.get(word.text) ?? 0) + share * word.weight);
    }
  }
  return [...weights]
    .map(([text, weight]) => ({ text, weight: Math.round(weight * 1e4) / 1e4 }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || (a.text < b.text ? -1 : 1))
    .slice(0, most);
}

/** Tokens that stand side by side in the text and belong together. */
function* joined(tokens: readonly TokenWeight[], text: string): Generator<TokenWeight> {
  const mean = tokens.reduce((sum, { weight }) => sum + weight, 0) / Math.max(1, tokens.length);
  let held: { text: string; weight: number; end: number; heavy: boolean } | undefined;
  let from = 0;
  for (const token of tokens) {
    const at = text.indexOf(token.text.toLowerCase(), from);
    const heavy = token.weight > mean;
    const touching = held !== undefined && at >= 0 && at === held.end;
    if (at >= 0) from = at + token.text.length;
    if (held && touching && together(held, token, heavy)) {
      held.text += token.text;
      held.weight += token.weight;
      held.end = from;
    } else {
      if (held) yield held;
      held = { text: token.text, weight: token.weight, end: at < 0 ? -1 : from, heavy };
    }
  }
  if (held) yield held;
}

function together(
  held: { text: string; heavy: boolean },
  { text }: TokenWeight,
  heavy: boolean,
): boolean {
  const han = HAN.test(held.text);
  if (han !== HAN.test(text)) return false;
  if (han) return held.heavy && heavy && held.text.length + text.length <= 6;
  return /[\p{L}\p{N}]$/u.test(held.text) && /^[\p{L}\p{N}]/u.test(text);
}

function postId(
  source: string,
  author: string | undefined,
  time: number | undefined,
  text: string,
  result: Result | undefined,
): string {
  const parts = [source, author ?? null, time ?? null, text, ...(text === '' ? [result] : [])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    if (!(value instanceof Uint8Array)) return value as Record<string, unknown>;
  }
  throw refuse('post', 'an object with a text, or a string', value);
}

function textOf(value: unknown, maxLength: number, mayBeEmpty: boolean): string {
  if (mayBeEmpty && value == null) return '';
  if (typeof value !== 'string') throw refuse('text', 'a string', value);
  if (value.length > maxLength) {
    throw new EmotionError(
      'input.too-large',
      `The text of a post has ${value.length} characters; at most ${maxLength} are taken`,
      { length: value.length, most: maxLength },
    );
  }
  if (!mayBeEmpty && value.trim() === '') throw refuse('text', 'a text that is not empty', value);
  return storable(value);
}

/** U+0000 and lone surrogates are in no text that a database or UTF-8 can hold. */
function storable(text: string): string {
  return UNSTORABLE.test(text) ? text.replace(EACH_UNSTORABLE, '\ufffd') : text;
}

/** Names come as numbers too: the id of a user, say. Blank ones are none. */
function nameOf(given: Record<string, unknown>, member: string): string | undefined {
  const value = given[member];
  if (value == null) return undefined;
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') {
    throw refuse(member, 'a string or a number', value);
  }
  const name = storable(String(value).replace(CONTROL, '')).trim();
  if (name.length > MAX_NAME) throw refuse(member, `at most ${MAX_NAME} characters`, value);
  return name === '' ? undefined : name;
}

/** Alerts of a topic are published below its name, where a wildcard would be another thing. */
function channel(topic: string | undefined): string | undefined {
  if (topic !== undefined && MQTT_WILDCARD.test(topic)) {
    throw refuse('topic', 'a name without the MQTT wildcards + and #', topic);
  }
  return topic;
}

function timeOf(given: Record<string, unknown>, member: 'time' | 'received'): number {
  const value = given[member];
  let time = NaN;
  if (typeof value === 'number') time = value;
  else if (value instanceof Date) time = value.getTime();
  else if (typeof value === 'string') {
    time = /^\s*\d+(?:\.\d+)?\s*$/.test(value) ? Number(value) : Date.parse(value);
  }
  if (time < FIRST_TIME && !(value instanceof Date) && !isDateText(value)) time *= 1000;
  if (!(time >= FIRST_TIME && time < LAST_TIME)) {
    throw refuse(member, 'milliseconds since 1970 or a date that can be read', value);
  }
  return Math.round(time);
}

function isDateText(value: unknown): boolean {
  return typeof value === 'string' && /\D/.test(value.trim().replace('.', ''));
}

function urlOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_URL) return undefined;
  const url = value.trim();
  return /^https?:\/\/[^\s"'<>`\\]+$/i.test(url) && URL.canParse(url) ? url : undefined;
}

function topicsOf(value: unknown): string[] | undefined {
  if (value == null) return undefined;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    throw refuse('topics', 'an array of strings', value);
  }
  if (value.length > MAX_TOPICS) throw refuse('topics', `at most ${MAX_TOPICS} items`, value);
  return value;
}

function duplicateOf(value: unknown): Duplicate | undefined {
  if (value == null) return undefined;
  const { group, count, first, similarity } = record(value);
  if (
    typeof group !== 'string' ||
    typeof count !== 'number' ||
    typeof first !== 'boolean' ||
    typeof similarity !== 'number'
  ) {
    throw refuse('duplicate', '{ group, count, first, similarity }', value);
  }
  return { group, count, first, similarity };
}

function weightOf(value: unknown): number | undefined {
  if (value == null) return undefined;
  if (typeof value === 'number' && value >= 0 && value <= 1e6) return value;
  throw refuse('weight', 'a number from 0 to 1,000,000', value);
}

function refuse(member: string, expected: string, got: unknown): EmotionError {
  const came = shown(got);
  return new EmotionError(
    'opinion.not-a-post',
    `Not a post: "${member}" must be ${expected}; got ${came}`,
    { member, expected, got: came },
  );
}

/** Short, and never a text of somebody in full. */
function shown(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  }
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value === undefined) return 'nothing';
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) {
    return String(value);
  }
  return `a value of type ${typeof value}`;
}

/**
 * The posts of a message: an array, or one alone.
 *
 * @throws EmotionError `opinion.not-a-post` for what is neither
 */
export function readPosts(
  value: unknown,
  defaults?: PostDefaults,
): { posts: Post[]; many: boolean } {
  if (!Array.isArray(value)) return { posts: [parsePost(value, defaults)], many: false };
  return { posts: value.map((item) => parsePost(item, defaults)), many: true };
}
