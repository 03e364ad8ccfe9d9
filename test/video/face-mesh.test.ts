import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { cropRegion, faceSize } from '../../lib/video/face-crop';
import { boxOfMesh, FaceMesh, regionOfDetection, regionOfMesh } from '../../lib/video/face-mesh';
import { headPose } from '../../lib/video/head-pose';
import { ibug68, IBUG68_PARTS } from '../../lib/video/ibug68';
import type { Picture } from '../../lib/video/picture';

const blank: Picture = { width: 20, height: 20, channels: 1, data: new Uint8Array(400) };

/** A mesh with some vertices set; the others lie in the middle of them. */
function meshOf(vertices: Record<number, readonly [number, number, number?]>): Float32Array {
  const set = Object.values(vertices);
  const middle = [0, 1, 2].map((a) => set.reduce((sum, v) => sum + (v[a] ?? 0), 0) / set.length);
  const points = new Float32Array(468 * 3);
  for (let i = 0; i < 468; i++) points.set(middle, i * 3);
  for (const [i, [x, y, z = 0]] of Object.entries(vertices)) points.set([x, y, z], Number(i) * 3);
  return points;
}

/** Turns a mesh about the origin in the plane of the picture. */
const turned = (points: Float32Array, angle: number): Float32Array =>
  points.map((value, at) => {
    const [x, y] = [points[at - (at % 3)]!, points[at - (at % 3) + 1]!];
    if (at % 3 === 0) return x * Math.cos(angle) - y * Math.sin(angle);
    return at % 3 === 1 ? x * Math.sin(angle) + y * Math.cos(angle) : value;
  });

/** Eye corners, mouth corners, cheeks, forehead and chin of a face that looks ahead. */
const AHEAD = {
  33: [-30, 0],
  133: [-10, 0],
  362: [10, 0],
  263: [30, 0],
  61: [-15, 40],
  291: [15, 40],
  234: [-50, 10, 30],
  454: [50, 10, 30],
  10: [0, -50, 0],
  152: [0, 70, 0],
} as const;

describe('the face mesh', () => {
  it('brings points of the net back into a turned region of the picture', async () => {
    const answer = new Float32Array(1404).fill(96);
    // The right end of the net's input, in the middle of its height.
    answer.set([192, 96, -19.2], 3);
    const net = () => Promise.resolve({ mesh: answer, present: Float32Array.of(0.9) });
    const region = { x: 100, y: 50, side: 40, angle: Math.PI / 2 };
    const { points, present } = await new FaceMesh(net).fit(blank, region);
    expect(present).to.be.closeTo(0.9, 1e-6);
    expect(points[0]).to.be.closeTo(100, 1e-3);
    expect(points[3]).to.be.closeTo(100, 1e-3);
    expect(points[4]).to.be.closeTo(70, 1e-3);
    expect(points[5]).to.be.closeTo(-4, 1e-4);
  });

  it('says which output is missing', async () => {
    const net = () => Promise.resolve({ mesh: new Float32Array(1404) });
    const region = { x: 10, y: 10, side: 10, angle: 0 };
    const error = await new FaceMesh(net).fit(blank, region).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(EmotionError).with.property('code', 'model.inputs-mismatch');
  });

  it('looks half as far again as the detector’s box, turned with the eyes', () => {
    const point = (x: number, y: number) => [x, y] as const;
    const region = regionOfDetection({
      score: 1,
      box: [10, 20, 40, 60],
      points: {
        leftEye: point(20, 40),
        rightEye: point(30, 50),
        nose: point(0, 0),
        mouth: point(0, 0),
        leftEar: point(0, 0),
        rightEar: point(0, 0),
      },
    });
    expect(region).to.deep.equal({ x: 30, y: 50, side: 90, angle: Math.PI / 4 });
  });

  it('follows a face: the region of the last points turns with them', () => {
    const region = regionOfMesh(meshOf(AHEAD));
    expect(region.x).to.be.closeTo(0, 1e-4);
    expect(region.y).to.be.closeTo(10, 1e-4);
    expect(region.side).to.be.closeTo(180, 1e-3);
    const tilted = regionOfMesh(turned(meshOf(AHEAD), 0.5));
    expect(tilted.angle).to.be.closeTo(0.5, 1e-5);
    expect(tilted.side).to.be.closeTo(180, 1e-3);
    expect(tilted.y).to.be.closeTo(10 * Math.cos(0.5), 1e-3);
  });

  it('has the box of its outermost points', () => {
    expect(boxOfMesh(meshOf(AHEAD))).to.deep.equal([-50, -50, 100, 120]);
  });
});

