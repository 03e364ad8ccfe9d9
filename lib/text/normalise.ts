import type { Locale } from '../emotion/labels';
import { spellOutEmoji } from './emoji';
import { detectLanguage } from './language';

/**
 * Version of the rules in this file, `preprocessing.normaliser` in a manifest. A model works only
 * with the rules that it was trained with: whoever changes what {@link normalise} returns raises it.
 */
export const NORMALISER_VERSION = 1;

export interface NormaliseOptions {
  /** `lower` for models without capitals; `keep` leaves them. Default `lower`. */
  readonly case?: 'lower' | 'keep';
  /** Language of the tokens that emoji become. Default: detected. */
  readonly language?: Locale | undefined;
  /** Language of a text without letters. Default `en`. */
  readonly fallbackLanguage?: Locale | undefined;
}

export interface NormalisedText {
  readonly text: string;
  readonly language: Locale;
}

/** A unit that segmentation never splits: `[允悲]`, `[doge]`, `[name]`, `[url]`. */
export const BRACKET_TOKEN = /\[(?=[^[\]]*\p{L})(?:[a-zA-Z]{1,12}|[\p{L}\p{N}_]{1,8})\]/u;

// What NFKC would turn into a blank and a combining mark, which tears kaomoji apart: ￣ ¯ ´ ¨ ﾟ.
const FACE_PARTS = /[\uffe3\u00af\u00b4\u00a8\uff9f\u309c\u203e]/g;
const FACE_PART: Readonly<Record<string, string>> = {
  '\uffe3': '~',
  '\u00af': '~',
  '\u203e': '~',
  '\u00b4': "'",
  '\u00a8': '',
  '\uff9f': '°',
  '\u309c': '°',
};

const LONE_SURROGATE = /\p{Surrogate}/gu;
// Controls that are not white space, soft hyphen, zero-width and bidirectional marks, fillers, tags,
// variation selectors of ideographs, interlinear annotation. ZWJ and U+FE0E/F are left to the emoji.
const INVISIBLE =
  // eslint-disable-next-line no-control-regex, no-misleading-character-class
  /[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0000}-\u{e01ef}]/gu;
const NEEDS_CLEANING =
  /[^\t\n\r -~\u3001-\u303f\u4e00-\u9fff\uff01-\uff5e\u2018-\u201d\u2026\u2014]/;
const STRAY_JOINER =
  /(?<!\p{Extended_Pictographic})(?:\u200d|\ufe0e|\ufe0f|\u20e3)+|\u200d(?!\p{Extended_Pictographic})/gu;

