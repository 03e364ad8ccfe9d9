import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Scores } from '../../lib/emotion/labels';
import { loadModel } from '../../lib/models/model';
import { shippedModels } from '../../lib/models/package-root';
import { LogisticRegression } from '../../lib/resilience/logistic-regression';
import { parseSafetensors } from '../../lib/resilience/safetensors';
import { GEOMETRY_NAMES, landmarkGeometry } from '../../lib/video/landmark-geometry';
import type { Point } from '../../lib/video/region';

/** By how much some of the 68 points move; a unit is about the height of a nose. */
type Move = Readonly<Record<number, Point>>;

describe('models/fallback-video', () => {
  let model: LogisticRegression;
  let average: readonly Point[];
  before(async () => {
    const { manifest, folder } = await loadModel(join(shippedModels(), 'fallback-video'));
    const file = join(folder, manifest.weights!.path);
    const bytes = await readFile(file);
    model = new LogisticRegression(bytes, file);
    // The first features are the points themselves, so their means are the average face.
    const { data } = parseSafetensors(bytes, file).tensors.get('mean')!;
    average = Array.from({ length: 68 }, (_, i): Point => [data[2 * i]!, data[2 * i + 1]!]);
  });

  const scores = (move: Move = {}): Scores =>
    model.classifyFeatures(
      landmarkGeometry(
        average.map(([x, y], i): Point => [x + (move[i]?.[0] ?? 0), y + (move[i]?.[1] ?? 0)]),
      ),
    );

  it('reads the geometry that the library computes', () => {
    const { input } = model.specification;
    expect(input.kind === 'dense' && input.features).to.deep.equal(GEOMETRY_NAMES);
  });

  it('takes raised corners of the mouth for joy', () => {
    const smile: Move = {
      ...{ 48: [-0.2, -0.15], 49: [-0.1, -0.08], 59: [-0.1, -0.05], 60: [-0.2, -0.15] },
      ...{ 54: [0.2, -0.15], 53: [0.1, -0.08], 55: [0.1, -0.05], 64: [0.2, -0.15] },
    };
    expect(scores(smile).happy).to.be.above(0.7);
    expect(scores().happy).to.be.below(0.3);
  });

  it('sees surprise in raised brows and a dropped jaw', () => {
    const down = [5, 6, 7, 8, 9, 10, 11, 55, 56, 57, 58, 59, 65, 66, 67];
    const brows = Array.from({ length: 10 }, (_, i) => 17 + i);
    const gape: Move = {
      ...Object.fromEntries(down.map((i) => [i, [0, 0.4] as const])),
      ...Object.fromEntries(brows.map((i) => [i, [0, -0.2] as const])),
    };
    expect(scores(gape).surprise).to.be.above(1.5 * scores().surprise!);
    expect(scores(gape).neutral).to.be.below(0.5 * scores().neutral!);
  });

  it('answers in far less time than a network', () => {
    // Of the processor: on a busy machine others may run meanwhile.
    const started = process.cpuUsage();
    for (let i = 0; i < 200; i++) scores();
    expect(process.cpuUsage(started).user / 1000 / 200).to.be.below(5);
  });
});
