import path from 'node:path';
import { EmotionError } from '../emotion/error';
import type { Locale } from '../emotion/labels';
import type { SampleSegment, SentenceFeatures, Tensor, TextSample } from '../emotion/sample';
import type { Manifest, TextPreprocessing } from '../models/manifest';
import { findCues } from './cues';
import { detectLanguage } from './language';
import { normaliseText, type NormalisedText } from './normalise';
import { remembering } from './remember';
import { loadChineseCutter, rememberingCutter, segment, type ChineseCutter } from './segment';
import { parts, sentences, type Span } from './sentences';
import { Stemmer } from './stem';
import { stopWordSet, type StopWords } from './stopwords';
import { TextTokenizer, type Encoding, type TokenisedRow } from './tokenise';

export interface PrepareOptions {
  /** `auto`: each sentence by its script. */
  readonly language: 'auto' | Locale;
  readonly stopWords: StopWords;
  /** `text`: as few rows as the model's length allows; `sentence`: a row a sentence. */
  readonly split: 'text' | 'sentence';
  /** Most rows of one text; what lies beyond is named in `features.cut`. Default 64. */
  readonly maxRows?: number;
}

export const DEFAULT_MAX_ROWS = 64;

/** No tokenizer in use packs more text than this into one token on average, blanks included. */
const UNITS_PER_TOKEN = 16;
/** How much of a long text is looked at to tell its language. */
const LANGUAGE_SAMPLE = 1 << 14;
const INPUTS = ['input_ids', 'attention_mask', 'token_type_ids'] as const;
type InputName = (typeof INPUTS)[number];

interface Row {
  readonly span: Span;
  readonly shown: RowText;
  readonly tokens: TokenisedRow;
}

/**
 * Turns texts into samples for one model: normalised, tokenised, padded, with what a person may
 * want to see of each sentence. Synchronous and heavy: nodes call it in a worker thread.
 */
export class TextPreparer {
  readonly #fallbackLanguage: Locale;
  #stems: { of: StopWords; zh: ContentStems; en: ContentStems } | undefined;

  private constructor(
    private readonly manifest: Manifest,
    private readonly preprocessing: TextPreprocessing,
    private readonly tokenizer: TextTokenizer,
    private readonly cutter: ChineseCutter,
  ) {
    this.#fallbackLanguage = manifest.languages[0] === 'zh' ? 'zh' : 'en';
  }

  /**
   * @param folder the model's folder, where `manifest.files` are
   * @param cutter Chinese segmentation; by default jieba where it loads
   * @throws EmotionError `model.manifest-invalid`, `model.inputs-mismatch`, `model.file-missing`,
   * `model.tokenizer-invalid`
   */
  static async load(
    manifest: Manifest,
    folder: string,
    cutter?: ChineseCutter,
  ): Promise<TextPreparer> {
    const { preprocessing } = manifest;
    if (preprocessing.kind !== 'text') {
      throw new EmotionError(
        'input.wrong-model',
        `Model "${manifest.id}" reads ${manifest.modality}; choose a text model`,
        { model: manifest.id, expected: 'text', actual: manifest.modality },
      );
    }
    const file = manifest.files.tokenizer?.path;
    if (file === undefined) {
      throw new EmotionError(
        'model.manifest-invalid',
        `${path.join(folder, 'model.yaml')}: files.tokenizer is missing; a text model needs its tokenizer.json`,
        { file: path.join(folder, 'model.yaml'), key: 'files.tokenizer' },
      );
    }
    checkInputs(manifest);
    const tokenizer = await TextTokenizer.load(path.join(folder, file));
    if (tokenizer.specialTokens >= preprocessing.maxTokens) {
      throw new EmotionError(
        'model.manifest-invalid',
        `Model "${manifest.id}": preprocessing.maxTokens ${preprocessing.maxTokens} leaves no room beside ${tokenizer.specialTokens} special tokens`,
        { model: manifest.id, key: 'preprocessing.maxTokens' },
      );
    }
    return new TextPreparer(
      manifest,
      preprocessing,
      tokenizer,
      rememberingCutter(cutter ?? (await loadChineseCutter())),
    );
  }

