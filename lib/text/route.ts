import type { Locale } from '../emotion/labels';
import type { SampleSegment, SentenceFeatures, TextSample } from '../emotion/sample';
import type { Manifest } from '../models/manifest';
import { detectLanguage } from './language';
import { DEFAULT_MAX_ROWS, type PrepareOptions, type TextPreparer } from './prepare';
import { sentences, type Span } from './sentences';

/** Consecutive sentences of one language. */
export interface LanguageRun extends Span {
  readonly language: Locale;
}

/**
 * A text cut where its language changes, between sentences. A sentence without a letter (`！！`, 😭)
 * goes with the one before it, the first ones with `fallback`. The runs together are the text,
 * leading and trailing blanks aside.
 *
 * @example
 * [...languageRuns('今天真好。 I love it! 哈哈', 'en')].map(({ text, language }) => [language, text]);
 * // → [['zh', '今天真好。'], ['en', 'I love it!'], ['zh', '哈哈']]
 */
export function* languageRuns(text: string, fallback: Locale): Generator<LanguageRun> {
  let run: { start: number; end: number; language: Locale } | undefined;
  for (const sentence of sentences(text)) {
    const language = detectLanguage(sentence.text, run?.language ?? fallback);
    if (run?.language === language) {
      run.end = sentence.end;
      continue;
    }
    if (run) yield { ...run, text: text.slice(run.start, run.end) };
    run = { start: sentence.start, end: sentence.end, language };
  }
  if (run) yield { ...run, text: text.slice(run.start, run.end) };
}

/**
 * Prepares texts for a router: every run of sentences of one language for the model of that
 * language. With a fixed language all of a text goes to that language's model.
 */
export class RoutingPreparer {
  readonly #id: string;
  readonly #fallback: Locale;
  readonly #preparers: Readonly<Record<Locale, Pick<TextPreparer, 'prepare'>>>;

  constructor(
    { id, languages }: Pick<Manifest, 'id' | 'languages'>,
    preparers: Readonly<Record<Locale, Pick<TextPreparer, 'prepare'>>>,
  ) {
    this.#id = id;
    this.#fallback = languages[0] === 'zh' ? 'zh' : 'en';
    this.#preparers = preparers;
  }

  /**
   * One sample a text, in order, as `TextPreparer.prepare` gives them, with `parts`.
   *
   * @throws EmotionError `input.wrong-type` for something that is no string
   */
  prepare(texts: readonly string[], options: PrepareOptions): TextSample[] {
    return texts.map((text) => this.#prepareOne(text, options));
  }

  #prepareOne(text: string, options: PrepareOptions): TextSample {
    const parts: TextSample[] = [];
    const found: SentenceFeatures[] = [];
    const units: Record<Locale, number> = { zh: 0, en: 0 };
    let room = options.maxRows ?? DEFAULT_MAX_ROWS;
    let cut: number | undefined;
    for (const { language, ...span } of this.#runs(text, options)) {
      if (room === 0) {
        cut = span.start;
        break;
      }
      const one = { ...options, language, maxRows: room };
      const part = this.#preparers[language].prepare([span.text], one)[0]!;
      if (part.segments.length === 0) continue;
      parts.push(part);
      units[language] += span.text.length;
      room -= part.segments.length;
      for (const sentence of part.features?.sentences ?? []) {
        found.push({
          ...sentence,
          start: sentence.start + span.start,
          end: sentence.end + span.start,
        });
      }
      if (part.features?.cut) {
        cut = span.start + part.features.cut.start;
        break;
      }
    }

    const base = { modality: 'text', model: this.#id, tensors: {}, parts } as const;
    const features = {
      sentences: found,
      ...(cut === undefined ? {} : { cut: { start: cut, end: text.length } }),
    };
    if (parts.length === 0) {
      return { ...base, segments: [], source: { text }, features, reason: 'empty-text' };
    }
    return {
      ...base,
      segments: parts.flatMap(({ model, segments }) =>
        segments.map((segment): SampleSegment => ({ ...segment, model })),
      ),
      source: { text, language: units.zh >= units.en ? 'zh' : 'en' },
      features,
    };
  }

  #runs(text: string, { language }: PrepareOptions): Iterable<LanguageRun> {
    if (language !== 'auto' || typeof text !== 'string') {
      const chosen = language === 'auto' ? this.#fallback : language;
      return [{ text, start: 0, end: text?.length, language: chosen }];
    }
    return languageRuns(text, this.#fallback);
  }
}
