import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interpret } from '../lib/engine/interpret';
import { LocalEngine } from '../lib/engine/local-engine';
import { loadModel } from '../lib/models/model';
import { packageRoot } from '../lib/models/package-root';
import { FacePool } from '../lib/workers/face-pool';
import { ffmpeg, film, portrait } from '../test/video/face-files';
import { figure, median, type BenchRow, type RowGroup } from './row';

const [WIDTH, HEIGHT] = [1280, 720];
const FPS = 25;
const DRAWN = 10;
const SECONDS = 10;
const ROUNDS = 3;

/** How many pictures a second of the film are looked at: the node's default, and all. */
const LOOKED_AT = [10, FPS];

/** File → frames → faces → crops → clips → emotion, as the nodes do it. */
async function seconds(path: string, id: string, fps: number): Promise<number> {
  const model = await loadModel(join(packageRoot(), 'models', id));
  const engine = new LocalEngine(model, { cacheEntries: 0 });
  const front = new FacePool().open(model.manifest, 'onnxruntime');
  const answer = async (): Promise<void> => {
    const sample = await front.read(
      { kind: 'media', media: { kind: 'file', path } },
      {},
      { faces: 'largest', maxFaces: 1, minSize: 20, fps, maxSeconds: 60, picture: false },
    );
    const { label } = interpret(sample, await engine.infer(sample), model.manifest);
    if (label === null) throw new Error(`${id} saw nobody in the film`);
  };
  try {
    await answer();
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const start = performance.now();
      await answer();
      times.push((performance.now() - start) / 1000);
    }
    return median(times);
  } finally {
    await Promise.all([front.close(), engine.close()]);
  }
}

/** A film in a file to its emotion. */
export const films: RowGroup = {
  id: 'films',
  title: `film of ${SECONDS} s, ${WIDTH} × ${HEIGHT}, ${FPS} pictures/s`,
  async measure(): Promise<BenchRow[]> {
    const folder = await mkdtemp(join(tmpdir(), 'emotion-bench-film-'));
    try {
      const face = (i: number) => portrait(WIDTH, HEIGHT, { x: 500 + 20 * i, size: 150 });
      const name = await film(folder, DRAWN, face, { fps: FPS });
      const path = join(folder, 'long.mp4');
      await ffmpeg(folder, '-stream_loop', String((SECONDS * FPS) / DRAWN - 1), '-i', name, '-c', 'copy', path); // prettier-ignore
      const rows: BenchRow[] = [];
      for (const id of ['face-cnn-lstm', 'face-3dcnn-lstm']) {
        for (const fps of LOOKED_AT) {
          const time = await seconds(path, id, fps);
          rows.push({
            name: `${id}, ${fps === FPS ? 'all' : fps} pictures/s looked at`,
            columns: { seconds: figure(time), 'pictures/s': figure((SECONDS * FPS) / time) },
          });
        }
      }
      return rows;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
