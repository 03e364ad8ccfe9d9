import type { FaceFinder } from '../lib/video/face-finder';
import { NetFaceFinder } from '../lib/video/face-finder';
import { FaceReader } from '../lib/video/face-reader';
import { openFaceNets } from '../lib/video/open-face-nets';
import { openTensorFlowFaces } from '../lib/video/tensorflow-faces';
import { drawFaces } from '../test/video/drawn-face';
import { figure, median, type BenchRow, type RowGroup } from './row';

const RUNS = 40;
const WARM_UP = 5;

const SIZES = [
  [640, 360],
  [1280, 720],
] as const;

/** Where TensorFlow.js was installed; without it, its rows are left out. */
const TENSORFLOW = process.env['EMOTION_TENSORFLOW'];

/** Median milliseconds of a call. */
async function timed(call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RUNS + WARM_UP; run++) {
    const start = performance.now();
    await call();
    if (run >= WARM_UP) times.push(performance.now() - start);
  }
  return median(times);
}

async function rowsOf(name: string, finder: () => FaceFinder): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [width, height] of SIZES) {
    const picture = drawFaces(width, height, [{ x: width / 2, y: height / 2, size: height / 4 }]);
    const still = new FaceReader(finder());
    const clip = new FaceReader(finder());
    let time = 0;
    const stillMs = await timed(() => still.readStill(picture));
    const frameMs = await timed(() => clip.read(picture, (time += 0.04)));
    rows.push({
      name: `${name}, ${width} × ${height}`,
      columns: { 'ms a still': figure(stillMs), 'ms a frame of a clip': figure(frameMs) },
    });
  }
  return rows;
}

async function measure(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const web of [false, true]) {
    const nets = await openFaceNets({ web });
    rows.push(...(await rowsOf(nets.runtime, () => new NetFaceFinder(nets))));
    await nets.close();
  }
  if (TENSORFLOW !== undefined) {
    const tensorFlow = await openTensorFlowFaces({ folders: [TENSORFLOW] });
    rows.push(...(await rowsOf('TensorFlow.js, WebAssembly', () => tensorFlow.finder({}))));
  }
  return rows;
}

/** One thread: picture → box, 468 and 68 points, crop and quality of one face. */
export const faces: RowGroup = {
  id: 'faces',
  title: 'picture to one face',
  measure,
};
