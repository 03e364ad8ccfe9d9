import stopwordsIso from 'stopwords-iso';
import type { Locale } from '../emotion/labels';
import { isCueWord } from './cues';
import { emotionOfWord } from './emotion-words';

/** `none`, the list of stopwords-iso (`default`), or words of one's own. */
export type StopWords = 'none' | 'default' | readonly string[];

const EMPTY: ReadonlySet<string> = new Set();

/**
 * The words to leave out of stems, in lower case. Whatever the list says, a word that negates,
 * strengthens, opposes, asks or names an emotion stays: the lists in use hold `not`, `good`,
 * `sorry` and 不, and a text without them says something else.
 */
export function stopWordSet(stopWords: StopWords, language: Locale): ReadonlySet<string> {
  if (stopWords === 'none') return EMPTY;
  const words: readonly string[] = stopWords === 'default' ? stopwordsIso[language] : stopWords;
  return new Set(
    words.map((word) => word.toLowerCase()).filter((word) => !isProtected(word, language)),
  );
}

function isProtected(word: string, language: Locale): boolean {
  return isCueWord(word, language) || emotionOfWord(word, language) !== undefined;
}
