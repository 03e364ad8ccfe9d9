import { EmotionError } from '../emotion/error';
import type { LocalEngineOptions } from '../engine/engine';
import { interpret } from '../engine/interpret';
import type { InstalledModel } from '../models/model';
import type { ModelServices } from './model-access';

/** A sentence in each language, and a text of more than one row. */
const PROBES = ['我今天很高兴！', 'I am so happy today!', 'happy 高兴 '.repeat(600)];

/**
 * Runs a model once from text to result, as nodes will: whether its tokenizer loads, its graph fits
 * its manifest, ids have rows in its tables and its scores are numbers. What is opened for it is
 * closed again.
 *
 * @throws EmotionError `model.*`, `engine.*`; `model.load-failed` when the model loads and cannot run
 *
 * @example
 * await importModel(source, { models, verify: (model) => tryTextModel(services, model) });
 */
export async function tryTextModel(
  { engines, texts }: Pick<ModelServices, 'engines' | 'texts'>,
  model: InstalledModel,
  options: Partial<LocalEngineOptions> = {},
): Promise<void> {
  const front = await texts.open(model);
  const lease = engines.acquire(model, { ...options, cacheEntries: 0 });
  try {
    await lease.engine.ready();
    const samples = await front.prepare(PROBES, {
      language: 'auto',
      stopWords: 'none',
      split: 'text',
      maxRows: 2,
    });
    for (const sample of samples) {
      interpret(sample, await lease.engine.infer(sample), model.manifest);
    }
  } catch (cause) {
    if (!(cause instanceof EmotionError) || cause.code !== 'engine.failed') throw cause;
    const { id } = model.manifest;
    throw new EmotionError(
      'model.load-failed',
      `Model "${id}" loads and does not run: ${cause.message}; is its longest row (preprocessing.maxTokens ${model.manifest.preprocessing.kind === 'text' ? model.manifest.preprocessing.maxTokens : '?'}) longer than its positions?`,
      { model: id, cause: cause.message },
      { cause },
    );
  } finally {
    await Promise.all([lease.release(), front.close()]);
  }
}
