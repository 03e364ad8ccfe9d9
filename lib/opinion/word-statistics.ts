import type { Locale } from '../emotion/labels';
import { detectLanguage } from '../text/language';
import { normaliseText } from '../text/normalise';
import { segment, type ChineseCutter } from '../text/segment';
import { Stemmer } from '../text/stem';
import { stopWordSet } from '../text/stopwords';

/** A word that marks one set of texts against another. */
export interface MarkedWord {
  readonly word: string;
  /** Weighted texts that hold it, in the one set and in the other. */
  readonly count: number;
  readonly other: number;
  /** Log-odds ratio over its standard deviation: over 1.96 is more than chance at 5 %. */
  readonly z: number;
}

/** In how many texts each word stands, weighted. */
export class WordCounts {
  readonly counts = new Map<string, number>();
  total = 0;

  add(words: Iterable<string>, weight: number): void {
    for (const word of words) {
      this.counts.set(word, (this.counts.get(word) ?? 0) + weight);
      this.total += weight;
    }
  }

  of(word: string): number {
    return this.counts.get(word) ?? 0;
  }

  /** The counts of several sets together. */
  static sum(parts: Iterable<WordCounts>): WordCounts {
    const sum = new WordCounts();
    for (const part of parts) {
      for (const [word, count] of part.counts) sum.add([word], count);
    }
    return sum;
  }
}

/** How much the prior weighs: as much as so many words of text. */
const PRIOR_WORDS = 500;

/**
 * The words that one set of texts uses more than another, by the log-odds ratio with an informative
 * Dirichlet prior (B. L. Monroe, M. P. Colaresi, K. M. Quinn, "Fightin' Words", Political Analysis 16,
 * 2008, section 3.5): rare words and common ones are judged alike.
 *
 * @param background what language is like here: both sets and more
 * @param least weighted texts that a word must stand in
 * @returns the most marked first, all with z over 0
 */
export function markedWords(
  own: WordCounts,
  other: WordCounts,
  background: WordCounts,
  most: number,
  least = 2,
): MarkedWord[] {
  const scale = Math.min(1, PRIOR_WORDS / Math.max(1, background.total));
  const priorTotal = background.total * scale;
  const logOdds = (count: number, total: number, prior: number) =>
    Math.log((count + prior) / Math.max(1e-9, total + priorTotal - count - prior));
  const marked: MarkedWord[] = [];
  for (const [word, count] of own.counts) {
    if (count < least) continue;
    const prior = Math.max(0.01, background.of(word) * scale);
    const elsewhere = other.of(word);
    const difference = logOdds(count, own.total, prior) - logOdds(elsewhere, other.total, prior);
    const variance = 1 / (count + prior) + 1 / (elsewhere + prior);
    const z = difference / Math.sqrt(variance);
    if (z > 0) marked.push({ word, count: round(count), other: round(elsewhere), z: round(z) });
  }
  return marked
    .sort((a, b) => b.z - a.z || b.count - a.count || (a.word < b.word ? -1 : 1))
    .slice(0, most);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** How much of a text is read for its words. */
const LONGEST = 2000;
const HAN = /\p{Script=Han}/u;
const WORD = /^[\p{L}\p{N}][\p{L}\p{N}'_-]*$/u;
const NUMBER = /^[\p{N}.,:/_-]+$/u;

/** The words of texts that carry meaning: no stop words, marks, numbers, names after `@`, links. */
export class ContentWords {
  readonly #stemmer = new Stemmer();
  readonly #stopWords: Readonly<Record<Locale, ReadonlySet<string>>> = {
    zh: stopWordSet('default', 'zh'),
    en: stopWordSet('default', 'en'),
  };
  /** How often a stem was seen in which form: people read words, not stems. */
  readonly #forms = new Map<string, Map<string, number>>();

  constructor(private readonly cutter: ChineseCutter) {}

  /** Each word once; English ones as stems, see {@link shown}. */
  of(text: string): Set<string> {
    const start = text.slice(0, LONGEST);
    const { text: clean } = normaliseText(start, { language: detectLanguage(start) });
    const words = new Set<string>();
    for (const word of segment(clean, this.cutter)) {
      if (!WORD.test(word) || NUMBER.test(word)) continue;
      if (HAN.test(word)) {
        if (word.length > 1 && !this.#stopWords.zh.has(word)) words.add(word);
      } else if (word.length > 1 && word.length < 40 && !this.#stopWords.en.has(word)) {
        const stem = this.#stemmer.stem(word, 'en');
        const forms = this.#forms.get(stem) ?? new Map<string, number>();
        forms.set(word, (forms.get(word) ?? 0) + 1);
        this.#forms.set(stem, forms);
        words.add(stem);
      }
    }
    return words;
  }

  /** A word as it was written most often. */
  shown(word: string): string {
    const forms = this.#forms.get(word);
    if (forms === undefined) return word;
    return [...forms].reduce((best, form) => (form[1] > best[1] ? form : best))[0];
  }
}