  /**
   * One sample a text, in order. A text within the model's length is one row; a longer one is
   * packed into rows of whole sentences, so nothing of it is lost up to `maxRows`. A text without
   * a visible character gives a sample without tensors and the reason `empty-text`.
   *
   * @throws EmotionError `input.wrong-type` for something that is no string
   */
  prepare(texts: readonly string[], options: PrepareOptions): TextSample[] {
    return texts.map((text, index) => {
      if (typeof text !== 'string') {
        throw new EmotionError(
          'input.wrong-type',
          `Text ${index}: expected a string, got ${typeof text}`,
          { index, expected: 'string', actual: typeof text },
        );
      }
      return this.#prepareOne(text, options);
    });
  }

  #prepareOne(text: string, options: PrepareOptions): TextSample {
    const base = { modality: 'text', model: this.manifest.id } as const;
    const fixed = options.language === 'auto' ? undefined : options.language;
    const language =
      fixed ?? detectLanguage(text.slice(0, LANGUAGE_SAMPLE), this.#fallbackLanguage);
    const { rows, end } = this.#rows(text, language, options);
    if (rows.length === 0) {
      return {
        ...base,
        tensors: {},
        segments: [],
        source: { text },
        features: { sentences: [] },
        reason: 'empty-text',
      };
    }
    // A text of one sentence is normalised and cut into words once.
    const whole =
      rows.length === 1 && this.preprocessing.case === 'lower' ? rows[0]!.shown : undefined;
    const read = end === undefined ? text : text.slice(0, end);
    return {
      ...base,
      tensors: this.#tensors(rows),
      segments: rows.map(({ span, shown, tokens }): SampleSegment => ({
        text: span.text,
        language: shown.language,
        tokens: tokens.tokens,
      })),
      source: { text, language: rows.length === 1 ? rows[0]!.shown.language : language },
      features: {
        sentences: this.#sentenceFeatures(read, fixed, language, options.stopWords, whole),
        ...(end === undefined ? {} : { cut: { start: end, end: text.length } }),
      },
    };
  }

