import { EmotionError } from '../emotion/error';
import type { Detection } from './face-detector';
import type { Net } from './net';
import { checkPicture, type Picture } from './picture';
import { type Box, cropColour, fromRegion, type Point, type Region } from './region';

const INPUT = 192;

export const MESH_POINTS = 468;

/** Corners of the eyes that point away from the nose; left and right of the picture. */
const LEFT_EYE_CORNER = 33;
const RIGHT_EYE_CORNER = 263;

/** How much larger than the face the square is that the mesh net sees. */
const MARGIN = 1.5;

export interface Mesh {
  /**
   * x, y and depth of the 468 points of MediaPipe's canonical face, in pixels of the picture:
   * `[468, 3]`. Depth is about the middle of the head, negative towards the camera.
   */
  readonly points: Float32Array;
  /** Probability that there is a face where the net looked, 0–1. */
  readonly present: number;
}

/**
 * Fits 468 points to a face (Kartynnik et al. 2019, arXiv:1907.06724).
 *
 * @param net `[1, 192, 192, 3]` of values 0–1 → `mesh` `[1, 1404]` in pixels of the input and
 *   `present` `[1, 1]`
 */
export class FaceMesh {
  readonly #input = new Float32Array(INPUT * INPUT * 3);

  constructor(private readonly net: Net) {}

  /** @throws EmotionError `input.unusable`, `model.inputs-mismatch`, and what the net throws. */
  async fit(picture: Picture, region: Region): Promise<Mesh> {
    checkPicture(picture);
    cropColour(picture, region, INPUT, [0, 1], 'border', this.#input);
    const { mesh, present } = await this.net(this.#input, [1, INPUT, INPUT, 3]);
    if (mesh?.length !== MESH_POINTS * 3 || present?.length !== 1) {
      throw new EmotionError(
        'model.inputs-mismatch',
        `The face mesh should give "mesh" with ${MESH_POINTS * 3} values and "present" with one, ` +
          `got ${mesh?.length ?? 'none'} and ${present?.length ?? 'none'}`,
      );
    }
    const points = new Float32Array(MESH_POINTS * 3);
    for (let at = 0; at < points.length; at += 3) {
      const [x, y] = fromRegion(region, mesh[at]! / INPUT, mesh[at + 1]! / INPUT);
      points[at] = x;
      points[at + 1] = y;
      points[at + 2] = (mesh[at + 2]! / INPUT) * region.side;
    }
    return { points, present: present[0]! };
  }
}

/** Where the mesh net should look for a face that the detector found. */
export function regionOfDetection({ box, points }: Detection): Region {
  const { leftEye, rightEye } = points;
  return {
    x: box[0] + box[2] / 2,
    y: box[1] + box[3] / 2,
    side: Math.max(box[2], box[3]) * MARGIN,
    angle: Math.atan2(rightEye[1] - leftEye[1], rightEye[0] - leftEye[0]),
  };
}

/** Where the mesh net should look for a face whose points in the frame before are known. */
export function regionOfMesh(points: Float32Array): Region {
  const { x, y, width, height, angle } = levelBox(points);
  return { x, y, side: Math.max(width, height) * MARGIN, angle };
}

/** A rectangle that is turned: its middle and size in pixels, its angle in radians. */
export interface TurnedBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly angle: number;
}

/** The smallest rectangle around all points of a mesh that is turned so that the eyes are level. */
export function levelBox(points: Float32Array): TurnedBox {
  const angle = rollOfMesh(points);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < points.length; at += 3) {
    const u = points[at]! * cos + points[at + 1]! * sin;
    const v = points[at + 1]! * cos - points[at]! * sin;
    if (u < left) left = u;
    if (u > right) right = u;
    if (v < top) top = v;
    if (v > bottom) bottom = v;
  }
  const u = (left + right) / 2;
  const v = (top + bottom) / 2;
  return {
    x: u * cos - v * sin,
    y: u * sin + v * cos,
    width: right - left,
    height: bottom - top,
    angle,
  };
}

/** How far the line through the eyes is turned from the horizontal, in radians, clockwise positive. */
export function rollOfMesh(points: Float32Array): number {
  return Math.atan2(
    points[RIGHT_EYE_CORNER * 3 + 1]! - points[LEFT_EYE_CORNER * 3 + 1]!,
    points[RIGHT_EYE_CORNER * 3]! - points[LEFT_EYE_CORNER * 3]!,
  );
}

/** The smallest upright rectangle around all points of a mesh. */
export function boxOfMesh(points: Float32Array): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < points.length; at += 3) {
    left = Math.min(left, points[at]!);
    right = Math.max(right, points[at]!);
    top = Math.min(top, points[at + 1]!);
    bottom = Math.max(bottom, points[at + 1]!);
  }
  return [left, top, right - left, bottom - top];
}

export function pointOfMesh(points: Float32Array, index: number): Point {
  return [points[index * 3]!, points[index * 3 + 1]!];
}
