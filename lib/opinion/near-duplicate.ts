import { foldText } from './fold';
import type { Duplicate } from './post';
import { Shingler } from './shingles';
import { clamp } from './statistics';

/** What the posts of a group count: each one, the first only, or together 1 + ln(number). */
export type RepostWeight = 'all' | 'first' | 'log';

export interface NearDuplicateOptions {
  /** Jaccard similarity of the shingles from which two posts are the same, 0.3–1. */
  readonly threshold: number;
  /** How long after its last post a group is remembered, milliseconds of data time. */
  readonly windowMs: number;
  /** Groups that are remembered; one more forgets the one that has been silent longest. */
  readonly maxGroups: number;
  readonly weight: RepostWeight;
}

export const NEAR_DUPLICATE_DEFAULTS: NearDuplicateOptions = {
  threshold: 0.7,
  windowMs: 24 * 3_600_000,
  maxGroups: 20_000,
  weight: 'all',
};

/** How much of a text is looked at: enough to tell that two long texts are the same. */
const MOST_UNITS = 20_000;
/** Shingles of a text that are kept: the smallest by hash, a fair sample of all. */
const SKETCH = 256;
/** Minima of the signature; those of one band must all agree to make two posts candidates. */
const MINIMA = 60;
/** Reposts that are known again after a restart. */
const SAVED_REPOSTS = 5_000;
/** Candidates that are compared with a post. */
const MOST_CANDIDATES = 50;

interface Group {
  readonly id: string;
  readonly sketch: Uint32Array;
  /** A hash for each band of the signature. */
  readonly bands: readonly number[];
  count: number;
  /** Data time of its latest post. */
  last: number;
  /** The number of the post that it was last compared with. */
  compared: number;
}

/** What {@link NearDuplicates.add} needs of a post. */
export interface Comparable {
  readonly id: string;
  readonly text: string;
  readonly time: number;
}

/** What a post is to its group, and what it counts. */
export interface Judged {
  readonly duplicate: Duplicate;
  readonly weight: number;
}

/** A group as JSON; of one that is known already the sketch may be left out. */
export interface SavedGroup {
  readonly id: string;
  readonly sketch?: string;
  readonly count: number;
  readonly last: number;
}

/** A post that joined a group, so that it is not counted again when it comes again. */
export interface SavedRepost {
  readonly id: string;
  readonly group: string;
  readonly count: number;
  readonly similarity: number;
}

/** The groups of a window, as JSON. */
export interface NearDuplicateState {
  readonly version: 1;
  readonly newest: number | null;
  readonly groups: readonly SavedGroup[];
  readonly reposts?: readonly SavedRepost[];
}

/**
 * Groups posts that say nearly the same. A text is the set of its shingles, three characters or two
 * words each (A. Z. Broder, "On the resemblance and containment of documents", 1997), after its
 * repost chain, mentions and links were taken off. Candidates are found by the minima of hash
 * functions in bands (MinHash with locality-sensitive hashing; J. Leskovec et al., "Mining of Massive
 * Datasets", section 3.4) and compared with the first post of their group by the Jaccard similarity
 * of the smallest 256 shingle hashes, which is exact for texts of that length.
 *
 * A group is what is like its first post, so it does not wander off as it grows. What is kept is one
 * sketch a group, about 1.5 kB, bounded in time and number.
 */
export class NearDuplicates {
  readonly #options: NearDuplicateOptions;
  readonly #rows: number;
  /** By id of the group, the one that was silent longest first. */
  readonly #groups = new Map<string, Group>();
  /** For each band the groups by their hash in it, in the order in which they began. */
  readonly #byBand: readonly Map<number, Group[]>[];
  readonly #shingler = new Shingler();
  /** Posts that were compared with groups. */
  #comparisons = 0;
  /** Posts that were seen, by id: a post that comes again is no repost of itself. */
  readonly #seen = new Map<string, Judged>();
  #newest = -Infinity;
  /** Since they were asked for last: groups by id, and whether they are new, and reposts. */
  #changed = new Map<string, boolean>();
  #joined: SavedRepost[] = [];

