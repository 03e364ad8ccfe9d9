import { BRACKET_TOKEN } from './normalise';
import { remembering } from './remember';

/** Cuts a run of Chinese into words; nothing is lost: the parts joined are the input. */
export interface ChineseCutter {
  readonly name: 'jieba' | 'intl';
  cut(run: string): readonly string[];
}

/**
 * jieba with its own dictionary and the hidden Markov model for new words. The native module is
 * loaded on the first call (14 MB, about 0.2 s).
 *
 * @throws where the platform has no binary
 */
export async function loadJieba(): Promise<ChineseCutter> {
  const { Jieba } = await import('@node-rs/jieba');
  const { dict } = await import('@node-rs/jieba/dict.js');
  const jieba = Jieba.withDict(dict);
  return { name: 'jieba', cut: (run) => jieba.cut(run, true) };
}

/** The word segmentation of ICU, on every Node; its words differ from jieba's in places. */
export function intlCutter(): ChineseCutter {
  const segmenter = new Intl.Segmenter('zh', { granularity: 'word' });
  return {
    name: 'intl',
    cut: (run) => Array.from(segmenter.segment(run), ({ segment }) => segment),
  };
}

/** jieba where it loads, `Intl.Segmenter` otherwise. */
export async function loadChineseCutter(
  load: () => Promise<ChineseCutter> = loadJieba,
): Promise<ChineseCutter> {
  try {
    return await load();
  } catch {
    return intlCutter();
  }
}

const REMEMBERED_RUNS = 10_000;

/** The same cuts, remembered: a text is cut for the model and once more sentence by sentence. */
export function rememberingCutter(cutter: ChineseCutter): ChineseCutter {
  return { name: cutter.name, cut: remembering((run) => cutter.cut(run), REMEMBERED_RUNS) };
}

const LETTER = '(?:(?!\\p{Script=Han})[\\p{L}\\p{M}\\p{N}])';
const PIECE = new RegExp(
  [
    `(${BRACKET_TOKEN.source})`,
    '([\\p{Script=Han}々〇]+)',
    // A word of another script with inner apostrophes and hyphens; a number with inner marks.
    `${LETTER}+(?:['_-]${LETTER}+|(?<=\\p{N})[.,:/](?=\\p{N})${LETTER}+)*`,
    '\\p{Extended_Pictographic}(?:\\u200d\\p{Extended_Pictographic})*',
    '\\p{Regional_Indicator}{2}',
    // A run of one mark: `...`, `!!!`.
    '([^\\s])\\3*',
  ].join('|'),
  'gu',
);

/**
 * The words of a normalised text in order, without blanks. Bracket tokens stay whole, Han runs are
 * cut by the given cutter, other scripts at blanks and punctuation, runs of one mark stay together.
 *
 * @example segment('今天[允悲]真的不开心... lol', jieba);
 * // → ['今天', '[允悲]', '真的', '不', '开心', '...', 'lol']
 */
export function segment(text: string, cutter: ChineseCutter): string[] {
  const words: string[] = [];
  for (const match of text.matchAll(PIECE)) {
    const run = match[2];
    if (run === undefined) words.push(match[0]);
    else if (run.length === 1) words.push(run);
    else for (const word of cutter.cut(run)) words.push(word);
  }
  return words;
}
