import porter2 from 'wink-porter2-stemmer';
import type { Locale } from '../emotion/labels';

const ENGLISH_WORD = /^[a-z]+(?:'[a-z]+)?$/;
const CONTRACTED_NOT = /n't$/;

/** Stems of words, remembered: a stem costs some microseconds and words come again. */
export class Stemmer {
  readonly #known = new Map<string, string>();

  constructor(private readonly capacity = 20_000) {}

  /**
   * English: the Porter 2 stem ("Snowball English", M. F. Porter) of a lower-case word, without
   * the `'s` of a possessive. Everything else, Chinese words, bracket tokens and `don't` among it,
   * is its own stem.
   *
   * @example new Stemmer().stem('loving', 'en'); // → 'love'
   */
  stem(word: string, language: Locale): string {
    if (language !== 'en' || !ENGLISH_WORD.test(word) || CONTRACTED_NOT.test(word)) return word;
    const known = this.#known.get(word);
    if (known !== undefined) return known;
    const result = porter2(word);
    if (this.#known.size >= this.capacity) this.#known.clear();
    this.#known.set(word, result);
    return result;
  }
}
