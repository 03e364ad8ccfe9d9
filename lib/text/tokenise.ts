import { readFile } from 'node:fs/promises';
import { EmotionError } from '../emotion/error';
import { remembering } from './remember';

/** One row for a model: special tokens included, no padding. */
export interface TokenisedRow {
  readonly ids: readonly number[];
  /** One per id, as it stands in the text: no `##`, no `▁`; special tokens by their name. */
  readonly tokens: readonly string[];
}

/** What of the text a model reads between its special tokens. */
export interface Encoding {
  readonly ids: readonly number[];
  readonly pieces: readonly string[];
}

/** What of the library's class is used here; its own type files do not resolve from CommonJS. */
interface Tokenizer {
  readonly model: { readonly unk_token?: string } | null;
  encode(
    text: string,
    options?: { add_special_tokens?: boolean },
  ): { readonly ids: number[]; readonly tokens: string[] };
  get_added_tokens_decoder(): ReadonlyMap<
    number,
    { readonly content: string; readonly special: boolean }
  >;
}

interface TokenizerJson {
  readonly model?: { readonly type?: unknown; readonly vocab?: unknown } | null;
  readonly normalizer?: { readonly type?: unknown; readonly handle_chinese_chars?: unknown } | null;
  readonly pre_tokenizer?: { readonly type?: unknown } | null;
  readonly added_tokens?: readonly {
    readonly content: string;
    readonly normalized: boolean;
    readonly single_word: boolean;
    readonly lstrip: boolean;
    readonly rstrip: boolean;
  }[];
}

const REMEMBERED_UNITS = 50_000;
const LONGEST_REMEMBERED = 32;
const ADDED_TOKEN = '\\[[^[\\]\\s]{1,20}\\]';
const IDEOGRAPHS = '\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff';
const MARKS = '!-\\/:-@[-`{-~、。，！？；：“”‘’（）《》…';

const CONTINUATION = /^##(?=.)/;
const WORD_START = /^[▁Ġ](?=.)/;
/** What a WordPiece tokenizer takes as one word: an ideograph, a mark, or a run of anything else. */
const BASIC_TOKEN = /[\p{Script=Han}\p{P}]|[^\s\p{Script=Han}\p{P}]+/uy;
const BLANK = /\s/;

/**
 * A Hugging Face `tokenizer.json`, as training saved it. Truncates by hand: the library ignores
 * the file's own limit.
 */
