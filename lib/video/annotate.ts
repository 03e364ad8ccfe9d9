import { encode } from 'jpeg-js';
import { PNG } from 'pngjs';
import type { ImageAnnotation } from '../emotion/sample';
import { glyph, GLYPH_HEIGHT, GLYPH_WIDTH } from './glyphs';
import { IBUG68_PARTS } from './ibug68';
import { checkPicture, type Picture } from './picture';
import { toRegion, type Box, type Point, type Region } from './region';

export type Colour = readonly [red: number, green: number, blue: number];

/** A face to draw: where it is, its points, and what is known of it. */
export interface Marked {
  readonly box: Box;
  readonly landmarks?: readonly Point[];
  /** Such as `happy 87%`; drawn in the capitals of a small bitmap alphabet. */
  readonly text?: string;
  readonly colour?: Colour;
  /** Where the network looked: drawn over the face, the stronger the more a part counted. */
  readonly saliency?: Saliency;
}

/** A map over a square of the picture: `[height, width]` numbers from 0 on, in any unit. */
export interface Saliency {
  readonly region: Region;
  readonly width: number;
  readonly height: number;
  readonly values: ArrayLike<number>;
}

const COLOUR: Colour = [38, 166, 154];
const INK: Colour = [255, 255, 255];
const HEAT: Colour = [255, 64, 0];
/** Share of the heat's colour where a map is strongest. */
const MOST_HEAT = 0.6;

/** Parts whose last point joins the first. */
const CLOSED: ReadonlySet<string> = new Set(['leftEye', 'rightEye', 'outerLips', 'innerLips']);

/** Pixels that can be written to: a copy of a picture as red, green, blue. */
class Canvas {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;

  constructor(picture: Picture) {
    checkPicture(picture);
    const { width, height, channels, data } = picture;
    this.width = width;
    this.height = height;
    this.data = new Uint8Array(width * height * 3);
    const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
    for (let from = 0, to = 0; to < this.data.length; from += channels, to += 3) {
      this.data[to] = data[from]!;
      this.data[to + 1] = data[from + green]!;
      this.data[to + 2] = data[from + blue]!;
    }
  }

  fill(left: number, top: number, width: number, height: number, colour: Colour): void {
    const [x0, x1] = [
      Math.max(0, Math.round(left)),
      Math.min(this.width, Math.round(left + width)),
    ];
    const [y0, y1] = [
      Math.max(0, Math.round(top)),
      Math.min(this.height, Math.round(top + height)),
    ];
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) this.data.set(colour, (y * this.width + x) * 3);
    }
  }

  /** Blends a map over its square; bilinear between the middles of its cells. */
  heat({ region, width, height, values }: Saliency, colour: Colour): void {
    let most = 0;
    for (let i = 0; i < width * height; i++) most = Math.max(most, values[i]!);
    if (!(most > 0)) return;
    const reach = region.side * Math.SQRT1_2;
    const [x0, x1] = [Math.max(0, Math.floor(region.x - reach)), Math.min(this.width, Math.ceil(region.x + reach))]; // prettier-ignore
    const [y0, y1] = [Math.max(0, Math.floor(region.y - reach)), Math.min(this.height, Math.ceil(region.y + reach))]; // prettier-ignore
    const cell = (column: number, row: number): number =>
      Math.max(0, values[clamp(row, height - 1) * width + clamp(column, width - 1)]!);
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) {
        const [u, v] = toRegion(region, [x + 0.5, y + 0.5]);
        if (u < 0 || v < 0 || u > 1 || v > 1) continue;
        const [column, row] = [u * width - 0.5, v * height - 0.5];
        const [left, top] = [Math.floor(column), Math.floor(row)];
        const [right, down] = [column - left, row - top];
        const value =
          (cell(left, top) * (1 - right) + cell(left + 1, top) * right) * (1 - down) +
          (cell(left, top + 1) * (1 - right) + cell(left + 1, top + 1) * right) * down;
        const share = (MOST_HEAT * value) / most;
        const at = (y * this.width + x) * 3;
        for (let c = 0; c < 3; c++) {
          this.data[at + c] = this.data[at + c]! + (colour[c]! - this.data[at + c]!) * share;
        }
      }
    }
  }

  line([x0, y0]: Point, [x1, y1]: Point, thickness: number, colour: Colour): void {
    const steps = Math.ceil(Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0)));
    const half = thickness / 2;
    for (let step = 0; step <= steps; step++) {
      const share = steps === 0 ? 0 : step / steps;
      const [x, y] = [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share];
      this.fill(x - half, y - half, thickness, thickness, colour);
    }
  }

  text(left: number, top: number, text: string, scale: number, colour: Colour): void {
    [...text].forEach((character, index) => {
      const x = left + index * (GLYPH_WIDTH + 1) * scale;
      glyph(character).forEach((bits, row) => {
        for (let column = 0; column < GLYPH_WIDTH; column++) {
          if ((bits >> (GLYPH_WIDTH - 1 - column)) & 1) {
            this.fill(x + column * scale, top + row * scale, scale, scale, colour);
          }
        }
      });
    });
  }
}

