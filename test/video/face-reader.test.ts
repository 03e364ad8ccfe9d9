import { expect } from 'chai';
import { faceQuality } from '../../lib/video/face-quality';
import { FaceReader, type Face } from '../../lib/video/face-reader';
import { type FaceNets, openFaceNets } from '../../lib/video/open-face-nets';
import type { Picture } from '../../lib/video/picture';
import type { Point, Region } from '../../lib/video/region';
import { drawFaces, drawnEyes, type DrawnFace } from './drawn-face';

const middle = (points: readonly Point[]): Point =>
  [0, 1].map((axis) => points.reduce((sum, p) => sum + p[axis]!, 0) / points.length) as [
    number,
    number,
  ];

const distance = (a: Point, b: Point): number => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** How far the middles of the found eyes are from the drawn ones, over the distance of those. */
function eyeError(face: Face, drawn: DrawnFace): number {
  const [left, right] = drawnEyes(drawn);
  const found = [middle(face.landmarks.slice(36, 42)), middle(face.landmarks.slice(42, 48))];
  return Math.max(distance(found[0]!, left), distance(found[1]!, right)) / distance(left, right);
}

describe('reading faces with the shipped nets', function () {
  this.timeout(120_000);
  let nets: FaceNets;
  before(async () => {
    nets = await openFaceNets();
  });
  after(() => nets.close());

  for (const angle of [0, 0.5, -0.6]) {
    it(`finds the eyes of a drawn face turned by ${angle}`, async () => {
      const drawn = { x: 180, y: 150, size: 80, angle };
      const faces = await new FaceReader(nets).readStill(drawFaces(360, 300, [drawn]));
      expect(faces).to.have.length(1);
      expect(eyeError(faces[0]!, drawn)).to.be.below(0.15);
      expect(faces[0]!.quality.pose.roll).to.be.closeTo((angle * 180) / Math.PI, 6);
      expect(faces[0]!.landmarks).to.have.length(68);
    });
  }

  it('gives nearly the same crop of a face that is turned and of one that is not', async () => {
    const reader = new FaceReader(nets);
    const [upright] = await reader.readStill(drawFaces(300, 300, [{ x: 150, y: 150, size: 90 }]));
    const [turned] = await reader.readStill(
      drawFaces(300, 300, [{ x: 150, y: 150, size: 90, angle: 0.35 }]),
    );
    const centred = (crop: Float32Array): Float32Array => {
      const mean = crop.reduce((a, b) => a + b, 0) / crop.length;
      return crop.map((value) => value - mean);
    };
    const [a, b] = [centred(upright!.crop), centred(turned!.crop)];
    const dot = (x: Float32Array, y: Float32Array): number =>
      x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    expect(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))).to.be.above(0.9);
  });

  it('sees that a mouth opens', async () => {
    const gap = async (mouth: number): Promise<number> => {
      const picture = drawFaces(300, 300, [{ x: 150, y: 140, size: 90, mouth }]);
      const [face] = await new FaceReader(nets).readStill(picture);
      return distance(face!.landmarks[62]!, face!.landmarks[66]!);
    };
    expect(await gap(0.9)).to.be.above((await gap(0)) + 8);
  });

  it('lists the largest face first, and no more than wanted', async () => {
    const picture = drawFaces(480, 270, [
      { x: 110, y: 120, size: 50 },
      { x: 330, y: 130, size: 80 },
    ]);
    const both = await new FaceReader(nets, { maxFaces: 5 }).readStill(picture);
    expect(both.map(({ box }) => box[0] > 200)).to.deep.equal([true, false]);
    expect(await new FaceReader(nets, { maxFaces: 1 }).readStill(picture)).to.have.length(1);
    expect(
      await new FaceReader(nets, { maxFaces: 5, minSize: 90 }).readStill(picture),
    ).to.have.length(1);
  });

  it('finds nobody in a plain picture, a gradient and noise', async () => {
    const reader = new FaceReader(nets, { maxFaces: 5 });
    let seed = 7;
    const noise = (): number => (seed = (seed * 1103515245 + 12345) % 2147483648) >>> 23;
    const fills: ((at: number) => number)[] = [() => 128, (at) => (at / 3) % 256, noise];
    for (const fill of fills) {
      const data = Uint8Array.from({ length: 192 * 108 * 3 }, (_, at) => fill(at));
      const picture: Picture = { width: 192, height: 108, channels: 3, data };
      expect(await reader.readStill(picture)).to.deep.equal([]);
    }
  });

  it('reads a picture of one pixel', async () => {
    const dot: Picture = { width: 1, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3) };
    expect(await new FaceReader(nets).readStill(dot)).to.deep.equal([]);
  });

  it('follows two faces through a clip without looking for them anew', async () => {
    let detections = 0;
    const counted = {
      mesh: nets.mesh,
      detector: (...input: Parameters<typeof nets.detector>) => {
        detections++;
        return nets.detector(...input);
      },
    };
    const reader = new FaceReader(counted, { maxFaces: 2 });
    const seen: (readonly [number, boolean])[][] = [];
    for (let frame = 0; frame < 5; frame++) {
      const picture = drawFaces(400, 220, [
        { x: 90 + 6 * frame, y: 100, size: 62 },
        { x: 290 - 6 * frame, y: 105, size: 56 },
      ]);
      const faces = await reader.read(picture, frame / 10);
      seen.push(faces.map(({ id, box }) => [id, box[0] < 180] as const));
    }
    const first = new Map(seen[0]);
    expect([...first.keys()].sort()).to.deep.equal([1, 2]);
    for (const faces of seen) expect(new Map(faces)).to.deep.equal(first);
    expect(detections).to.equal(1);
  });

  it('notices when a face leaves, and a new one later', async () => {
    const reader = new FaceReader(nets);
    const face = drawFaces(240, 200, [{ x: 120, y: 90, size: 60 }]);
    const empty = drawFaces(240, 200, []);
    expect(await reader.read(face, 0)).to.have.length(1);
    expect(await reader.read(empty, 0.1)).to.deep.equal([]);
    const again = await reader.read(face, 3);
    expect(again.map(({ id }) => id)).to.deep.equal([2]);
  });

  it('says what is wrong with a face', async () => {
    const reader = new FaceReader(nets, { minSize: 1 });
    const picture = drawFaces(300, 240, [{ x: 150, y: 120, size: 80 }]);
    const [good] = await reader.readStill(picture);
    expect(good!.quality.flaws).to.deep.equal([]);
    const { mesh, region } = good!;
    const flaws = (change: {
      picture?: Picture;
      points?: Float32Array;
      region?: Partial<Region>;
    }) =>
      faceQuality(change.picture ?? picture, change.points ?? mesh, { ...region, ...change.region })
        .flaws;
    const tone = (value: (value: number) => number) => ({
      picture: { ...picture, data: picture.data.map(value) },
    });
    const moved = (move: (point: readonly number[]) => readonly number[]) => {
      const points = Float32Array.from(mesh);
      for (let at = 0; at < points.length; at += 3)
        points.set(move([...mesh.subarray(at, at + 3)]), at);
      return { points };
    };
    /** Turned about an axis of the picture, which the depth joins. */
    const about = (axis: 0 | 1, degrees: number) => {
      const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
      return moved((point) => {
        const [across, depth] = [point[1 - axis]!, point[2]!];
        const turned = [...point];
        turned[1 - axis] = across * cos + depth * sin;
        turned[2] = depth * cos - across * sin;
        return turned;
      });
    };
    expect(flaws({})).to.deep.equal([]);
    expect(flaws(tone((value) => value * 0.05))).to.deep.equal(['dark']);
    expect(flaws(tone((value) => 252 + value / 100))).to.include('bright');
    expect(flaws(tone(() => 128))).to.deep.equal(['blurred']);
    expect(flaws(moved((point) => point.map((value) => value * 0.1)))).to.deep.equal(['small']);
    expect(flaws({ region: { x: 0 } })).to.include('cut');
    for (const degrees of [60, -60]) {
      expect(flaws(about(1, degrees)), `to the side by ${degrees}`).to.deep.equal(['turned']);
      expect(flaws(about(0, degrees)), `up or down by ${degrees}`).to.deep.equal(['turned']);
    }
    expect(flaws(about(1, 20))).to.deep.equal([]);
  });
});

describe('the face nets', function () {
  this.timeout(120_000);

  it('give the same points on onnxruntime-web', async () => {
    const picture = drawFaces(240, 200, [{ x: 120, y: 90, size: 70 }]);
    const [native, web] = [await openFaceNets(), await openFaceNets({ web: true })];
    expect(web.runtime).to.equal('onnxruntime-web');
    const [[a], [b]] = [
      await new FaceReader(native).readStill(picture),
      await new FaceReader(web).readStill(picture),
    ];
    a!.landmarks.forEach((point, i) => expect(distance(point, b!.landmarks[i]!)).to.be.below(0.1));
    await native.close();
    await web.close();
  });
});