  /** `end`: where the rows stop when `maxRows` was reached and visible text is left. */
  #rows(
    text: string,
    language: Locale,
    { language: wanted, split, maxRows = DEFAULT_MAX_ROWS }: PrepareOptions,
  ): { rows: Row[]; end?: number } {
    const { maxTokens } = this.preprocessing;
    const fixed = wanted === 'auto' ? undefined : wanted;
    const longest = maxTokens * UNITS_PER_TOKEN;
    if (split === 'text' && text.length <= longest) {
      const whole = { text, start: 0, end: text.length };
      const row = this.#encode(whole, fixed, language);
      if (row === undefined) return { rows: [] };
      if (this.#fits(row.encoding)) return { rows: [this.#row(row)] };
    }

    const rows: Row[] = [];
    let pending: EncodedSpan[] = [];
    let used = 0;
    const flush = () => {
      if (pending.length === 0) return;
      const [first] = pending as [EncodedSpan];
      const last = pending[pending.length - 1]!;
      const packed =
        pending.length === 1
          ? first
          : this.#encode(
              {
                text: text.slice(first.span.start, last.span.end),
                start: first.span.start,
                end: last.span.end,
              },
              fixed,
              language,
            )!;
      rows.push(this.#row(packed));
      pending = [];
      used = 0;
    };
    const room = maxTokens - this.tokenizer.specialTokens;
    for (const sentence of sentences(text)) {
      for (const part of this.#fittingParts(sentence, fixed, language)) {
        const length = part.encoding.ids.length;
        if (pending.length > 0 && (split === 'sentence' || used + length > room)) {
          flush();
          if (rows.length >= maxRows) return { rows, end: part.span.start };
        }
        pending.push(part);
        used += length;
      }
    }
    flush();
    return { rows };
  }

  /** A sentence, cut where it is too long for one row; parts without visible text are left out. */
  *#fittingParts(
    sentence: Span,
    fixed: Locale | undefined,
    language: Locale,
    limit = this.preprocessing.maxTokens * UNITS_PER_TOKEN,
  ): Generator<EncodedSpan> {
    for (const part of parts(sentence, limit)) {
      const encoded = this.#encode(part, fixed, language);
      if (encoded === undefined) continue;
      const { length } = encoded.encoding.ids;
      const room = this.preprocessing.maxTokens - this.tokenizer.specialTokens;
      if (length <= room || part.text.length <= 2) {
        yield encoded;
      } else {
        // Shares of about equal length that fit, a little spare for uneven ones.
        const shares = Math.ceil((length / room) * 1.1);
        const smaller = Math.max(2, Math.min(Math.ceil(part.text.length / shares), limit - 1));
        yield* this.#fittingParts(part, fixed, language, smaller);
      }
    }
  }

  #encode(span: Span, fixed: Locale | undefined, fallback: Locale): EncodedSpan | undefined {
    const shown = this.#rowText(span.text, fixed, fallback);
    if (shown.text === '') return undefined;
    return { span, shown, encoding: this.tokenizer.encode(shown.text) };
  }

  /** The text of a row as the tokenizer gets it: what `emotion-features text` writes. */
  #rowText(text: string, fixed: Locale | undefined, fallbackLanguage: Locale): RowText {
    return rowText(text, this.preprocessing, this.cutter, { language: fixed, fallbackLanguage });
  }

  #fits(encoding: Encoding): boolean {
    return encoding.ids.length + this.tokenizer.specialTokens <= this.preprocessing.maxTokens;
  }

  #row({ span, shown, encoding }: EncodedSpan): Row {
    return {
      span,
      shown,
      tokens: this.tokenizer.row(shown.text, encoding, this.preprocessing.maxTokens),
    };
  }

  /** `[rows, tokens of the longest row]` for each input of the model, padded as the manifest says. */
  #tensors(rows: readonly Row[]): Record<string, Tensor> {
    const width = Math.max(...rows.map(({ tokens }) => tokens.ids.length));
    const tensors: Record<string, Tensor> = {};
    for (const name of INPUTS) {
      const spec = this.manifest.inputs[name];
      if (spec === undefined) continue;
      const value: (id: number) => number = VALUES[name];
      const size = rows.length * width;
      const padding = spec.padding ?? 0;
      if (spec.type === 'int64') {
        const data = new BigInt64Array(size);
        if (padding !== 0) data.fill(BigInt(padding));
        rows.forEach(({ tokens }, row) => {
          tokens.ids.forEach((id, at) => (data[row * width + at] = BigInt(value(id))));
        });
        tensors[name] = { type: 'int64', dims: [rows.length, width], data };
      } else {
        const data = new Int32Array(size).fill(padding);
        rows.forEach(({ tokens }, row) => {
          tokens.ids.forEach((id, at) => (data[row * width + at] = value(id)));
        });
        tensors[name] = { type: 'int32', dims: [rows.length, width], data };
      }
    }
    return tensors;
  }

  #sentenceFeatures(
    text: string,
    fixed: Locale | undefined,
    fallbackLanguage: Locale,
    stopWords: StopWords,
    whole: RowText | undefined,
  ): SentenceFeatures[] {
    const visibleLength = text.trim().length;
    const features: SentenceFeatures[] = [];
    const stems = this.#stemsOf(stopWords);
    const longest = this.preprocessing.maxTokens * UNITS_PER_TOKEN;
    for (const sentence of sentences(text)) {
      for (const span of parts(sentence, longest)) {
        const known = span.text.length === visibleLength ? whole : undefined;
        const { text: clean, language } =
          known?.normalised ?? normaliseText(span.text, { language: fixed, fallbackLanguage });
        if (clean === '') continue;
        const words = known?.words ?? segment(clean, this.cutter);
        const kept: string[] = [];
        const removed: string[] = [];
        for (const word of words) {
          const stem = stems[language].of(word);
          if (stem === STOP_WORD) removed.push(word);
          else if (stem !== MARK) kept.push(stem);
        }
        const cues = findCues(words, language);
        features.push({ ...span, language, words, stems: kept, removed, cues });
      }
    }
    return features;
  }

  #stemsOf(stopWords: StopWords): Readonly<Record<Locale, ContentStems>> {
    const known = this.#stems;
    if (known && sameStopWords(known.of, stopWords)) return known;
    this.#stems = {
      of: stopWords,
      zh: new ContentStems('zh', stopWords),
      en: new ContentStems('en', stopWords),
    };
    return this.#stems;
  }
}

