import { join } from 'node:path';
import type { Tensor, TextSample } from '../lib/emotion/sample';
import { loadModel, type InstalledModel } from '../lib/models/model';
import { packageRoot } from '../lib/models/package-root';

/**
 * The model that is measured: a transformer encoder of 3.7 million weights from the test fixtures,
 * or the folder in EMOTION_BENCH_MODEL, which has to take `input_ids` and may take
 * `attention_mask`.
 */
export function benchModel(): Promise<InstalledModel> {
  const folder =
    process.env['EMOTION_BENCH_MODEL'] ??
    join(packageRoot(), 'test', 'fixtures', 'models', 'bench-encoder');
  return loadModel(folder);
}

/** Numerical Recipes' linear congruential generator, 0 to 1. */
function generator(): () => number {
  let state = 12_345;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Made-up texts of words from a vocabulary; the same for the same arguments. */
export function posts(
  count: number,
  vocabulary: readonly string[],
  wordsOf: (random: () => number) => number,
): string[] {
  const random = generator();
  return Array.from({ length: count }, () =>
    Array.from(
      { length: wordsOf(random) },
      () => vocabulary[Math.floor(random() * vocabulary.length)]!,
    ).join(' '),
  );
}

/** Token ids of made-up texts; the same for the same arguments. */
export function texts(count: number, tokensOf: (random: () => number) => number): number[][] {
  const random = generator();
  return Array.from({ length: count }, () =>
    Array.from({ length: tokensOf(random) }, () => 4 + Math.floor(random() * 1_900)),
  );
}

/** Lengths as those of posts and comments: most short, some long; 5 to 128 tokens. */
export function postLength(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.max(5, Math.min(128, Math.round(Math.exp(3.3 + 0.7 * normal))));
}

/** The inputs of a batch, filled up to its longest text. */
export function tensorsOf(
  rows: readonly number[][],
  { manifest }: InstalledModel,
): Record<string, Tensor> {
  const longest = Math.max(...rows.map(({ length }) => length));
  const ids = new BigInt64Array(rows.length * longest);
  const mask = new BigInt64Array(rows.length * longest);
  rows.forEach((row, index) =>
    row.forEach((id, column) => {
      ids[index * longest + column] = BigInt(id);
      mask[index * longest + column] = 1n;
    }),
  );
  const dims = [rows.length, longest];
  return {
    input_ids: { type: 'int64', dims, data: ids },
    ...(manifest.inputs['attention_mask'] && {
      attention_mask: { type: 'int64', dims, data: mask } satisfies Tensor,
    }),
  };
}

/** One text as a preprocess node would hand it over. */
export function sampleOf(ids: number[], model: InstalledModel): TextSample {
  return {
    modality: 'text',
    model: model.manifest.id,
    tensors: tensorsOf([ids], model),
    segments: [{ tokens: ids.map(String) }],
    source: {},
  };
}