describe('the aligned crop', () => {
  it('is turned, moved and scaled with the face', () => {
    const ahead = cropRegion(meshOf(AHEAD));
    const moved = turned(
      meshOf(AHEAD).map((v) => v * 2),
      -0.4,
    );
    const tilted = cropRegion(moved);
    expect(ahead.angle).to.be.closeTo(0, 1e-6);
    expect(ahead.x).to.be.closeTo(0, 1e-4);
    expect(tilted.angle).to.be.closeTo(-0.4, 1e-5);
    expect(tilted.side).to.be.closeTo(ahead.side * 2, 1e-3);
    expect(tilted.y).to.be.closeTo(ahead.y * 2 * Math.cos(0.4), 1e-3);
  });

  it('hardly shrinks when the head turns and the eyes come together', () => {
    const ahead = faceSize(meshOf(AHEAD));
    const aside = meshOf({ ...AHEAD, 33: [-15, 0], 133: [-5, 0], 362: [5, 0], 263: [15, 0] });
    expect(ahead).to.be.closeTo(60, 1e-4);
    expect(faceSize(aside)).to.be.above(ahead * 0.7);
  });
});

describe('the pose of the head', () => {
  it('is nothing for a face that looks ahead', () => {
    const { yaw, pitch, roll } = headPose(meshOf(AHEAD));
    for (const angle of [yaw, pitch, roll]) expect(angle).to.be.closeTo(0, 1e-4);
  });

  it('follows turns about each axis', () => {
    const [c, s] = [Math.cos(0.5), Math.sin(0.5)];
    const degrees = (0.5 * 180) / Math.PI;
    const map = (f: (x: number, y: number, z: number) => [number, number, number]): Float32Array =>
      meshOf(
        Object.fromEntries(Object.entries(AHEAD).map(([i, [x, y, z]]) => [i, f(x, y, z ?? 0)])),
      );
    // The camera looks along +z, so a face that turns to the right of the picture brings its left
    // cheek nearer.
    expect(headPose(map((x, y, z) => [x * c - z * s, y, x * s + z * c])).yaw).to.be.closeTo(
      degrees,
      0.1,
    );
    expect(headPose(map((x, y, z) => [x, y * c + z * s, z * c - y * s])).pitch).to.be.closeTo(
      degrees,
      0.1,
    );
    expect(headPose(turned(meshOf(AHEAD), 0.5)).roll).to.be.closeTo(degrees, 0.1);
  });
});

describe('the 68 iBUG points', () => {
  /** Each vertex at a place of its own, so that a point tells where it comes from. */
  const counted = Float32Array.from({ length: 1404 }, (_, at) => (at % 3 === 0 ? at / 3 : 0));

  it('are 68, and the parts cover each of them once', () => {
    expect(ibug68(counted)).to.have.length(68);
    const covered = Object.values(IBUG68_PARTS).flatMap(([first, end]) =>
      Array.from({ length: end - first }, (_, i) => first + i),
    );
    expect(covered).to.deep.equal(Array.from({ length: 68 }, (_, i) => i));
  });

  it('lie on the published vertices', () => {
    const points = ibug68(counted);
    const vertices: Record<number, number> = {
      8: 152,
      17: 70,
      30: 4,
      36: 33,
      45: 263,
      48: 61,
      54: 291,
      66: 14,
    };
    for (const [point, vertex] of Object.entries(vertices)) {
      expect(points[Number(point)]![0]).to.equal(vertex);
    }
    expect(points[27]![0]).to.equal((168 + 6) / 2);
  });

  it('want a whole mesh', () => {
    expect(() => ibug68(new Float32Array(9))).to.throw(RangeError, /1404/);
  });
});