const HAS_LETTER = /[\p{L}\p{N}]/u;
const STOP_WORD = Symbol('stop word');
const MARK = Symbol('mark');
const REMEMBERED_WORDS = 20_000;

/** The stems of the words of one language that are no stop words, remembered: words come again. */
class ContentStems {
  readonly #stemmer = new Stemmer(0);
  readonly #stopWords: ReadonlySet<string>;

  constructor(
    private readonly language: Locale,
    stopWords: StopWords,
  ) {
    this.#stopWords = stopWordSet(stopWords, language);
  }

  /** A word's stem, or that it is a stop word, or that it has neither letter nor digit. */
  readonly of = remembering((word) => this.#stemOf(word), REMEMBERED_WORDS);

  #stemOf(word: string): string | typeof STOP_WORD | typeof MARK {
    if (!HAS_LETTER.test(word)) return MARK;
    return this.#stopWords.has(word) ? STOP_WORD : this.#stemmer.stem(word, this.language);
  }
}

interface EncodedSpan {
  readonly span: Span;
  readonly shown: RowText;
  readonly encoding: Encoding;
}

const VALUES: Readonly<Record<InputName, (id: number) => number>> = {
  input_ids: (id) => id,
  attention_mask: () => 1,
  token_type_ids: () => 0,
};

/** A text as the tokenizer of a model gets it, and what it was made of. */
export interface RowText extends NormalisedText {
  readonly normalised: NormalisedText;
  /** Where the model was trained on words. */
  readonly words?: readonly string[];
}

/**
 * A text as the tokenizer of a model gets it: normalised and, where the model was trained on
 * words, with blanks between them.
 */
export function rowText(
  text: string,
  { case: letters, segmentation }: Pick<TextPreprocessing, 'case' | 'segmentation'>,
  cutter: ChineseCutter | undefined,
  options: { language?: Locale | undefined; fallbackLanguage?: Locale | undefined } = {},
): RowText {
  const normalised = normaliseText(text, { case: letters, ...options });
  if (segmentation !== 'words' || cutter === undefined) return { ...normalised, normalised };
  const words = segment(normalised.text, cutter);
  return { text: words.join(' '), language: normalised.language, normalised, words };
}

function sameStopWords(one: StopWords, other: StopWords): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other;
  return one.length === other.length && one.every((word, index) => word === other[index]);
}

function checkInputs({ id, inputs }: Manifest): void {
  for (const [name, { type }] of Object.entries(inputs)) {
    if (!(INPUTS as readonly string[]).includes(name)) {
      throw new EmotionError(
        'model.inputs-mismatch',
        `Model "${id}": input "${name}" is not one that a text gives; expected ${INPUTS.join(', ')}`,
        { model: id, input: name, expected: INPUTS.join(', ') },
      );
    }
    if (type !== 'int64' && type !== 'int32') {
      throw new EmotionError(
        'model.inputs-mismatch',
        `Model "${id}": input "${name}" has type ${type}; expected int64 or int32`,
        { model: id, input: name, expected: 'int64, int32', actual: type },
      );
    }
  }
  if (inputs['input_ids'] === undefined) {
    throw new EmotionError(
      'model.inputs-mismatch',
      `Model "${id}": input "input_ids" is missing in its model.yaml`,
      { model: id, input: 'input_ids', expected: 'input_ids' },
    );
  }
}
