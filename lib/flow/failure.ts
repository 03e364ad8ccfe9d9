import { EmotionError, type ErrorCode } from '../emotion/error';
import type { Catalogue } from './message';

/**
 * An {@link EmotionError} in the language of the host, ready for `done(error)`. A Catch node copies
 * `code` and `cause` of it, so a flow reads `msg.error.code` (for example `queue.full`) and, through
 * the untranslated original, `msg.error.cause.status`, `.transient` and `.details`.
 */
export class TranslatedError extends EmotionError {
  constructor(original: EmotionError, message: string) {
    super(original.code, message, original.details, { cause: original });
  }

  /** The bare message: hosts show `String(error)` to people. */
  override toString(): string {
    return this.message;
  }
}

/**
 * Fills the `__name__` variables of a catalogue text.
 *
 * @returns undefined when the text names a variable that `values` lacks.
 * @example fillTemplate('No model "__model__"', { model: 'x' }); // → 'No model "x"'
 */
export function fillTemplate(
  template: string,
  values: Readonly<Record<string, string | number>>,
): string | undefined {
  let complete = true;
  const text = template.replace(/__(\w+?)__/g, (_match, name: string) => {
    const value = values[name];
    if (value === undefined) complete = false;
    return String(value);
  });
  return complete ? text : undefined;
}

/**
 * What `done` gets for anything that was thrown. An {@link EmotionError} comes out translated:
 * `errors.<code>`, its variables being the details and, as `__message__`, the error's own words.
 * These stand alone where the catalogue has no text that fits, as in English. Anything else is a
 * defect of the suite or of its host and keeps its stack.
 */
export function toFlowError(thrown: unknown, catalogue: Catalogue): Error {
  if (thrown instanceof TranslatedError) return thrown;
  if (thrown instanceof EmotionError) {
    const template = catalogue(`errors.${thrown.code}`);
    const values = { message: thrown.message, ...thrown.details };
    const message = template === undefined ? undefined : fillTemplate(template, values);
    return new TranslatedError(thrown, message ?? thrown.message);
  }
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Short text of an error for a node's status, from `short.<code>`. */
export function shortText(error: Error, catalogue: Catalogue): string {
  const code: ErrorCode | 'unexpected' = error instanceof EmotionError ? error.code : 'unexpected';
  return catalogue(`short.${code}`) ?? code;
}
