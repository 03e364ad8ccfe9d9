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
    return await Promise.all(
      samples.map((sample, index) => {
        const queue = index === 0 ? options : { ...options, ...WITH_THE_FIRST };
        return access.infer(sample.model, async (engine, { manifest }) => {
          const output = await engine.infer(sample, { ...queue, signal: givenUp.signal });
          const result = interpret(sample, output, manifest, interpretation);
          const drawing = drawingOf(picture, sample, output, result, manifest);
          if (drawing === undefined) return result;
          const { picture: on, faces } = drawing;
          const annotated = await access.drawFaces(sample.model, on, faces, givenUp.signal);
          return { ...result, annotated };
        });
      }),
    );
  } catch (error) {
    givenUp.abort(error);
    throw error;
  } finally {
    options.signal.removeEventListener('abort', giveUp);
  }
}

const WITH_THE_FIRST = { policy: 'queue', queueLimit: Infinity } as const;
