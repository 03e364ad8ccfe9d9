import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor, TextSample } from '../../lib/emotion/sample';
import { loadModel, type InstalledModel } from '../../lib/models/model';
import { packageRoot } from '../../lib/models/package-root';

/** A token id that no fixture's text has; see `poison-process.ts`. */
export const POISON = 51n;

export const FIXTURES = join(packageRoot(), 'test', 'fixtures', 'models');

export function fixture(id: string): Promise<InstalledModel> {
  return loadModel(join(FIXTURES, id));
}

const tokenizer = JSON.parse(
  readFileSync(join(FIXTURES, 'tiny-text', 'tokenizer.json'), 'utf8'),
) as { model: { vocab: Record<string, number> } };
const VOCABULARY = tokenizer.model.vocab;

function encode(text: string): { tokens: string[]; ids: number[] } {
  const words = text.split(' ').filter((word) => word !== '');
  const tokens = ['[CLS]', ...words, '[SEP]'];
  return { tokens, ids: tokens.map((token) => VOCABULARY[token] ?? VOCABULARY['[UNK]']!) };
}

/** Text samples as a preprocess node would make them: one row a text, words split at blanks. */
export function textSample(texts: string | string[], model: InstalledModel): TextSample {
  const list = typeof texts === 'string' ? [texts] : texts;
  return idsSample(
    list.map((text) => encode(text).ids),
    model,
    list.map((text) => ({ text, language: 'en', tokens: encode(text).tokens })),
  );
}

/** A sample from rows of token ids. */
export function idsSample(
  rows: number[][],
  model: InstalledModel,
  segments: TextSample['segments'] = rows.map((ids) => ({ tokens: ids.map(String) })),
): TextSample {
  const longest = Math.max(...rows.map((ids) => ids.length));
  const fill = (value: (id: number) => number): Tensor => {
    const data = new BigInt64Array(rows.length * longest);
    rows.forEach((ids, row) =>
      ids.forEach((id, column) => {
        data[row * longest + column] = BigInt(value(id));
      }),
    );
    return { type: 'int64', dims: [rows.length, longest], data };
  };
  const tensors: Record<string, Tensor> = { input_ids: fill((id) => id) };
  if (model.manifest.inputs['attention_mask']) tensors['attention_mask'] = fill(() => 1);
  return { modality: 'text', model: model.manifest.id, tensors, segments, source: {} };
}
