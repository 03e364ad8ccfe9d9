import { visibleText } from '../text/normalise';

const BLANKS = /[\s\u0085]+/g;

/**
 * A text as rules and duplicates compare it: NFKC, invisible characters gone, lower case, one blank
 * for any run of white space. Unlike what models read it keeps names, links and emoji as they are.
 *
 * @example foldText('ＡＮＤ\u200b  Ｘ\n'); // → 'and x '
 */
export function foldText(text: string): string {
  return visibleText(text).toLowerCase().replace(BLANKS, ' ');
}

/** Scripts that put no blanks between words: a word of these is found inside of others. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}々〇ー]/u;
const LETTER = /[\p{L}\p{M}\p{N}]/u;

let wordUnits: Uint8Array | undefined;

/**
 * For each UTF-16 unit 1 where it is part of a word between blanks: a letter or digit of a script
 * that has such words. Letters beyond the basic plane are none.
 */
export function wordUnitTable(): Uint8Array {
  if (wordUnits) return wordUnits;
  const table = new Uint8Array(0x10000);
  for (let unit = 0; unit < 0x10000; unit += 1) {
    if (unit >= 0xd800 && unit <= 0xdfff) continue;
    const character = String.fromCharCode(unit);
    if (LETTER.test(character) && !UNSPACED.test(character)) table[unit] = 1;
  }
  wordUnits = table;
  return table;
}
