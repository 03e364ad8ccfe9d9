import { EmotionError } from '../emotion/error';
import type { Point } from './region';

/** Changes with any change of what is computed here: a model names the version that it was trained with. */
export const GEOMETRY_VERSION = 1;

/** Corners of the eyes, bridge and base of the nose: what an expression hardly moves. */
const STEADY = [27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45] as const;

/** Outer and inner corners of the eyes, left and right in the picture. */
const LEFT_EYE = [36, 39] as const;
const RIGHT_EYE = [42, 45] as const;

/** A length between two of the 68 points, or the mean of such lengths. */
const LENGTHS: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  eyeOpening: [
    [37, 41],
    [38, 40],
    [43, 47],
    [44, 46],
  ],
  browInner: [[21, 22]],
  mouthWidth: [[48, 54]],
  mouthOpening: [
    [61, 67],
    [62, 66],
    [63, 65],
  ],
  mouthHeight: [[51, 57]],
  upperLip: [
    [50, 61],
    [51, 62],
    [52, 63],
  ],
  lowerLip: [
    [58, 67],
    [57, 66],
    [56, 65],
  ],
  nostrils: [[31, 35]],
};

/** How much lower (positive) the mean of the second points lies than that of the first ones. */
const HEIGHTS: Readonly<Record<string, readonly [readonly number[], readonly number[]]>> = {
  browInnerToEye: [
    [20, 21, 22, 23],
    [39, 42],
  ],
  browMiddleToEye: [
    [19, 24],
    [37, 38, 43, 44],
  ],
  browOuterToEye: [
    [17, 18, 25, 26],
    [36, 45],
  ],
  browSlope: [
    [17, 26],
    [21, 22],
  ],
  eyeToMouthCorner: [
    [36, 39, 42, 45],
    [48, 54],
  ],
  noseToUpperLip: [[33], [51]],
  cornerToUpperLip: [[51], [48, 54]],
  cornerToLowerLip: [[48, 54], [57]],
  cornerToInnerLips: [
    [62, 66],
    [48, 54],
  ],
  lowerLipToChin: [[57], [8]],
};

const MEASURES = [...Object.keys(LENGTHS), ...Object.keys(HEIGHTS)];

/** Names of the values of {@link landmarkGeometry}, in their order. */
export const GEOMETRY_NAMES: readonly string[] = [
  ...Array.from({ length: 68 }, (_, index) => [`x${index}`, `y${index}`]).flat(),
  ...MEASURES,
  ...pairs(MEASURES).map(([a, b]) => `${a}*${b}`),
];

/**
 * What the logistic fallback knows of a face, from its 68 points alone: the points turned until the
 * eyes are level, moved to the middle of the steady ones and divided by their spread (so neither place,
 * size nor tilt of the head counts), lengths and heights that expressions change, and the products of
 * each two of these.
 *
 * @param points the 68 iBUG points, in pixels of any picture
 * @returns numbers in the order of {@link GEOMETRY_NAMES}
 * @throws EmotionError `input.unusable` when there are not 68 finite points, or all lie in one place
 */
export function landmarkGeometry(points: readonly Point[]): Float64Array {
  const level = levelled(points);
  const at = (index: number): Point => level[index]!;
  const lengths = Object.values(LENGTHS).map((spans) =>
    mean(spans.map(([from, to]) => Math.hypot(at(to)[0] - at(from)[0], at(to)[1] - at(from)[1]))),
  );
  const heights = Object.values(HEIGHTS).map(
    ([upper, lower]) => mean(lower.map((i) => at(i)[1])) - mean(upper.map((i) => at(i)[1])),
  );
  const measures = [...lengths, ...heights];
  return Float64Array.from([
    ...level.flat(),
    ...measures,
    ...pairs(measures).map(([a, b]) => a * b),
  ]);
}

function levelled(points: readonly Point[]): Point[] {
  const finite = points.every(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (points.length !== 68 || !finite) {
    throw new EmotionError(
      'input.unusable',
      `The geometry of a face needs 68 points with finite numbers, got ${points.length}`,
      { points: points.length },
    );
  }
  const steady = STEADY.map((index) => points[index]!);
  const [centreX, centreY] = [mean(steady.map(([x]) => x)), mean(steady.map(([, y]) => y))];
  const spread = Math.sqrt(mean(steady.map(([x, y]) => (x - centreX) ** 2 + (y - centreY) ** 2)));
  const eye = (corners: readonly number[], axis: 0 | 1): number =>
    mean(corners.map((index) => points[index]![axis]));
  const angle = Math.atan2(
    eye(RIGHT_EYE, 1) - eye(LEFT_EYE, 1),
    eye(RIGHT_EYE, 0) - eye(LEFT_EYE, 0),
  );
  if (!(spread > 0)) {
    throw new EmotionError('input.unusable', 'The points of a face all lie in one place');
  }
  const [cos, sin] = [Math.cos(angle) / spread, Math.sin(angle) / spread];
  return points.map(([x, y]) => {
    const [dx, dy] = [x - centreX, y - centreY];
    return [dx * cos + dy * sin, dy * cos - dx * sin];
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Each value with itself and with each of those behind it. */
function pairs<T>(values: readonly T[]): [T, T][] {
  return values.flatMap((a, index) => values.slice(index).map((b): [T, T] => [a, b]));
}
