import type { Locale } from '../emotion/labels';

const BRACKET_TOKEN = /\[[^[\]]{1,16}\]/g;

/**
 * The language in which a text or sentence is read: Chinese when it holds at least as many Han
 * characters as words of two or more letters in other scripts, English otherwise. Bracket tokens (`[doge]`) count only
 * where nothing else is written. Han characters of Japanese and kana count as Chinese, every other
 * script as English: the suite knows these two languages only.
 *
 * @param fallback for a text without a single letter
 *
 * @example detectLanguage('今天的 meeting 好 boring'); // → 'zh'
 * @example detectLanguage('I really love you 中国'); // → 'en'
 */
export function detectLanguage(text: string, fallback: Locale = 'en'): Locale {
  const outside = text.includes('[') ? text.replace(BRACKET_TOKEN, ' ') : text;
  return dominantScript(outside) ?? dominantScript(text) ?? fallback;
}

function dominantScript(text: string): Locale | undefined {
  let han = 0;
  let words = 0;
  let letters = 0;
  let run = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (isHanUnit(unit)) {
      han++;
      run = 0;
    } else if (isLetterUnit(unit)) {
      letters++;
      // A letter alone is rarely a word and often half a face: T_T.
      if (++run === 2) words++;
    } else if (unit !== 0x27 && unit !== 0x2019 && unit !== 0x2d) {
      run = 0;
    }
  }
  if (han === 0 && letters === 0) return undefined;
  if (words === 0) return han > 0 ? 'zh' : 'en';
  return han >= words ? 'zh' : 'en';
}

/** Han of the basic plane, kana, and the first halves of the supplementary ideographs. */
function isHanUnit(unit: number): boolean {
  return (
    (unit >= 0x4e00 && unit <= 0x9fff) ||
    (unit >= 0x3400 && unit <= 0x4dbf) ||
    (unit >= 0x3040 && unit <= 0x30ff) ||
    (unit >= 0xf900 && unit <= 0xfaff) ||
    (unit >= 0xd840 && unit <= 0xd888)
  );
}

/** Letters of the other scripts of the basic plane, by block: exact enough to count words. */
function isLetterUnit(unit: number): boolean {
  return (
    (unit >= 0x61 && unit <= 0x7a) ||
    (unit >= 0x41 && unit <= 0x5a) ||
    (unit >= 0xc0 && unit <= 0x1fff && unit !== 0xd7 && unit !== 0xf7) ||
    (unit >= 0xac00 && unit <= 0xd7af)
  );
}
