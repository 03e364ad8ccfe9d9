import { MESH_POINTS, pointOfMesh } from './face-mesh';
import type { Point } from './region';

/**
 * Where a landmark lies on the mesh: a vertex, or a point between two vertices with the share of the
 * second one.
 */
type OnMesh = readonly [vertex: number] | readonly [from: number, to: number, share: number];

/**
 * The contour of the face, points 0–8 from the left ear (of the picture) to the chin. Annotators draw
 * the contour of the picture, the mesh follows the head, so no published vertex fits well: fitted on
 * the training faces of dlib's example set by `training/face/fit_jaw.py`, the right half mirrored.
 */
const JAW: readonly OnMesh[] = [
  [127, 234, 0.25],
  [234, 93, 0.5],
  [93, 132, 0.75],
  [132, 58, 0.75],
  [172],
  [136, 150, 0.5],
  [149],
  [176, 148, 0.75],
  [152],
];

/** Vertices of the right half of the contour by those of the left one. */
const MIRROR: Readonly<Record<number, number>> = {
  127: 356,
  234: 454,
  93: 323,
  132: 361,
  58: 288,
  172: 397,
  136: 365,
  150: 379,
  149: 378,
  176: 400,
  148: 377,
  152: 152,
};

function mirrored([from, to, share]: OnMesh): OnMesh {
  return to === undefined ? [MIRROR[from]!] : [MIRROR[from]!, MIRROR[to]!, share!];
}

/**
 * Brows, nose, eyes and lips (points 17–67): the vertices that PeizhiYan/Mediapipe_2_Dlib_Landmarks
 * publishes (`mediapipe2dlib/mp2dlib.py`).
 */
const INNER: readonly OnMesh[] = [
  ...[70, 63, 105, 66, 107, 336, 296, 334, 293, 300].map((v): OnMesh => [v]),
  [168, 6, 0.5],
  [197, 195, 0.5],
  ...[5, 4, 75, 97, 2, 326, 305].map((v): OnMesh => [v]),
  ...[33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380].map((v): OnMesh => [v]),
  ...[61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91].map((v): OnMesh => [v]),
  ...[78, 82, 13, 312, 308, 317, 14, 87].map((v): OnMesh => [v]),
];

const LANDMARKS: readonly OnMesh[] = [
  ...JAW,
  ...JAW.slice(0, -1).map(mirrored).reverse(),
  ...INNER,
];

/** Which of the 68 points make up which part of the face, as index of the first and the one after the last. */
export const IBUG68_PARTS = {
  jaw: [0, 17],
  leftBrow: [17, 22],
  rightBrow: [22, 27],
  noseBridge: [27, 31],
  noseBase: [31, 36],
  leftEye: [36, 42],
  rightEye: [42, 48],
  outerLips: [48, 60],
  innerLips: [60, 68],
} as const satisfies Record<string, readonly [number, number]>;

/**
 * The 68 points of the iBUG 300-W annotation scheme (Sagonas et al. 2013) out of a mesh.
 *
 * @param points `[468, 3]`
 * @returns 68 points in pixels of the picture
 */
export function ibug68(points: Float32Array): Point[] {
  if (points.length !== MESH_POINTS * 3) {
    throw new RangeError(`a mesh has ${MESH_POINTS * 3} numbers, got ${points.length}`);
  }
  return LANDMARKS.map(([from, to, share]) => {
    const a = pointOfMesh(points, from);
    if (to === undefined) return a;
    const b = pointOfMesh(points, to);
    return [a[0] + (b[0] - a[0]) * share!, a[1] + (b[1] - a[1]) * share!];
  });
}
