import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { GEOMETRY_NAMES, landmarkGeometry } from '../../lib/video/landmark-geometry';
import type { Point } from '../../lib/video/region';
import { levelFace } from './level-face';

const value = (points: readonly Point[], name: string): number =>
  landmarkGeometry(points)[GEOMETRY_NAMES.indexOf(name)]!;

describe('landmarkGeometry', () => {
  it('gives a number for each name, each name once', () => {
    expect(landmarkGeometry(levelFace())).to.have.length(GEOMETRY_NAMES.length);
    expect(new Set(GEOMETRY_NAMES).size).to.equal(GEOMETRY_NAMES.length);
  });

  it('does not see where a face is, how large, or how its head leans', () => {
    const angle = 0.35;
    const elsewhere = levelFace().map(([x, y]): Point => [
      412 + 37 * (x * Math.cos(angle) - y * Math.sin(angle)),
      95 + 37 * (x * Math.sin(angle) + y * Math.cos(angle)),
    ]);
    const [here, there] = [landmarkGeometry(levelFace()), landmarkGeometry(elsewhere)];
    here.forEach((expected, index) => expect(there[index]).to.be.closeTo(expected, 1e-9));
  });

  it('sees a mouth open, its corners rise and the brows rise', () => {
    const open = levelFace({ 66: [0, 1], 65: [0.08, 1], 67: [-0.08, 1], 57: [0, 1.1] });
    expect(value(open, 'mouthOpening')).to.be.above(3 * value(levelFace(), 'mouthOpening'));
    const smile = levelFace({ 48: [-0.42, 0.66], 54: [0.42, 0.66] });
    expect(value(smile, 'cornerToInnerLips')).to.be.below(value(levelFace(), 'cornerToInnerLips'));
    expect(value(smile, 'mouthWidth')).to.be.above(value(levelFace(), 'mouthWidth'));
    const raised = levelFace(
      Object.fromEntries(
        Array.from({ length: 10 }, (_, i) => [17 + i, [levelFace()[17 + i]![0], -0.45]]),
      ),
    );
    expect(value(raised, 'browMiddleToEye')).to.be.above(value(levelFace(), 'browMiddleToEye'));
  });

  it('gives the product of two measures', () => {
    expect(value(levelFace(), 'mouthWidth*mouthHeight')).to.be.closeTo(
      value(levelFace(), 'mouthWidth') * value(levelFace(), 'mouthHeight'),
      1e-12,
    );
  });

  for (const [what, points] of [
    ['67 points', levelFace().slice(1)],
    ['a point that is no number', levelFace({ 8: [NaN, 0] })],
    ['one place', Array.from({ length: 68 }, (): Point => [3, 4])],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => landmarkGeometry(points))
        .to.throw(EmotionError)
        .with.property('code', 'input.unusable');
    });
  }
});
