import { EmotionError } from '../emotion/error';
import type { Net } from './net';
import { checkPicture, type Picture } from './picture';
import { type Box, cropColour, type Point } from './region';

/** Side of the square that the detector sees, in pixels. */
const INPUT = 192;
/** Anchors a side: one for each cell of 4 × 4 pixels, all of the same size. */
const GRID = 48;
/** Numbers an anchor: score, box centre and size, and six points. */
const ROW = 17;

export interface Detection {
  /** Probability that this is a face, 0–1. */
  readonly score: number;
  readonly box: Box;
  readonly points: DetectionPoints;
}

/** Left and right are those of the picture. */
export interface DetectionPoints {
  readonly leftEye: Point;
  readonly rightEye: Point;
  readonly nose: Point;
  readonly mouth: Point;
  readonly leftEar: Point;
  readonly rightEar: Point;
}

export interface DetectorOptions {
  /** Most faces to return, the surest first. */
  readonly maxFaces: number;
  readonly minScore: number;
  /**
   * When no face is found, look again at the picture at half the size: the net expects some of the
   * world around a face and overlooks one that fills the picture.
   */
  readonly closeUps: boolean;
  /** Two boxes that share more than this (intersection over union) are one face. */
  readonly maxOverlap: number;
}

export const DETECTOR_DEFAULTS: DetectorOptions = {
  maxFaces: 1,
  minScore: 0.5,
  closeUps: true,
  maxOverlap: 0.3,
};

/**
 * Finds faces with MediaPipe's full-range detector (BlazeFace, Bazarevsky et al. 2019,
 * arXiv:1907.05047, in its dense variant for faces up to five metres away).
 *
 * @param net `[1, 192, 192, 3]` of values −1–1 → `faces` `[1, 2304, 17]`
 */
export class FaceDetector {
  readonly #input = new Float32Array(INPUT * INPUT * 3);

  constructor(private readonly net: Net) {}

  /** @throws EmotionError `input.unusable`, `model.inputs-mismatch`, and what the net throws. */
  async detect(picture: Picture, options: Partial<DetectorOptions> = {}): Promise<Detection[]> {
    checkPicture(picture);
    const settings = { ...DETECTOR_DEFAULTS, ...options };
    const side = Math.max(picture.width, picture.height);
    const found = await this.#look(picture, side, settings);
    if (found.length > 0 || !settings.closeUps) return found;
    return this.#look(picture, side * 2, settings);
  }

  /** Looks at a square about the middle of the picture; what is outside the picture is black. */
  async #look(picture: Picture, side: number, settings: DetectorOptions): Promise<Detection[]> {
    const { width, height } = picture;
    const region = { x: width / 2, y: height / 2, side, angle: 0 };
    cropColour(picture, region, INPUT, [-1, 1], 'black', this.#input);
    const { faces } = await this.net(this.#input, [1, INPUT, INPUT, 3]);
    if (faces?.length !== GRID * GRID * ROW) {
      throw new EmotionError(
        'model.inputs-mismatch',
        `The face detector should give "faces" with ${GRID * GRID * ROW} values, got ${faces?.length ?? 'none'}`,
      );
    }
    const left = (width - side) / 2;
    const top = (height - side) / 2;
    const found = decode(faces, settings.minScore, side, left, top);
    return suppress(found, settings.maxOverlap, settings.maxFaces);
  }
}

/** Rows of the net above a score → detections in pixels of a square at (left, top). */
function decode(
  rows: Float32Array,
  minScore: number,
  side: number,
  left: number,
  top: number,
): Detection[] {
  const minLogit = Math.log(minScore / (1 - minScore));
  const found: Detection[] = [];
  for (let anchor = 0; anchor < GRID * GRID; anchor++) {
    const at = anchor * ROW;
    const logit = rows[at]!;
    if (!(logit >= minLogit)) continue;
    const anchorX = ((anchor % GRID) + 0.5) / GRID;
    const anchorY = (Math.floor(anchor / GRID) + 0.5) / GRID;
    const point = (offset: number): Point => [
      left + (rows[at + offset]! / INPUT + anchorX) * side,
      top + (rows[at + offset + 1]! / INPUT + anchorY) * side,
    ];
    const [x, y] = point(1);
    const width = (rows[at + 3]! / INPUT) * side;
    const height = (rows[at + 4]! / INPUT) * side;
    found.push({
      score: 1 / (1 + Math.exp(-logit)),
      box: [x - width / 2, y - height / 2, width, height],
      points: {
        leftEye: point(5),
        rightEye: point(7),
        nose: point(9),
        mouth: point(11),
        leftEar: point(13),
        rightEar: point(15),
      },
    });
  }
  return found;
}

/** Share of the area that two boxes cover together which they both cover, 0–1. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (a[2] * a[3] + b[2] * b[3] - both);
}

/** Greedy non-maximum suppression: the surest detection of each group of overlapping ones. */
export function suppress<T extends { readonly score: number; readonly box: Box }>(
  found: readonly T[],
  maxOverlap: number,
  most: number,
): T[] {
  const kept: T[] = [];
  for (const candidate of [...found].sort((a, b) => b.score - a.score)) {
    if (kept.length >= most) break;
    if (kept.every((k) => intersectionOverUnion(k.box, candidate.box) <= maxOverlap)) {
      kept.push(candidate);
    }
  }
  return kept;
}