export class TextTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #prefix: Encoding;
  readonly #suffix: Encoding;
  readonly #special: readonly string[];
  readonly #unknown: string | undefined;

  /** Parts of a text that are encoded without regard to their neighbours; absent: the whole. */
  readonly #unit: RegExp | undefined;

  private constructor(tokenizer: Tokenizer, json: TokenizerJson) {
    this.#tokenizer = tokenizer;
    this.#unit = independentUnit(json);
    this.#special = [...tokenizer.get_added_tokens_decoder().values()]
      .filter((token) => token.special)
      .map((token) => token.content);
    this.#unknown = tokenizer.model?.unk_token;
    [this.#prefix, this.#suffix] = specialTokensAround(tokenizer);
  }

  /**
   * @throws EmotionError `model.file-missing`, `model.tokenizer-invalid`
   */
  static async load(file: string): Promise<TextTokenizer> {
    let source: string;
    try {
      source = await readFile(file, 'utf8');
    } catch (cause) {
      throw new EmotionError(
        'model.file-missing',
        `${file}: the tokenizer cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'})`,
        { file },
        { cause },
      );
    }
    try {
      return await TextTokenizer.parse(source);
    } catch (cause) {
      throw new EmotionError(
        'model.tokenizer-invalid',
        `${file}: expected a tokenizer.json of Hugging Face tokenizers, got ${(cause as Error).message}`,
        { file, reason: (cause as Error).message },
        { cause },
      );
    }
  }

  /** @throws Error that says what is wrong with the JSON of a `tokenizer.json` */
  static async parse(source: string): Promise<TextTokenizer> {
    let json: TokenizerJson | null;
    try {
      json = JSON.parse(source) as TokenizerJson | null;
    } catch (cause) {
      throw new Error(`no JSON: ${(cause as Error).message}`, { cause });
    }
    if (
      typeof json !== 'object' ||
      json === null ||
      typeof json.model !== 'object' ||
      json.model === null
    ) {
      throw new Error('no "model" section');
    }
    const { vocab } = json.model;
    if (typeof vocab !== 'object' || vocab === null || Object.keys(vocab).length === 0) {
      throw new Error('an empty vocabulary ("model.vocab")');
    }
    const library = (await import('@huggingface/tokenizers')) as unknown as {
      Tokenizer: new (json: object, config: object) => Tokenizer;
    };
    return new TextTokenizer(new library.Tokenizer(json, {}), json);
  }

  /** Number of special tokens that every row carries. */
  get specialTokens(): number {
    return this.#prefix.ids.length + this.#suffix.ids.length;
  }

  /** Ids of the text alone. A text that spells out a special token (`[SEP]`) gets no such id. */
  encode(text: string): Encoding {
    const harmless = this.#defused(text);
    if (this.#unit === undefined) return this.#encodeWhole(harmless);
    const ids: number[] = [];
    const pieces: string[] = [];
    for (const [unit] of harmless.matchAll(this.#unit)) {
      const encoding = this.#encodeUnit(unit);
      for (const id of encoding.ids) ids.push(id);
      for (const piece of encoding.pieces) pieces.push(piece);
    }
    return { ids, pieces };
  }

  #encodeWhole(text: string): Encoding {
    const { ids, tokens } = this.#tokenizer.encode(text, { add_special_tokens: false });
    return { ids, pieces: tokens };
  }

  /** Six times faster than whole texts: words come again, and the library costs per character. */
  readonly #encodeUnit = remembering(
    (unit) => this.#encodeWhole(unit),
    REMEMBERED_UNITS,
    LONGEST_REMEMBERED,
  );

  /** The row that a model reads: special tokens around at most `maxTokens` less their number. */
  row(text: string, encoding: Encoding, maxTokens: number): TokenisedRow {
    const room = Math.max(0, maxTokens - this.specialTokens);
    const kept = encoding.ids.length > room ? encoding.ids.slice(0, room) : encoding.ids;
    return {
      ids: [...this.#prefix.ids, ...kept, ...this.#suffix.ids],
      tokens: [
        ...this.#prefix.pieces,
        ...this.#surfaces(text, encoding.pieces.slice(0, kept.length)),
        ...this.#suffix.pieces,
      ],
    };
  }

  #defused(text: string): string {
    let result = text;
    for (const token of this.#special) {
      if (token.length > 1 && result.includes(token)) {
        result = result.replaceAll(token, `${token[0]} ${token.slice(1)}`);
      }
    }
    return result;
  }

  /** Pieces as they stand in the text; an unknown one shows what it replaced. */
  #surfaces(text: string, pieces: readonly string[]): string[] {
    let at = 0;
    return pieces.map((piece) => {
      const bare = piece.replace(CONTINUATION, '').replace(WORD_START, '');
      while (at < text.length && BLANK.test(text[at]!)) at++;
      if (piece === this.#unknown) {
        BASIC_TOKEN.lastIndex = at;
        const surface = BASIC_TOKEN.exec(text)?.[0];
        if (surface === undefined) return piece;
        at += surface.length;
        return surface;
      }
      if (text.startsWith(bare, at)) at += bare.length;
      return bare;
    });
  }
}

/** The special tokens that the post-processor puts before and after a text. */
function specialTokensAround(tokenizer: Tokenizer): [Encoding, Encoding] {
  const probe = 'a';
  const bare = tokenizer.encode(probe, { add_special_tokens: false });
  const full = tokenizer.encode(probe);
  const extra = full.ids.length - bare.ids.length;
  if (bare.ids.some((id) => !Number.isInteger(id))) {
    throw new Error('a vocabulary without an entry for unknown tokens');
  }
  for (let at = 0; at <= extra; at++) {
    if (bare.ids.every((id, offset) => full.ids[at + offset] === id)) {
      const end = at + bare.ids.length;
      return [
        { ids: full.ids.slice(0, at), pieces: full.tokens.slice(0, at) },
        { ids: full.ids.slice(end), pieces: full.tokens.slice(end) },
      ];
    }
  }
  throw new Error('a post-processor that changes the tokens of the text');
}

/**
 * BERT's tokenizers cut at blanks, punctuation, added tokens and (if asked) around ideographs before
 * they look a word up, so the parts can be encoded one by one with the same result. Undefined for
 * tokenizers of other kinds.
 */
function independentUnit(json: TokenizerJson): RegExp | undefined {
  const { model, normalizer, pre_tokenizer: preTokenizer, added_tokens: added = [] } = json;
  if (model?.type !== 'WordPiece') return undefined;
  if (normalizer?.type !== 'BertNormalizer') return undefined;
  if (preTokenizer?.type !== 'BertPreTokenizer') return undefined;
  const whole = new RegExp(`^${ADDED_TOKEN}$`, 'u');
  const plain = added.every(
    (token) =>
      !token.normalized &&
      !token.single_word &&
      !token.lstrip &&
      !token.rstrip &&
      whole.test(token.content),
  );
  if (!plain) return undefined;
  const apart = normalizer.handle_chinese_chars !== false;
  const single = MARKS + (apart ? IDEOGRAPHS : '');
  return new RegExp(`${ADDED_TOKEN}|[${single}]|[^\\s${single}]+`, 'gu');
}
