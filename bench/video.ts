import { FaceReader } from '../lib/video/face-reader';
import { openFaceNets } from '../lib/video/open-face-nets';
import { drawFaces } from '../test/video/drawn-face';
import { figure, median, type BenchRow, type RowGroup } from './row';

const RUNS = 40;
const WARM_UP = 5;

const SIZES = [
  [640, 360],
  [1280, 720],
] as const;

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

async function measure(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const web of [false, true]) {
    const nets = await openFaceNets({ web });
    for (const [width, height] of SIZES) {
      const picture = drawFaces(width, height, [{ x: width / 2, y: height / 2, size: height / 4 }]);
      const still = new FaceReader(nets);
      const clip = new FaceReader(nets);
      let time = 0;
      const stillMs = await timed(() => still.readStill(picture));
      const frameMs = await timed(() => clip.read(picture, (time += 0.04)));
      rows.push({
        name: `${nets.runtime}, ${width} × ${height}`,
        columns: { 'ms a still': figure(stillMs), 'ms a frame of a clip': figure(frameMs) },
      });
    }
    await nets.close();
  }
  return rows;
}

/** One thread: picture → box, 468 and 68 points, crop and quality of one face. */
export const faces: RowGroup = {
  id: 'faces',
  title: 'picture to one face',
  measure,
};
