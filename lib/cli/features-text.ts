import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { EmotionError } from '../emotion/error';
import type { Locale } from '../emotion/labels';
import type { TextPreprocessing } from '../models/manifest';
import { loadModel } from '../models/model';
import { rowText } from '../text/prepare';
import { loadChineseCutter } from '../text/segment';
import { TextTokenizer } from '../text/tokenise';
import type { FeatureCommand } from './emotion-features';

const USAGE = `emotion-features text --model DIR | --segmentation characters|words [--case lower|keep]

Reads JSON lines {"id", "text", "language"?: "zh"|"en"} and writes, in the same order, JSON lines
{"id", "language", "text", "ids"?}: the text as the tokenizer of a model gets it, normalised and,
with --segmentation words, with blanks between the words; with --model its token ids, special
tokens included, at most preprocessing.maxTokens.

  --model DIR      takes case, segmentation and tokenizer from DIR (model.yaml)
  --no-tokenise    with --model: no ids
  --segmentation   characters | words
  --case           lower (default) | keep`;

const FLUSH_AT = 1 << 16;

interface TextLine {
  readonly id: unknown;
  readonly text: string;
  readonly language?: Locale;
}

export const textFeatures: FeatureCommand = { usage: USAGE, run };

interface FrontEnd {
  readonly preprocessing: Pick<TextPreprocessing, 'case' | 'segmentation'>;
  readonly tokenise?: (text: string) => readonly number[];
}

async function run(args: readonly string[]): Promise<void> {
  const { preprocessing, tokenise } = await frontEnd(args);
  const cutter = preprocessing.segmentation === 'words' ? await loadChineseCutter() : undefined;

  let buffer = '';
  let number = 0;
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    number++;
    if (line.trim() === '') continue;
    const { id, text, language: fixed } = parseLine(line, number);
    const row = rowText(text, preprocessing, cutter, { language: fixed });
    const ids = tokenise && { ids: tokenise(row.text) };
    buffer += JSON.stringify({ id, language: row.language, text: row.text, ...ids }) + '\n';
    if (buffer.length >= FLUSH_AT) {
      if (!process.stdout.write(buffer)) await once(process.stdout, 'drain');
      buffer = '';
    }
  }
  process.stdout.write(buffer);
}

async function frontEnd(args: readonly string[]): Promise<FrontEnd> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string' },
      segmentation: { type: 'string' },
      case: { type: 'string' },
      'no-tokenise': { type: 'boolean' },
    },
  });
  if (values.model === undefined) {
    return {
      preprocessing: {
        segmentation: oneOf('segmentation', values.segmentation, ['characters', 'words']),
        case: oneOf('case', values.case ?? 'lower', ['lower', 'keep']),
      },
    };
  }
  const { manifest, folder } = await loadModel(values.model);
  const { preprocessing } = manifest;
  if (preprocessing.kind !== 'text') {
    throw new EmotionError(
      'input.wrong-model',
      `--model: expected a text model, got ${manifest.id} (${manifest.modality})`,
      { model: manifest.id, modality: manifest.modality },
    );
  }
  const { tokenizer: file } = manifest.files;
  if (values['no-tokenise'] || file === undefined) return { preprocessing };
  const tokenizer = await TextTokenizer.load(path.join(folder, file.path));
  return {
    preprocessing,
    tokenise: (text) => tokenizer.row(text, tokenizer.encode(text), preprocessing.maxTokens).ids,
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