function clamp(index: number, last: number): number {
  return Math.min(last, Math.max(0, index));
}

/**
 * Draws boxes, the 68 points and a line of text on a copy of a picture. Strokes and letters grow with
 * the picture, so that a large one is as readable as a small one.
 *
 * @throws EmotionError `input.unusable` when the pixels do not fit the size
 */
export function drawFaces(picture: Picture, faces: readonly Marked[]): Picture {
  const canvas = new Canvas(picture);
  const scale = Math.max(1, Math.round(Math.max(picture.width, picture.height) / 480));
  for (const { saliency } of faces) {
    if (saliency) canvas.heat(saliency, HEAT);
  }
  for (const { box, landmarks, text, colour = COLOUR } of faces) {
    drawBox(canvas, box, scale, colour);
    if (landmarks) drawLandmarks(canvas, landmarks, scale);
    if (text) drawLabel(canvas, box, text, scale, colour);
  }
  return { width: canvas.width, height: canvas.height, channels: 3, data: canvas.data };
}

function drawBox(canvas: Canvas, [x, y, width, height]: Box, scale: number, colour: Colour): void {
  const stroke = 2 * scale;
  canvas.fill(x, y, width, stroke, colour);
  canvas.fill(x, y + height - stroke, width, stroke, colour);
  canvas.fill(x, y, stroke, height, colour);
  canvas.fill(x + width - stroke, y, stroke, height, colour);
}

function drawLandmarks(canvas: Canvas, landmarks: readonly Point[], scale: number): void {
  for (const [part, [first, end]] of Object.entries(IBUG68_PARTS)) {
    const points = landmarks.slice(first, end);
    points.forEach((point, index) => {
      const next = points[index + 1] ?? (CLOSED.has(part) ? points[0] : undefined);
      if (next) canvas.line(point, next, scale, INK);
    });
  }
}

/** Above the box, or inside it when there is no room above. */
function drawLabel(canvas: Canvas, box: Box, text: string, scale: number, colour: Colour): void {
  const margin = 2 * scale;
  const height = GLYPH_HEIGHT * scale + 2 * margin;
  const width = [...text].length * (GLYPH_WIDTH + 1) * scale - scale + 2 * margin;
  const top = box[1] >= height ? box[1] - height : Math.max(0, box[1]);
  const left = Math.max(0, Math.min(box[0], canvas.width - width));
  canvas.fill(left, top, width, height, colour);
  canvas.text(left + margin, top + margin, text, scale, INK);
}

/** A picture as a PNG file. */
export function encodePng({ width, height, channels, data }: Picture): Buffer {
  const colorType = { 1: 0, 3: 2, 4: 6 }[channels] as 0 | 2 | 6;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return PNG.sync.write({ width, height, data: bytes } as PNG, {
    bitDepth: 8,
    colorType,
    inputColorType: colorType,
    inputHasAlpha: channels === 4,
  });
}

/**
 * A picture as a JPEG file.
 *
 * @param quality 1–100
 */
export function encodeJpeg({ width, height, channels, data }: Picture, quality = 85): Buffer {
  const rgba = new Uint8Array(width * height * 4).fill(255);
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
  for (let from = 0, to = 0; to < rgba.length; from += channels, to += 4) {
    rgba[to] = data[from]!;
    rgba[to + 1] = data[from + green]!;
    rgba[to + 2] = data[from + blue]!;
  }
  return encode({ width, height, data: rgba }, quality).data;
}

/** Faces as `msg.annotations` of node-red-node-annotate-image. */
export function imageAnnotations(faces: readonly Marked[]): ImageAnnotation[] {
  return faces.map(({ box, text, colour = COLOUR }) => ({
    type: 'rect',
    bbox: [box[0], box[1], box[2], box[3]],
    ...(text !== undefined && { label: text }),
    stroke: `#${colour.map((value) => value.toString(16).padStart(2, '0')).join('')}`,
    labelLocation: 'top',
  }));
}
