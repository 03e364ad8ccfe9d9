import type { FaceFinder } from '../lib/video/face-finder';
import { NetFaceFinder } from '../lib/video/face-finder';
import { FaceReader } from '../lib/video/face-reader';
import { openFaceNets } from '../lib/video/open-face-nets';
import type { Picture } from '../lib/video/picture';
import { INSTALL_LINE, openTensorFlowFaces } from '../lib/video/tensorflow-faces';
import { drawFaces } from '../test/video/drawn-face';
import { CONTENDERS, openContenders } from './other-faces';
import { figure, median, type BenchRow, type RowGroup } from './row';

const RUNS = 20;
const WARM_UP = 5;

const SIZES = [
  [640, 360],
  [1280, 720],
] as const;

/** Where TensorFlow.js and what runs on it were installed; without them, their rows are left out. */
const TENSORFLOW = process.env['EMOTION_TENSORFLOW'];
const MISSING = `Faces by others are left out. To compare, run in an empty folder
  ${INSTALL_LINE} ${CONTENDERS}
and name the folder in EMOTION_TENSORFLOW.\n`;

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

function row(name: string, { width, height }: Picture, stillMs: number, frameMs: number): BenchRow {
  return {
    name: `${name}, ${width} × ${height}`,
    columns: { 'ms a still': figure(stillMs), 'ms a frame of a clip': figure(frameMs) },
  };
}

const pictures = (): Picture[] =>
  SIZES.map(([width, height]) =>
    drawFaces(width, height, [{ x: width / 2, y: height / 2, size: height / 4 }]),
  );

/** @param finder for stills, or for frames of a clip */
async function rowsOf(
  name: string,
  finder: (tracking: boolean) => FaceFinder | Promise<FaceFinder>,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const picture of pictures()) {
    const still = new FaceReader(await finder(false));
    const clip = new FaceReader(await finder(true));
    if ((await still.readStill(picture)).length !== 1) throw new Error(`${name} found no face`);
    let time = 0;
    const stillMs = await timed(() => still.readStill(picture));
    const frameMs = await timed(() => clip.read(picture, (time += 0.04)));
    rows.push(row(name, picture, stillMs, frameMs));
  }
  return rows;
}

/** face-api has points of its own and knows no clips; what it does not do, a crop, is not counted. */
async function faceApiRows(look: (picture: Picture) => Promise<number>): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const picture of pictures()) {
    if ((await look(picture)) !== 1) throw new Error('face-api found no face');
    const ms = await timed(() => look(picture));
    rows.push(row('@vladmandic/face-api, WebAssembly', picture, ms, ms));
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
  if (TENSORFLOW === undefined) {
    console.log(MISSING);
    return rows;
  }
  const tensorFlow = await openTensorFlowFaces({ folders: [TENSORFLOW] });
  rows.push(...(await rowsOf('TensorFlow.js, WebAssembly', () => tensorFlow.finder({}))));
  const others = await openContenders(TENSORFLOW);
  if (others === undefined) {
    console.log(MISSING);
    return rows;
  }
  rows.push(
    ...(await rowsOf('@vladmandic/human, WebAssembly', (tracking) => others.human(tracking))),
    ...(await faceApiRows(await others.faceApi())),
  );
  return rows;
}

/** One thread: picture → box, 468 and 68 points, crop and quality of one face. */
export const faces: RowGroup = {
  id: 'faces',
  title: 'picture to one face',
  measure,
};
