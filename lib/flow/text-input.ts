import { EmotionError } from '../emotion/error';
import { describeValue } from './describe';

/** The texts of one message, and whether the answer is a list as well. */
export interface TextInput {
  readonly texts: readonly string[];
  readonly many: boolean;
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/**
 * A text or an array of texts out of what a message carries. A buffer is read as UTF-8.
 *
 * @throws EmotionError `input.wrong-type` for anything else, `input.unusable` for a buffer that is
 * not UTF-8
 */
export function readTexts(value: unknown): TextInput {
  if (Array.isArray(value)) {
    return {
      texts: value.map((item, index) => text(item, `, item ${index} of the array`)),
      many: true,
    };
  }
  return { texts: [text(value, '')], many: false };
}

function text(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) {
    try {
      return UTF_8.decode(value);
    } catch (cause) {
      throw new EmotionError(
        'input.unusable',
        `Expected text in UTF-8, got ${describeValue(value)} that is not${where}`,
        { expected: 'UTF-8', got: describeValue(value) },
        { cause },
      );
    }
  }
  throw new EmotionError(
    'input.wrong-type',
    `Expected a string, a buffer of UTF-8 text or an array of these, got ${describeValue(value)}${where}`,
    { expected: 'string', got: describeValue(value) },
  );
}

/** The language that a message asks for in `msg.language`; undefined leaves it to detection. */
export function requestedLanguage(value: unknown): 'zh' | 'en' | undefined {
  const match = typeof value === 'string' ? /^(zh|en)\b/i.exec(value) : null;
  return match?.[1]?.toLowerCase() as 'zh' | 'en' | undefined;
}
