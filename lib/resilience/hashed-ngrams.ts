import { murmurHash3 } from './murmur-hash3';

/** One kind of n-grams; the blocks of a model lie one behind the other in its feature space. */
export interface NgramBlock {
  readonly analyzer: 'char' | 'word';
  /** Shortest and longest n-gram. */
  readonly range: readonly [number, number];
  /** Size of the block: n-grams are hashed into so many features. */
  readonly features: number;
}

/** The features of a text that are not zero; `indices` are in the order of first occurrence. */
export interface SparseVector {
  readonly indices: Uint32Array;
  /** Euclidean length 1; empty for a text without n-grams. */
  readonly values: Float64Array;
}

/** Most code points of a text that are looked at. */
export const MOST_CODE_POINTS = 2000;

/** Longest n-gram; with {@link MOST_CODE_POINTS} it bounds how often a feature can occur. */
export const LONGEST_NGRAM = 8;

/** Unicode's white space, the separators that Python's `str.isspace` adds, and the byte order mark. */
const WHITE_SPACE =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff';
const BLANKS = new RegExp(`[${WHITE_SPACE}]+`, 'gu');
const ADDRESS = /https?:\/\/[!-~]+/gu;
const LONG_RUN = /(.)\1{3,}/gsu;
const LONE_SURROGATE = /[\ud800-\udfff]/gu;
const BLANK = 0x20;
const WORD = /[a-z0-9'\u00df-\u00f6\u00f8-\u024f]+/g;

/**
 * The text as its n-grams are taken from it. In this order: the first 2,000 code points; a lone
 * surrogate becomes U+FFFD; NFKC; lower case; ’ becomes '; web addresses become a blank; a run of
 * four or more of one character becomes three; runs of white space become one blank, none at the
 * ends; the first 2,000 code points again, for NFKC may lengthen a text.
 *
 * @example normaliseForNgrams('  ＧＯＯＯＯＯＤ day!!!!!  https://a.b/c'); // → 'goood day!!!'
 */
export function normaliseForNgrams(text: string): string {
  const normalised = firstCodePoints(text, MOST_CODE_POINTS)
    .replace(LONE_SURROGATE, '\ufffd')
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll('\u2019', "'")
    .replace(ADDRESS, ' ')
    .replace(LONG_RUN, '$1$1$1')
    .replace(BLANKS, ' ')
    .replace(/^ | $/g, '');
  return firstCodePoints(normalised, MOST_CODE_POINTS);
}

function firstCodePoints(text: string, most: number): string {
  if (text.length <= most) return text;
  let end = 0;
  for (let count = 0; count < most && end < text.length; count++) {
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}

/**
 * Hashed n-gram counts of a text, without a vocabulary. Defined so that training can compute the
 * same numbers with scikit-learn alone:
 *
 * 1. {@link normaliseForNgrams}.
 * 2. `char`: every run of n code points, blanks included. `word`: every run of n words joined by
 *    one blank; a word is a match of `[a-z0-9'ß-öø-ɏ]+` (Latin script only: what is written in
 *    another one is left to the characters).
 * 3. An n-gram's UTF-8 bytes are hashed with MurmurHash3_x86_32, seed 0, to a signed integer h; its
 *    feature is |h| mod `features`; no sign is taken from the hash. Blocks are concatenated.
 * 4. A count c becomes 1 + ln c, and the whole vector is divided by its Euclidean length.
 *
 * ```python
 * def block(analyzer, low, high, features):
 *     return HashingVectorizer(
 *         preprocessor=normalise, lowercase=False, analyzer=analyzer, ngram_range=(low, high),
 *         token_pattern=r"[a-z0-9'\u00df-\u00f6\u00f8-\u024f]+",
 *         n_features=features, norm=None, alternate_sign=False)
 * make_pipeline(
 *     make_union(block("char", 1, 4, 2**17), block("word", 1, 2, 2**16)),
 *     TfidfTransformer(use_idf=False, sublinear_tf=True, norm="l2"))
 * ```
 *
 * K. Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.
 */
export class HashedNgrams {
  /** Length of the whole feature space. */
  readonly size: number;
  readonly #blocks: readonly NgramBlock[];
  readonly #counts: Uint16Array;
  readonly #encoder = new TextEncoder();

  /** @throws RangeError when a block's range or size makes no sense */
  constructor(blocks: readonly NgramBlock[]) {
    for (const { range, features } of blocks) {
      const [low, high] = range;
      if (!(Number.isInteger(low) && Number.isInteger(high) && low >= 1 && low <= high)) {
        throw new RangeError(`"range" must be two whole numbers from 1 up, got ${low}, ${high}`);
      }
      if (high > LONGEST_NGRAM) {
        throw new RangeError(`"range" must end at ${LONGEST_NGRAM} at most, got ${high}`);
      }
      if (!(Number.isInteger(features) && features >= 1 && features <= 2 ** 24)) {
        throw new RangeError(`"features" must be a whole number up to 2^24, got ${features}`);
      }
    }
    this.#blocks = blocks;
    this.size = blocks.reduce((sum, { features }) => sum + features, 0);
    this.#counts = new Uint16Array(this.size);
  }

  transform(text: string): SparseVector {
    const normalised = normaliseForNgrams(text);
    const touched: number[] = [];
    let base = 0;
    for (const { analyzer, range, features } of this.#blocks) {
      const count = (bytes: Uint8Array, from: number, to: number): void => {
        const index = base + (Math.abs(murmurHash3(bytes, from, to)) % features);
        const before = this.#counts[index] ?? 0;
        if (before === 0) touched.push(index);
        this.#counts[index] = before + 1;
      };
      if (analyzer === 'char') this.#characters(normalised, range, count);
      else this.#words(normalised, range, count);
      base += features;
    }

    const indices = Uint32Array.from(touched);
    const values = new Float64Array(indices.length);
    let squares = 0;
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i] ?? 0;
      const value = 1 + Math.log(this.#counts[index] ?? 1);
      values[i] = value;
      squares += value * value;
      this.#counts[index] = 0;
    }
    const length = Math.sqrt(squares);
    for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) / length;
    return { indices, values };
  }

  #characters(
    text: string,
    [low, high]: readonly [number, number],
    count: (bytes: Uint8Array, from: number, to: number) => void,
  ): void {
    const bytes = this.#encoder.encode(text);
    const starts: number[] = [];
    for (let i = 0; i < bytes.length; i++) {
      // 10xxxxxx continues a code point.
      if (((bytes[i] ?? 0) & 0xc0) !== 0x80) starts.push(i);
    }
    starts.push(bytes.length);
    for (let n = low; n <= high; n++) {
      for (let i = 0; i + n < starts.length; i++) {
        count(bytes, starts[i] ?? 0, starts[i + n] ?? 0);
      }
    }
  }

  #words(
    text: string,
    [low, high]: readonly [number, number],
    count: (bytes: Uint8Array, from: number, to: number) => void,
  ): void {
    const bytes = this.#encoder.encode((text.match(WORD) ?? []).join(' '));
    if (bytes.length === 0) return;
    const starts = [0];
    bytes.forEach((byte, i) => {
      if (byte === BLANK) starts.push(i + 1);
    });
    // One behind the last word, as if a blank stood there.
    starts.push(bytes.length + 1);
    for (let n = low; n <= high; n++) {
      for (let i = 0; i + n < starts.length; i++) {
        count(bytes, starts[i] ?? 0, (starts[i + n] ?? 0) - 1);
      }
    }
  }
}
