import { EmotionError } from '../emotion/error';
import type { VideoFeatures } from '../emotion/sample';
import { NetFaceFinder, type FaceFinder, type FaceFinderOptions } from './face-finder';
import { openFaceNets } from './open-face-nets';
import { openTensorFlowFaces } from './tensorflow-faces';

/**
 * What finds faces: the shipped nets on ONNX Runtime, TensorFlow.js where it is installed, or the
 * first of the two that can be opened.
 */
export const FACE_ENGINES = ['auto', 'onnxruntime', 'tensorflow'] as const;
export type FaceEngine = (typeof FACE_ENGINES)[number];

export interface Faces {
  /** What was opened. */
  readonly name: VideoFeatures['engine'];
  finder(options: Partial<FaceFinderOptions>): FaceFinder;
}

/** What can be opened, so that tests need not break an installation. */
export interface FaceOpeners {
  onnxruntime(options: { readonly threads: number }): Promise<Faces>;
  tensorflow(options: { readonly threads: number }): Promise<Faces>;
}

const OPENERS: FaceOpeners = {
  onnxruntime: async (options) => {
    const nets = await openFaceNets(options);
    return { name: nets.runtime, finder: (wanted) => new NetFaceFinder(nets, wanted) };
  },
  tensorflow: openTensorFlowFaces,
};

/**
 * Opens what finds faces. For child processes, like `openFaceNets`.
 *
 * @throws EmotionError what `openFaceNets` and `openTensorFlowFaces` throw; with `auto`, where neither
 *   can be opened, the code of the former with the words of both, and both as `cause`
 */
export async function openFaces(
  engine: FaceEngine,
  threads = 1,
  openers: FaceOpeners = OPENERS,
): Promise<Faces> {
  if (engine !== 'auto') return openers[engine]({ threads });
  try {
    return await openers.onnxruntime({ threads });
  } catch (first) {
    return await openers.tensorflow({ threads }).catch((second: unknown) => {
      throw neither(first, second);
    });
  }
}

function neither(first: unknown, second: unknown): EmotionError {
  const message = [first, second].map(wordsOf).join('; nor can another engine be used: ');
  const { code, details } =
    first instanceof EmotionError ? first : { code: 'model.load-failed' as const, details: {} };
  const cause = new AggregateError([first, second], message);
  return new EmotionError(code, message, details, { cause });
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
