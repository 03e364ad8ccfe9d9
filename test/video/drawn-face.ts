import type { Picture } from '../../lib/video/picture';
import { fromRegion, type Point } from '../../lib/video/region';

/** A face to draw: middle between the eyes' height and the chin, half height of the head, turn. */
export interface DrawnFace {
  readonly x: number;
  readonly y: number;
  /** Half the height of the head in pixels. */
  readonly size: number;
  /** Radians, clockwise. */
  readonly angle?: number;
  /** 0 closed, 1 wide open. */
  readonly mouth?: number;
}

type Colour = readonly [number, number, number];

const SKIN: Colour = [224, 172, 138];
const SHADE: Colour = [176, 122, 96];
const HAIR: Colour = [58, 40, 30];
const LIPS: Colour = [170, 70, 72];
const WHITE: Colour = [245, 242, 238];
const IRIS: Colour = [62, 44, 30];
const DARK: Colour = [60, 20, 22];

/** Where the middles of the eyes of a drawn face lie, in pixels: left and right of the picture. */
export function drawnEyes({ x, y, size, angle = 0 }: DrawnFace): readonly [Point, Point] {
  const eye = (u: number): Point => fromRegion({ x, y, side: size, angle }, u + 0.5, 0.38);
  return [eye(-0.3), eye(0.3)];
}

/**
 * Draws heads on a plain background: ellipses with soft shading, enough of a face for a face
 * detector. Each pixel is the mean of 3 × 3 samples.
 */
export function drawFaces(
  width: number,
  height: number,
  faces: readonly DrawnFace[],
  background: Colour = [120, 140, 150],
): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sum = [0, 0, 0];
      for (let sample = 0; sample < 9; sample++) {
        const px = x + ((sample % 3) + 0.5) / 3;
        const py = y + (Math.floor(sample / 3) + 0.5) / 3;
        const colour = faces.reduce<Colour>(
          (below, f) => faceColour(f, px, py) ?? below,
          background,
        );
        for (let c = 0; c < 3; c++) sum[c]! += colour[c]! / 9;
      }
      data.set(sum.map(Math.round), (y * width + x) * 3);
    }
  }
  return { width, height, channels: 3, data };
}

const mix = (a: Colour, b: Colour, share: number): Colour =>
  [0, 1, 2].map(
    (c) => a[c]! + (b[c]! - a[c]!) * Math.min(1, Math.max(0, share)),
  ) as unknown as Colour;

/** Distance from the middle of an ellipse, 1 on its border. */
const ellipse = (u: number, v: number, cu: number, cv: number, ru: number, rv: number): number =>
  Math.hypot((u - cu) / ru, (v - cv) / rv);

function faceColour(face: DrawnFace, px: number, py: number): Colour | undefined {
  const { x, y, size, angle = 0, mouth = 0 } = face;
  const u = ((px - x) * Math.cos(angle) + (py - y) * Math.sin(angle)) / size;
  const v = ((py - y) * Math.cos(angle) - (px - x) * Math.sin(angle)) / size;
  const side = Math.abs(u);
  const head = ellipse(u, v, 0, 0.02, 0.72, 0.98);
  const hair = ellipse(u, v, 0, -0.2, 0.8, 0.92);
  if (head > 1) {
    if (hair < 1 && v < 0.1) return HAIR;
    // The neck.
    return side < 0.36 && v > 0.6 && v < 1.5 ? SHADE : undefined;
  }
  if (v < -0.62 + 0.25 * side * side) return HAIR;
  // Light from the front: darker towards the border.
  let colour = mix(SKIN, SHADE, Math.max(0, head - 0.55) * 1.4);
  // Sockets, sides of the nose, and under its tip.
  colour = mix(colour, SHADE, 0.7 * Math.max(0, 1 - ellipse(side, v, 0.29, -0.17, 0.24, 0.17)));
  colour = mix(colour, SHADE, 0.8 * Math.max(0, 1 - ellipse(side, v, 0.13, 0.12, 0.06, 0.26)));
  colour = mix(colour, SHADE, 1.2 * Math.max(0, 1 - ellipse(u, v, 0, 0.3, 0.17, 0.07)));
  if (ellipse(side, v, 0.075, 0.285, 0.04, 0.022) < 1) return DARK;
  // Brows.
  if (
    Math.abs(v + 0.33 + 0.08 * side - 0.35 * (side - 0.3) ** 2) < 0.032 &&
    side > 0.13 &&
    side < 0.48
  ) {
    return HAIR;
  }
  // Eyes.
  const lid = ellipse(side, v, 0.3, -0.12, 0.135, 0.068);
  if (lid < 1) {
    const iris = Math.hypot(side - 0.3, v + 0.12);
    if (iris < 0.028) return DARK;
    return iris < 0.062 ? IRIS : WHITE;
  }
  if (lid < 1.18 && v < -0.12) return DARK;
  // Lips.
  const open = 0.012 + 0.12 * mouth;
  if (ellipse(u, v, 0, 0.5, 0.2, open) < 1) return DARK;
  if (ellipse(u, v, 0, 0.5, 0.26, open + 0.055) < 1) return LIPS;
  return mix(colour, SHADE, 0.8 * Math.max(0, 1 - ellipse(u, v, 0, 0.66, 0.2, 0.05)));
}
