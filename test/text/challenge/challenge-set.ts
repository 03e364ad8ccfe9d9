import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { isEmotion, type Emotion, type Locale } from '../../../lib/emotion/labels';
import { packageRoot } from '../../../lib/models/package-root';

export const PHENOMENA = [
  'plain',
  'negated',
  'doubly-negated',
  'degree',
  'contrast',
  'question',
  'irony',
  'emoji',
  'bracket',
  'mixed',
] as const;

export type Phenomenon = (typeof PHENOMENA)[number];

/** One sentence and what a model may say of it. */
export interface Challenge {
  readonly phenomenon: Phenomenon;
  /** The file that it stands in; a mixed sentence is mostly of this language. */
  readonly language: Locale;
  readonly text: string;
  readonly right: readonly Emotion[];
  /** Labels that show that the phenomenon was missed. */
  readonly wrong: readonly Emotion[];
}

/** Whether an answer is one of the right ones. */
export function passes({ right }: Pick<Challenge, 'right'>, label: Emotion | null): boolean {
  return label !== null && right.includes(label);
}

/**
 * All sentences of the challenge set, templates filled in.
 *
 * @throws Error that names an entry which is not well formed
 */
export function loadChallenges(): Challenge[] {
  return (['zh', 'en'] as const).flatMap((language) => {
    const file = join(packageRoot(), 'test', 'text', 'challenge', `${language}.yaml`);
    const { phenomena } = parse(readFileSync(file, 'utf8')) as {
      phenomena: Record<string, unknown[]>;
    };
    return Object.entries(phenomena).flatMap(([phenomenon, entries]) => {
      if (!(PHENOMENA as readonly string[]).includes(phenomenon)) {
        throw new Error(`${file}: unknown phenomenon ${phenomenon}`);
      }
      return entries.flatMap((entry) =>
        expand(entry).map(({ text, labels }) => ({
          phenomenon: phenomenon as Phenomenon,
          language,
          text,
          ...readLabels(labels, text),
        })),
      );
    });
  });
}

function expand(entry: unknown): { text: string; labels: string }[] {
  const template = entry as { words?: unknown; text?: string; labels?: string };
  if (Array.isArray(template.words)) {
    const { words, text = '', labels = '' } = template as { words: string[] } & typeof template;
    return words.map((word) => ({ text: text.replace('{…}', word), labels }));
  }
  const pairs = Object.entries(entry as Record<string, string>);
  const [pair] = pairs;
  if (pair === undefined || pairs.length !== 1) {
    throw new Error(`one text and its labels, got ${JSON.stringify(entry)}`);
  }
  return [{ text: pair[0], labels: pair[1] }];
}

function readLabels(labels: unknown, text: string): Pick<Challenge, 'right' | 'wrong'> {
  const [right = '', wrong = ''] = String(labels).split(' not ');
  const read = (list: string): Emotion[] =>
    list
      .split(',')
      .map((label) => label.trim())
      .filter((label) => label !== '')
      .map((label) => {
        if (isEmotion(label)) return label;
        throw new Error(`${text}: ${label} is no label`);
      });
  return { right: read(right), wrong: read(wrong) };
}
