import { levelBox, pointOfMesh } from './face-mesh';
import type { Picture } from './picture';
import { cropGrey, type Point, type Region } from './region';

/** Side of the crops that the shipped emotion models see, in pixels. */
export const CROP_SIZE = 48;

/**
 * How a crop is framed about a face, in heights of the box around its mesh: as FER2013's crops are.
 * Medians over 92 pictures of it by `training/face/fit_framing.py`; the side varies by 13 % there,
 * more (15–16 %) in units of the eyes' distance or of that to the mouth.
 */
export const FRAMING = {
  /** Side of the square. */
  side: 1.11,
  /** How far its middle lies above that of the box. */
  up: 0.04,
} as const;

/** Outer corners of the eyes, the inner ones, and the corners of the mouth. */
const EYES = [33, 133, 362, 263];
const MOUTH = [61, 291];

function middle(points: Float32Array, vertices: readonly number[]): Point {
  let [x, y] = [0, 0];
  for (const vertex of vertices) {
    const point = pointOfMesh(points, vertex);
    x += point[0] / vertices.length;
    y += point[1] / vertices.length;
  }
  return [x, y];
}

/**
 * The size of a face in pixels that neither an open mouth nor a turned head changes much: the larger
 * of the distance of the outer eye corners and of 1.1 times that from the eyes to the mouth's corners.
 */
export function faceSize(points: Float32Array): number {
  const [left, right] = [pointOfMesh(points, 33), pointOfMesh(points, 263)];
  const [eyes, mouth] = [middle(points, EYES), middle(points, MOUTH)];
  const width = Math.hypot(right[0] - left[0], right[1] - left[1]);
  const height = Math.hypot(mouth[0] - eyes[0], mouth[1] - eyes[1]);
  return Math.max(width, 1.1 * height);
}

/** The square around a face, turned so that the eyes are level, framed as in FER2013. */
export function cropRegion(points: Float32Array): Region {
  const { x, y, height, angle } = levelBox(points);
  const up = FRAMING.up * height;
  return {
    x: x + Math.sin(angle) * up,
    y: y - Math.cos(angle) * up,
    side: FRAMING.side * height,
    angle,
  };
}

/** The crop that the emotion models see: `[side, side]` grey values 0–255. */
export function alignedCrop(
  picture: Picture,
  points: Float32Array,
  side: number = CROP_SIZE,
): Float32Array {
  return cropGrey(picture, cropRegion(points), side);
}
