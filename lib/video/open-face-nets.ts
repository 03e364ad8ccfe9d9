import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as Ort from 'onnxruntime-common';
import { EmotionError } from '../emotion/error';
import { loadOnnxRuntime, type OrtModule } from '../engine/onnx-runtime';
import type { SessionRuntime } from '../engine/protocol';
import { loadNet } from '../models/net-manifest';
import { shippedModels } from '../models/package-root';
import type { Net } from './net';

export interface FaceNets {
  readonly runtime: SessionRuntime;
  readonly detector: Net;
  readonly mesh: Net;
  close(): Promise<void>;
}

/**
 * Opens the detector and the mesh in this process. A run blocks it for some milliseconds, so this is
 * for child processes, the command line and tests; Node-RED's own process never calls it.
 *
 * @throws EmotionError as `loadNet`, and `model.load-failed` when ONNX Runtime refuses a file or is not there
 */
export async function openFaceNets(
  options: { readonly folder?: string; readonly threads?: number; readonly web?: boolean } = {},
): Promise<FaceNets> {
  const { folder = shippedModels(), threads = 1, web = false } = options;
  const { ort, runtime } = runtimeOr(() =>
    loadOnnxRuntime(web ? 'onnxruntime-web' : 'auto', threads),
  );
  const open = async (id: string): Promise<Ort.InferenceSession> => {
    const { path } = await loadNet(join(folder, id));
    try {
      return await ort.InferenceSession.create(await readFile(path), {
        graphOptimizationLevel: 'all',
        intraOpNumThreads: threads,
        logSeverityLevel: 3,
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EmotionError('model.load-failed', `${path}: ${reason}`, { file: path }, { cause });
    }
  };
  const [detector, mesh] = [await open('face-detection'), await open('face-mesh')];
  return {
    runtime,
    detector: asNet(ort, detector),
    mesh: asNet(ort, mesh),
    close: async () => {
      await detector.release();
      await mesh.release();
    },
  };
}

function asNet(ort: OrtModule, session: Ort.InferenceSession): Net {
  const [name] = session.inputNames;
  return async (input, dims) => {
    const outputs = await session.run({ [name!]: new ort.Tensor('float32', input, dims) });
    return Object.fromEntries(
      Object.entries(outputs).map(([key, tensor]) => [key, tensor.data as Float32Array]),
    );
  };
}

function runtimeOr<T>(load: () => T): T {
  try {
    return load();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EmotionError(
      'model.load-failed',
      `ONNX Runtime, which finds the faces, cannot be loaded: ${reason}`,
      {},
      { cause },
    );
  }
}