  constructor(options: Partial<NearDuplicateOptions> = {}, state?: unknown) {
    const all = { ...NEAR_DUPLICATE_DEFAULTS, ...options };
    this.#options = { ...all, threshold: clamp(all.threshold, 0.3, 1) };
    this.#rows = rowsFor(this.#options.threshold);
    this.#byBand = Array.from({ length: Math.floor(MINIMA / this.#rows) }, () => new Map());
    if (isState(state)) this.#restore(state);
  }

  get size(): number {
    return this.#groups.size;
  }

  toJSON(): NearDuplicateState {
    return {
      version: 1,
      newest: Number.isFinite(this.#newest) ? this.#newest : null,
      groups: [...this.#groups.values()].map((group) => saved(group, true)),
      reposts: [...this.#seen]
        .filter(([, { duplicate }]) => !duplicate.first)
        .slice(-SAVED_REPOSTS)
        .map(([id, { duplicate }]) => repost(id, duplicate)),
    };
  }

  /** What has changed since this was called last, as JSON. */
  takeChanges(): {
    newest: number | null;
    groups: readonly SavedGroup[];
    reposts: readonly SavedRepost[];
  } {
    const groups = [...this.#changed].flatMap(([id, isNew]) => {
      const group = this.#groups.get(id);
      return group ? [saved(group, isNew)] : [];
    });
    const reposts = this.#joined;
    this.#changed = new Map();
    this.#joined = [];
    return { newest: Number.isFinite(this.#newest) ? this.#newest : null, groups, reposts };
  }

  /**
   * Puts a post into the group that it is like, or begins one.
   *
   * @example
   * duplicates.add({ id: 'a', text: '地铁明天起涨价', time: 1 }).duplicate.first; // → true
   * duplicates.add({ id: 'b', text: '转发 //@小明: 地铁明天起涨价！', time: 2 }).duplicate;
   * // → { group: 'a', count: 2, first: false, similarity: 1 }
   */
  add({ id, text, time }: Comparable): Judged {
    const known = this.#seen.get(id);
    if (known !== undefined) return known;
    // The same after a restart, of which only the groups are left.
    if (this.#groups.has(id)) return first(id);
    this.#newest = Math.max(this.#newest, time);
    this.#forget();
    const sketch = this.#shingler.hashes(bareText(text), SKETCH);
    const bands = this.#bandsOf(sketch);
    const found = this.#closest(sketch, bands);
    const judged = found ? this.#join(found, time) : this.#begin(id, sketch, bands, time);
    this.#remember(id, judged);
    const { group } = judged.duplicate;
    this.#changed.set(group, this.#changed.get(group) ?? found === undefined);
    if (found) this.#joined.push(repost(id, judged.duplicate));
    return judged;
  }

  #join({ group, similarity }: { group: Group; similarity: number }, time: number): Judged {
    group.count += 1;
    group.last = Math.max(group.last, time);
    this.#groups.delete(group.id);
    this.#groups.set(group.id, group);
    return {
      duplicate: {
        group: group.id,
        count: group.count,
        first: false,
        similarity: Math.round(similarity * 1e4) / 1e4,
      },
      weight: weightOf(this.#options.weight, group.count),
    };
  }

  #begin(id: string, sketch: Uint32Array, bands: readonly number[], time: number): Judged {
    // What says nothing of its own is like nothing else.
    if (sketch.length > 0) this.#insert({ id, sketch, bands, count: 1, last: time, compared: 0 });
    return first(id);
  }

  #insert(group: Group): void {
    this.#groups.set(group.id, group);
    group.bands.forEach((hash, band) => {
      const list = this.#byBand[band]!.get(hash);
      if (list) list.push(group);
      else this.#byBand[band]!.set(hash, [group]);
    });
    if (this.#groups.size > this.#options.maxGroups)
      this.#drop(this.#groups.values().next().value!);
  }

  #drop(group: Group): void {
    this.#groups.delete(group.id);
    group.bands.forEach((hash, band) => {
      const list = this.#byBand[band]!.get(hash);
      if (list === undefined) return;
      if (list.length > 1) list.splice(list.indexOf(group), 1);
      else this.#byBand[band]!.delete(hash);
    });
  }

  #forget(): void {
    for (const group of this.#groups.values()) {
      if (this.#newest - group.last <= this.#options.windowMs) return;
      this.#drop(group);
    }
  }

  #remember(id: string, judged: Judged): void {
    this.#seen.set(id, judged);
    if (this.#seen.size > 2 * this.#options.maxGroups) {
      this.#seen.delete(this.#seen.keys().next().value!);
    }
  }

  #closest(
    sketch: Uint32Array,
    bands: readonly number[],
  ): { group: Group; similarity: number } | undefined {
    let best: { group: Group; similarity: number } | undefined;
    this.#comparisons += 1;
    let candidates = 0;
    for (let band = 0; band < bands.length; band += 1) {
      const groups = this.#byBand[band]!.get(bands[band]!);
      if (groups === undefined) continue;
      for (const group of groups) {
        if (group.compared === this.#comparisons) continue;
        if (candidates >= MOST_CANDIDATES) return best;
        candidates += 1;
        group.compared = this.#comparisons;
        const similarity = jaccard(sketch, group.sketch);
        if (similarity < this.#options.threshold) continue;
        if (best === undefined || similarity > best.similarity) best = { group, similarity };
      }
    }
    return best;
  }

  /** One hash for each band of the signature. */
  #bandsOf(sketch: Uint32Array): number[] {
    if (sketch.length === 0) return [];
    const signature = minima(sketch);
    const bands: number[] = [];
    for (let from = 0; from + this.#rows <= MINIMA; from += this.#rows) {
      let hash = from + 1;
      for (let row = from; row < from + this.#rows; row += 1) {
        hash = Math.imul(hash ^ signature[row]!, 0x9e3779b1);
        hash ^= hash >>> 15;
      }
      // A small integer is found faster as the key of a map than a larger number.
      bands.push(hash | 0);
    }
    return bands;
  }

  #restore({ newest, groups, reposts = [] }: NearDuplicateState): void {
    this.#newest = newest ?? -Infinity;
    for (const { id, group, count, similarity } of reposts.slice(-SAVED_REPOSTS)) {
      const weight = weightOf(this.#options.weight, count);
      this.#remember(id, { duplicate: { group, count, first: false, similarity }, weight });
    }
    for (const { id, sketch = '', count, last } of groups.slice(-this.#options.maxGroups)) {
      const bytes = Buffer.from(sketch, 'base64');
      const values = new Uint32Array(bytes.length >> 2);
      for (let at = 0; at < values.length; at += 1) values[at] = bytes.readUInt32LE(4 * at);
      const known = this.#groups.get(id);
      if (known) this.#drop(known);
      const bands = this.#bandsOf(values);
      this.#insert({ id, sketch: values, bands, count, last, compared: 0 });
    }
  }
}

function saved({ id, sketch, count, last }: Group, whole: boolean): SavedGroup {
  const { buffer, byteOffset, byteLength } = sketch;
  const bytes = () => Buffer.from(buffer, byteOffset, byteLength).toString('base64');
  return { id, ...(whole && { sketch: bytes() }), count, last };
}

function repost(id: string, { group, count, similarity }: Duplicate): SavedRepost {
  return { id, group, count, similarity };
}

function first(id: string): Judged {
  return { duplicate: { group: id, count: 1, first: true, similarity: 1 }, weight: 1 };
}

/**
 * What the n-th post of a group counts. By `log` the first n together count 1 + ln n.
 *
 * @example weightOf('log', 2); // → 0.693
 */
export function weightOf(weight: RepostWeight, count: number): number {
  if (weight === 'all' || count <= 1) return 1;
  return weight === 'first' ? 0 : Math.log(count / (count - 1));
}

/**
 * Rows of a band so that posts of the threshold's similarity s are candidates with a probability
 * 1 − (1 − s^rows)^bands of at least 99 %; more rows mean fewer candidates that are none.
 */
function rowsFor(threshold: number): number {
  for (const rows of [10, 6, 5, 4, 3, 2]) {
    const bands = Math.floor(MINIMA / rows);
    if (1 - (1 - threshold ** rows) ** bands >= 0.99) return rows;
  }
  return 1;
}

const LINK = /https?:\/\/[\w\-.~:/?#@!$&'*+,;=%]+/g;
const MENTION = /@[\p{L}\p{N}_\-·.]{1,40}/gu;
const REPOST_MARK = /\/\/\s*@[^:：\s]{0,40}\s*[:：]?/u;
/** What an app puts before a repost. */
const REPOST_WORDS = /^(?:转发微博|轉發微博|转发|轉發|轉|转|repost|rt)(?=$|[^\p{L}\p{N}])/u;
const MARK = /[^\p{L}\p{N}\p{Extended_Pictographic}]+/gu;

/**
 * What of a text tells whether two are the same: without the repost chain (`//@…`), of which the
 * oldest part, the one that is reposted, stays when the reposter added nothing; without mentions,
 * links, marks and case.
 */
export function bareText(text: string): string {
  const folded = foldText(text.slice(0, MOST_UNITS));
  if (!folded.includes('//')) return bare(folded);
  const parts = folded.replace(LINK, ' ').split(REPOST_MARK).map(bare);
  // A chain says what its longest part says: the reposted text, or a comment of some length.
  return parts.reduce((longest, part) => (part.length > longest.length ? part : longest), '');
}

function bare(part: string): string {
  const own = part.includes('@') ? part.replace(MENTION, ' ') : part;
  const words = own.trim().replace(REPOST_WORDS, ' ');
  return words.replace(MARK, ' ').trim();
}

/** Similarity of two sets by their smallest members (bottom-k; Broder 1997, section 4). */
function jaccard(one: Uint32Array, other: Uint32Array): number {
  if (one.length === 0 || other.length === 0) return 0;
  let i = 0;
  let j = 0;
  let common = 0;
  let union = 0;
  while (union < SKETCH && (i < one.length || j < other.length)) {
    const a = i < one.length ? one[i]! : Infinity;
    const b = j < other.length ? other[j]! : Infinity;
    if (a === b) common += 1;
    if (a <= b) i += 1;
    if (b <= a) j += 1;
    union += 1;
  }
  return common / union;
}

const FACTORS = Uint32Array.from({ length: MINIMA }, (_, at) => (Math.imul(at + 1, 0x9e3779b1) | 1) >>> 0); // prettier-ignore
const SHIFTS = Uint32Array.from({ length: MINIMA }, (_, at) => Math.imul(at + 7, 0x85ebca6b) >>> 0);

const SIGN = 0x80000000 | 0;

/** The minimum of each hash function over the members of a set. */
function minima(members: Uint32Array): Uint32Array {
  const least = new Uint32Array(MINIMA);
  for (let at = 0; at < MINIMA; at += 1) {
    const shift = SHIFTS[at]!;
    const factor = FACTORS[at]!;
    // With the sign bit flipped the order of signed numbers is that of unsigned ones.
    let smallest = 0x7fffffff;
    for (let member = 0; member < members.length; member += 1) {
      let hash = Math.imul(members[member]! ^ shift, factor);
      hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
      hash = hash ^ (hash >>> 13) ^ SIGN;
      if (hash < smallest) smallest = hash;
    }
    least[at] = smallest ^ SIGN;
  }
  return least;
}

function isState(value: unknown): value is NearDuplicateState {
  if (typeof value !== 'object' || value === null) return false;
  const { version, groups } = value as Partial<NearDuplicateState>;
  return version === 1 && Array.isArray(groups);
}
