import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { GEOMETRY_NAMES, landmarkGeometry } from '../../lib/video/landmark-geometry';
import type { Point } from '../../lib/video/region';

/** A drawn face: symmetric about x = 0, eyes level at y = 0, one unit from eye to eye. */
function face(change: Readonly<Record<number, Point>> = {}): Point[] {
  const half: Record<number, Point> = {
    ...Object.fromEntries(
      Array.from({ length: 9 }, (_, i) => {
        const angle = (Math.PI / 2) * (i / 8);
        return [i, [-Math.cos(angle), 0.1 + 1.2 * Math.sin(angle)] as Point];
      }),
    ),
    ...Object.fromEntries(
      Array.from({ length: 5 }, (_, i) => [17 + i, [-0.75 + 0.14 * i, -0.3] as Point]),
    ),
    ...{ 27: [0, 0], 28: [0, 0.1], 29: [0, 0.2], 30: [0, 0.3] },
    ...{ 31: [-0.15, 0.4], 32: [-0.07, 0.42], 33: [0, 0.44] },
    ...{ 36: [-0.7, 0], 37: [-0.57, -0.06], 38: [-0.43, -0.06] },
    ...{ 39: [-0.3, 0], 40: [-0.43, 0.06], 41: [-0.57, 0.06] },
    ...{ 48: [-0.35, 0.75], 49: [-0.2, 0.7], 50: [-0.08, 0.67], 51: [0, 0.68] },
    ...{ 59: [-0.2, 0.82], 58: [-0.08, 0.85], 57: [0, 0.86] },
    ...{ 60: [-0.28, 0.75], 61: [-0.08, 0.74], 62: [0, 0.74], 67: [-0.08, 0.77], 66: [0, 0.77] },
  };
  const mirror: Record<number, number> = {
    ...Object.fromEntries(Array.from({ length: 9 }, (_, i) => [16 - i, i])),
    ...Object.fromEntries(Array.from({ length: 5 }, (_, i) => [26 - i, 17 + i])),
    ...{ 35: 31, 34: 32, 45: 36, 44: 37, 43: 38, 42: 39, 47: 40, 46: 41 },
    ...{ 54: 48, 53: 49, 52: 50, 55: 59, 56: 58, 64: 60, 63: 61, 65: 67 },
  };
  return Array.from({ length: 68 }, (_, index) => {
    if (change[index]) return change[index];
    if (half[index]) return half[index];
    const [x, y] = half[mirror[index]!]!;
    return [-x, y];
  });
}

const value = (points: readonly Point[], name: string): number =>
  landmarkGeometry(points)[GEOMETRY_NAMES.indexOf(name)]!;

describe('landmarkGeometry', () => {
  it('gives a number for each name, each name once', () => {
    expect(landmarkGeometry(face())).to.have.length(GEOMETRY_NAMES.length);
    expect(new Set(GEOMETRY_NAMES).size).to.equal(GEOMETRY_NAMES.length);
  });

  it('does not see where a face is, how large, or how its head leans', () => {
    const angle = 0.35;
    const elsewhere = face().map(([x, y]): Point => [
      412 + 37 * (x * Math.cos(angle) - y * Math.sin(angle)),
      95 + 37 * (x * Math.sin(angle) + y * Math.cos(angle)),
    ]);
    const [here, there] = [landmarkGeometry(face()), landmarkGeometry(elsewhere)];
    here.forEach((expected, index) => expect(there[index]).to.be.closeTo(expected, 1e-9));
  });

  it('sees a mouth open, its corners rise and the brows rise', () => {
    const open = face({ 66: [0, 1], 65: [0.08, 1], 67: [-0.08, 1], 57: [0, 1.1] });
    expect(value(open, 'mouthOpening')).to.be.above(3 * value(face(), 'mouthOpening'));
    const smile = face({ 48: [-0.42, 0.66], 54: [0.42, 0.66] });
    expect(value(smile, 'cornerToInnerLips')).to.be.below(value(face(), 'cornerToInnerLips'));
    expect(value(smile, 'mouthWidth')).to.be.above(value(face(), 'mouthWidth'));
    const raised = face(
      Object.fromEntries(
        Array.from({ length: 10 }, (_, i) => [17 + i, [face()[17 + i]![0], -0.45]]),
      ),
    );
    expect(value(raised, 'browMiddleToEye')).to.be.above(value(face(), 'browMiddleToEye'));
  });

  it('gives the product of two measures', () => {
    expect(value(face(), 'mouthWidth*mouthHeight')).to.be.closeTo(
      value(face(), 'mouthWidth') * value(face(), 'mouthHeight'),
      1e-12,
    );
  });

  for (const [what, points] of [
    ['67 points', face().slice(1)],
    ['a point that is no number', face({ 8: [NaN, 0] })],
    ['one place', Array.from({ length: 68 }, (): Point => [3, 4])],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => landmarkGeometry(points))
        .to.throw(EmotionError)
        .with.property('code', 'input.unusable');
    });
  }
});