const ENTITY = /&(?:amp;)*(?:(lt|gt|quot|nbsp|apos|#39|#34);|amp;)/g;
const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  nbsp: ' ',
  apos: "'",
  '#39': "'",
  '#34': '"',
};

const URL =
  /(?:https?|ftp):\/\/[\w\-.~:/?#@!$&'*+,;=%]+|(?<![\w@.])www\.[\w\-.~:/?#@!$&'*+,;=%]+/gi;
const REPOST = /\/\/\s*@([\p{L}\p{N}_\-·.]{1,40})\s*[:：]?/gu;
const REPLY = /(?:回复|回覆)\s*@([\p{L}\p{N}_\-·.]{1,40})\s*[:：]/gu;
const MENTION = /(?<![a-zA-Z0-9._-])@([\p{L}\p{N}_\-·]+)/gu;
const LATIN_NAME = /^[\w\-.]+/;
const HASHTAG = /(?<![\p{L}\p{N}&])#(\p{L}[\p{L}\p{N}_]*)/gu;
const CAMEL_HUMP = /(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_/g;

const REPEATED_CHARACTER = /([^\s\d])\1{3,}/gu;
const REPEATED_DIGIT = /(?<![\d.])(?:(2)(3)3{3,}|(5)5{3,}|(6)6{3,})(?![\d.])/g;
const REPEATED_SYLLABLE = /([^\s\d[\]]{2,4}?)\1{3,}/gu;
const REPEATED_TOKEN = /(\[[^[\]\s]{1,12}\]|@)(?:\s*\1){3,}/gu;
const WHITE_SPACE = /[\s\u0085]+/g;
const CURLY_APOSTROPHE = /(?<=[a-z])[\u2018\u2019\u02bc](?=[a-z])/gi;

/** Longest name after `@`, in half widths (a Han character is two): Weibo allows 30, most have less. */
const LONGEST_NAME = 20;

/**
 * Text as a model reads it: NFKC; invisible and broken characters gone; links, names, repost
 * chains of Weibo reduced to marks; emoji and emoticons spelt out as bracket tokens; white space
 * and runs of one character or syllable shortened to three.
 *
 * @param text as written, any length
 * @returns on one line, without leading or trailing blanks; empty when nothing visible was there
 *
 * @example normalise('哈哈哈哈哈哈😂😂 //@小明:转发 http://t.cn/x');
 * // → '哈哈哈[笑cry][笑cry] // 转发 [url]'
 * @example normalise('Sooooo GOOD :-)'); // → 'sooo good [smile]'
 */
export function normalise(text: string, options: NormaliseOptions = {}): string {
  return normaliseText(text, options).text;
}

/** {@link normalise} that also tells the language that it found or was given. */
export function normaliseText(text: string, options: NormaliseOptions = {}): NormalisedText {
  const clean = reduceMarkup(visibleText(text));
  const language = options.language ?? detectLanguage(clean, options.fallbackLanguage);
  let result = spellOutEmoji(clean, language)
    .replace(STRAY_JOINER, '')
    .replace(CURLY_APOSTROPHE, "'");
  if (options.case !== 'keep') result = result.toLowerCase();
  result = shortenRepeats(result.replace(WHITE_SPACE, ' ')).trim();
  return { text: result, language };
}

/** NFKC, without invisible and broken characters and with the parts of kaomoji in one piece. */
export function visibleText(text: string): string {
  if (!NEEDS_CLEANING.test(text)) return text.normalize('NFKC');
  return text
    .replace(LONE_SURROGATE, '')
    .replace(INVISIBLE, '')
    .replace(FACE_PARTS, (part) => FACE_PART[part]!)
    .normalize('NFKC');
}

function reduceMarkup(text: string): string {
  let result = text;
  if (result.includes('&')) {
    result = result.replace(ENTITY, (_, name?: string) =>
      name === undefined ? '&' : ENTITIES[name]!,
    );
  }
  result = result.replace(URL, ' [url] ');
  if (result.includes('@')) {
    result = result
      .replace(REPOST, (_, name: string) => ` // ${afterName(name)}`)
      .replace(REPLY, (_, name: string) => `@ ${afterName(name)}`)
      .replace(MENTION, (_, name: string) => `@ ${afterName(name)}`);
  }
  if (result.includes('#')) {
    result = result.replace(HASHTAG, (_, tag: string) => `#${tag.replace(CAMEL_HUMP, ' ')}`);
  }
  return result;
}

/**
 * What of the run of letters after an `@` is text and not the name. Corpora and apps often drop
 * the blank that ends a name; a run too long for a name is then kept rather than lost.
 */
function afterName(run: string): string {
  let width = 0;
  for (const character of run) width += character.codePointAt(0)! > 0x2e7f ? 2 : 1;
  if (width <= LONGEST_NAME) return '';
  const latin = LATIN_NAME.exec(run)?.[0] ?? '';
  return latin.length <= 30 ? run.slice(latin.length) : run;
}

/** Longest part of which {@link shortenRepeats} looks for repetitions, in UTF-16 units: a syllable. */
const LONGEST_PERIOD = 8;

/** Whether anything can stand there four times in a row: far faster than the expressions that tell what. */
function mayRepeat(text: string): boolean {
  if (text.includes('[') || text.includes('@')) return true;
  for (let period = 1; period <= LONGEST_PERIOD; period += 1) {
    let equal = 0;
    for (let at = period; at < text.length; at += 1) {
      equal = text.charCodeAt(at) === text.charCodeAt(at - period) ? equal + 1 : 0;
      if (equal === 3 * period) return true;
    }
  }
  return false;
}

function shortenRepeats(text: string): string {
  if (!mayRepeat(text)) return text;
  return text
    .replace(REPEATED_CHARACTER, '$1$1$1')
    .replace(REPEATED_DIGIT, (run) => (run.startsWith('2') ? '2333' : run.slice(0, 3)))
    .replace(REPEATED_SYLLABLE, '$1$1$1')
    .replace(REPEATED_TOKEN, (run, token: string) =>
      Array(3)
        .fill(token)
        .join(run[token.length] === ' ' ? ' ' : ''),
    );
}
