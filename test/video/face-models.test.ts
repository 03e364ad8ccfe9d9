import { join } from 'node:path';
import { expect } from 'chai';
import { LocalEngine } from '../../lib/engine/local-engine';
import type { Tensor } from '../../lib/emotion/sample';
import { interpret } from '../../lib/engine/interpret';
import { loadModel, type InstalledModel } from '../../lib/models/model';
import { shippedModels } from '../../lib/models/package-root';
import type { Face } from '../../lib/video/face-reader';
import { VideoPreparer } from '../../lib/video/prepare';

/** A picture that stands for the frames a face was seen in; the models only look at its crop. */
const PICTURE = { width: 48, height: 48, channels: 1, data: new Uint8Array(48 * 48) } as const;

const QUALITY = {
  size: 30,
  brightness: 0.5,
  contrast: 0.2,
  sharpness: 0.2,
  pose: { yaw: 0, pitch: 0, roll: 0 },
  inside: 1,
  flaws: [],
};

/** A drawn face, 0–255: eyes, nose and a mouth that is `open` pixels high. */
function drawnCrop(open: number): Float32Array {
  const crop = new Float32Array(48 * 48).fill(170);
  const ellipse = (x: number, y: number, across: number, down: number, grey: number): void => {
    for (let row = 0; row < 48; row++) {
      for (let column = 0; column < 48; column++) {
        if (((column - x) / across) ** 2 + ((row - y) / down) ** 2 <= 1)
          crop[row * 48 + column] = grey;
      }
    }
  };
  ellipse(15, 18, 5, 2.5, 40);
  ellipse(33, 18, 5, 2.5, 40);
  ellipse(24, 27, 2, 5, 140);
  ellipse(24, 37, 8, Math.max(1, open / 2), 30);
  return crop;
}

const seen = (crop: Float32Array): Face => ({
  id: 1,
  box: [0, 0, 48, 48],
  region: { x: 24, y: 24, side: 48, angle: 0 },
  score: 0.9,
  mesh: new Float32Array(468 * 3),
  landmarks: Array.from({ length: 68 }, () => [24, 24] as const),
  crop,
  quality: QUALITY,
});

for (const id of ['face-cnn-lstm', 'face-3dcnn-lstm']) {
  describe(`models/${id}`, function () {
    this.timeout(120_000);
    let model: InstalledModel;
    let engine: LocalEngine;
    before(async () => {
      model = await loadModel(join(shippedModels(), id));
      engine = new LocalEngine(model, { intraOpThreads: 1, cacheEntries: 0 });
    });
    after(() => engine.close());

    /** What the model says of crops that were seen 0.1 s apart. */
    async function answer(crops: readonly Float32Array[]) {
      const record = new VideoPreparer(model.manifest).record('onnxruntime');
      crops.forEach((crop, index) => record.add(PICTURE, index / 10, [seen(crop)]));
      const sample = record.clips({}, { faces: 'largest', picture: false });
      const output = await engine.infer(sample);
      return { result: interpret(sample, output, model.manifest), row: output.rows[0]! };
    }
    const tensor = (row: { outputs: Readonly<Record<string, Tensor>> }, name: string): number[] =>
      Array.from(row.outputs[name]!.data as Float32Array);

    it('answers for one picture with scores of all seven labels', async () => {
      const { result, row } = await answer([drawnCrop(2)]);
      const scores = Object.values(result.scores);
      expect(scores).to.have.length(7);
      expect(scores.reduce((sum, score) => sum + score, 0)).to.be.closeTo(1, 1e-6);
      const saliency = tensor(row, 'saliency');
      expect(saliency).to.have.length(36);
      expect(Math.min(...saliency)).to.be.at.least(0);
    });

    it('says the same of a picture and of a film in which nothing moves', async () => {
      const one = await answer([drawnCrop(6)]);
      const film = await answer(Array.from({ length: 16 }, () => drawnCrop(6)));
      tensor(one.row, 'logits').forEach((logit, index) => {
        expect(tensor(film.row, 'logits')[index]).to.be.closeTo(logit, 1e-3);
      });
    });

    it('does not see how light a picture is', async () => {
      const bright = await answer([drawnCrop(8)]);
      const dim = await answer([drawnCrop(8).map((grey) => Math.round(grey * 0.3) + 10)]);
      expect(dim.result.label).to.equal(bright.result.label);
    });

    it('gives weights over the time of a film that sum to 1', async () => {
      const film = await answer(Array.from({ length: 16 }, (_, i) => drawnCrop(1 + i)));
      const { times } = film.result.segments![0]!;
      expect(times!.reduce((sum, { weight }) => sum + weight, 0)).to.be.closeTo(1, 1e-6);
      expect(times!.at(-1)!.end).to.be.closeTo(1.6, 0.01);
    });
  });
}
