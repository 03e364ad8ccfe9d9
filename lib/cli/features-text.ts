import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { EmotionError } from '../emotion/error';
import type { Locale } from '../emotion/labels';
import { manifestSchema, type TextPreprocessing } from '../models/manifest';
import { normaliseText } from '../text/normalise';
import { loadChineseCutter, segment } from '../text/segment';
import type { FeatureCommand } from './emotion-features';

const USAGE = `emotion-features text --model DIR | --segmentation characters|words [--case lower|keep]

Reads JSON lines {"id", "text", "language"?: "zh"|"en"} and writes, in the same order, JSON lines
{"id", "language", "text"}: the text as the tokenizer of a model gets it, normalised and, with
--segmentation words, with blanks between the words.

  --model DIR      takes case and segmentation from DIR/model.yaml
  --segmentation   characters | words
  --case           lower (default) | keep`;

const FLUSH_AT = 1 << 16;

interface TextLine {
  readonly id: unknown;
  readonly text: string;
  readonly language?: Locale;
}

export const textFeatures: FeatureCommand = { usage: USAGE, run };

async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string' },
      segmentation: { type: 'string' },
      case: { type: 'string' },
    },
  });
  const { case: letters, segmentation } = await settings(values);
  const cutter = segmentation === 'words' ? await loadChineseCutter() : undefined;

  let buffer = '';
  let number = 0;
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    number++;
    if (line.trim() === '') continue;
    const { id, text, language: fixed } = parseLine(line, number);
    const { text: normalised, language } = normaliseText(text, { case: letters, language: fixed });
    const shown = cutter ? segment(normalised, cutter).join(' ') : normalised;
    buffer += JSON.stringify({ id, language, text: shown }) + '\n';
    if (buffer.length >= FLUSH_AT) {
      if (!process.stdout.write(buffer)) await once(process.stdout, 'drain');
      buffer = '';
    }
  }
  process.stdout.write(buffer);
}

async function settings(values: {
  model?: string | undefined;
  segmentation?: string | undefined;
  case?: string | undefined;
}): Promise<Pick<TextPreprocessing, 'case' | 'segmentation'>> {
  if (values.model !== undefined) {
    const manifest = manifestSchema.parse(
      parse(await readFile(path.join(values.model, 'model.yaml'), 'utf8')),
    );
    return manifest.preprocessing;
  }
  return {
    segmentation: oneOf('segmentation', values.segmentation, ['characters', 'words']),
    case: oneOf('case', values.case ?? 'lower', ['lower', 'keep']),
  };
}

function oneOf<T extends string>(
  option: string,
  value: string | undefined,
  known: readonly T[],
): T {
  const found = known.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new EmotionError(
      'input.wrong-type',
      `--${option}: expected ${known.join(' or ')}, got ${value ?? 'nothing'}`,
    );
  }
  return found;
}

function parseLine(line: string, number: number): TextLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new EmotionError(
      'input.wrong-type',
      `line ${number}: not JSON`,
      { line: number },
      { cause },
    );
  }
  const { id, text, language } = (value ?? {}) as Record<string, unknown>;
  if (typeof text !== 'string') {
    throw new EmotionError(
      'input.wrong-type',
      `line ${number}: "text" must be a string, got ${typeof text}`,
      { line: number },
    );
  }
  if (language !== undefined && language !== 'zh' && language !== 'en') {
    throw new EmotionError(
      'input.wrong-type',
      `line ${number}: "language" must be "zh" or "en", got ${JSON.stringify(language)}`,
      { line: number },
    );
  }
  return { id, text, ...(language === undefined ? {} : { language }) };
}
