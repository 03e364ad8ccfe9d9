import { setMaxListeners } from 'node:events';
import type { Result } from '../emotion/result';
import type { Sample } from '../emotion/sample';
import type { InferOptions } from '../engine/engine';
import { interpret, type InterpretOptions } from '../engine/interpret';
import { drawingOf, type ResultPicture } from './draw-result';
import type { ModelAccess } from './model-access';

/**
 * The results of the samples of one message, in their order. The message counts as one call towards
 * the queue's policy and limit: its first sample stands for all. When one sample fails, the others
 * are given up and the message fails with the reason.
 */
export async function inferAll(
  access: Pick<ModelAccess, 'infer' | 'drawFaces'>,
  samples: readonly Sample[],
  options: InferOptions & { readonly signal: AbortSignal },
  interpretation: InterpretOptions,
  picture: ResultPicture = 'none',
): Promise<Result[]> {
  const givenUp = new AbortController();
  setMaxListeners(0, givenUp.signal);
  const giveUp = () => givenUp.abort(options.signal.reason);
  options.signal.addEventListener('abort', giveUp, { once: true });
  try {
    const queue = { ...options, signal: givenUp.signal };
    const behind = { ...queue, ...WITH_THE_FIRST };
    const results = await Promise.all(
      runsOfOneModel(samples).map(({ model, from, to }) =>
        access.infer(model, (engine, { manifest }) =>
          Promise.all(
            samples.slice(from, to).map(async (sample, at) => {
              const output = await engine.infer(sample, from + at === 0 ? queue : behind);
              const result = interpret(sample, output, manifest, interpretation);
              const drawing = drawingOf(picture, sample, output, result, manifest);
              if (drawing === undefined) return result;
              const { picture: on, faces } = drawing;
              const annotated = await access.drawFaces(model, on, faces, givenUp.signal);
              return { ...result, annotated };
            }),
          ),
        ),
      ),
    );
    return results.flat();
  } catch (error) {
    givenUp.abort(error);
    throw error;
  } finally {
    options.signal.removeEventListener('abort', giveUp);
  }
}

/** Neighbours that the same model prepared: what is asked of a model is asked once for all of them. */
function runsOfOneModel(
  samples: readonly Sample[],
): { readonly model: string; readonly from: number; to: number }[] {
  const runs: { readonly model: string; readonly from: number; to: number }[] = [];
  samples.forEach(({ model }, at) => {
    const last = runs.at(-1);
    if (last?.model === model) last.to = at + 1;
    else runs.push({ model, from: at, to: at + 1 });
  });
  return runs;
}

const WITH_THE_FIRST = { policy: 'queue', queueLimit: Infinity } as const;
