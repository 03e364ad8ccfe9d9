import type { Picture } from './picture';

/** A point in pixels; the centre of the first pixel is (0.5, 0.5). */
export type Point = readonly [x: number, y: number];

/** A rectangle in pixels, as `x, y, width, height` of its upper left corner and size. */
export type Box = readonly [x: number, y: number, width: number, height: number];

/**
 * A square of a picture that may be turned: centre and side in pixels, angle in radians, positive
 * when the square's own x axis points down and right.
 */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly side: number;
  readonly angle: number;
}

/** Where a point of the unit square of a region, (0, 0) its upper left corner, lies in the picture. */
export function fromRegion(region: Region, u: number, v: number): Point {
  const dx = (u - 0.5) * region.side;
  const dy = (v - 0.5) * region.side;
  const cos = Math.cos(region.angle);
  const sin = Math.sin(region.angle);
  return [region.x + dx * cos - dy * sin, region.y + dx * sin + dy * cos];
}

/** The inverse of {@link fromRegion}: where a point of the picture lies in the unit square. */
export function toRegion(region: Region, [x, y]: Point): Point {
  const dx = x - region.x;
  const dy = y - region.y;
  const cos = Math.cos(region.angle);
  const sin = Math.sin(region.angle);
  return [(dx * cos + dy * sin) / region.side + 0.5, (dy * cos - dx * sin) / region.side + 0.5];
}

/** What pixels outside the picture look like: black, or the nearest pixel of the border. */
export type Outside = 'black' | 'border';

/**
 * Cuts a region out of a picture with bilinear sampling.
 *
 * @param size side of the result in pixels
 * @param range what 0 and 255 become
 * @param into receives red, green, blue of each pixel: `[size, size, 3]`
 */
export function cropColour(
  picture: Picture,
  region: Region,
  size: number,
  range: readonly [number, number],
  outside: Outside,
  into: Float32Array = new Float32Array(size * size * 3),
): Float32Array {
  const { width, height, channels, data } = picture;
  const [low, high] = range;
  const gain = (high - low) / 255;
  const second = channels === 1 ? 0 : 1;
  const third = channels === 1 ? 0 : 2;
  const step = region.side / size;
  const stepX = step * Math.cos(region.angle);
  const stepY = step * Math.sin(region.angle);
  const [startX, startY] = fromRegion(region, 0.5 / size, 0.5 / size);
  const maxX = width - 1;
  const maxY = height - 1;
  let at = 0;
  for (let row = 0; row < size; row++) {
    let x = startX - row * stepY - 0.5;
    let y = startY + row * stepX - 0.5;
    for (let column = 0; column < size; column++, x += stepX, y += stepY, at += 3) {
      if (outside === 'black' && (x < -0.5 || y < -0.5 || x > maxX + 0.5 || y > maxY + 0.5)) {
        into[at] = into[at + 1] = into[at + 2] = low;
        continue;
      }
      const px = x < 0 ? 0 : x > maxX ? maxX : x;
      const py = y < 0 ? 0 : y > maxY ? maxY : y;
      const x0 = px | 0;
      const y0 = py | 0;
      const fx = px - x0;
      const fy = py - y0;
      const a = (y0 * width + x0) * channels;
      const b = x0 < maxX ? a + channels : a;
      const below = y0 < maxY ? width * channels : 0;
      const c = a + below;
      const d = b + below;
      const wa = (1 - fx) * (1 - fy) * gain;
      const wb = fx * (1 - fy) * gain;
      const wc = (1 - fx) * fy * gain;
      const wd = fx * fy * gain;
      into[at] = data[a]! * wa + data[b]! * wb + data[c]! * wc + data[d]! * wd + low;
      into[at + 1] =
        data[a + second]! * wa +
        data[b + second]! * wb +
        data[c + second]! * wc +
        data[d + second]! * wd +
        low;
      into[at + 2] =
        data[a + third]! * wa +
        data[b + third]! * wb +
        data[c + third]! * wc +
        data[d + third]! * wd +
        low;
    }
  }
  return into;
}

/** Samples a side of one pixel of {@link cropGrey} at most: beyond it, more change nothing visible. */
const MOST_SAMPLES = 8;

/**
 * Cuts a region out of a picture as grey values 0–255, `[size, size]`. Each pixel is the mean of as
 * many bilinear samples as source pixels fall on it (up to 8 × 8), so a large face does not turn into
 * a pattern. Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, section 2.5.1). Pixels outside the
 * picture repeat its border.
 */
export function cropGrey(
  picture: Picture,
  region: Region,
  size: number,
  into: Float32Array = new Float32Array(size * size),
): Float32Array {
  const { width, height, channels, data } = picture;
  const samples = Math.min(MOST_SAMPLES, Math.max(1, Math.round(region.side / size)));
  const fine = size * samples;
  const step = region.side / fine;
  const stepX = step * Math.cos(region.angle);
  const stepY = step * Math.sin(region.angle);
  const [startX, startY] = fromRegion(region, 0.5 / fine, 0.5 / fine);
  const maxX = width - 1;
  const maxY = height - 1;
  const grey = (index: number): number =>
    channels === 1
      ? data[index]!
      : data[index]! * 0.299 + data[index + 1]! * 0.587 + data[index + 2]! * 0.114;
  into.fill(0);
  const share = 1 / (samples * samples);
  for (let row = 0; row < fine; row++) {
    const line = Math.floor(row / samples) * size;
    let x = startX - row * stepY - 0.5;
    let y = startY + row * stepX - 0.5;
    for (let column = 0; column < fine; column++, x += stepX, y += stepY) {
      const px = x < 0 ? 0 : x > maxX ? maxX : x;
      const py = y < 0 ? 0 : y > maxY ? maxY : y;
      const x0 = px | 0;
      const y0 = py | 0;
      const fx = px - x0;
      const fy = py - y0;
      const a = (y0 * width + x0) * channels;
      const b = x0 < maxX ? a + channels : a;
      const below = y0 < maxY ? width * channels : 0;
      const upper = grey(a) * (1 - fx) + grey(b) * fx;
      const lower = grey(a + below) * (1 - fx) + grey(b + below) * fx;
      const target = line + Math.floor(column / samples);
      into[target] = into[target]! + (upper * (1 - fy) + lower * fy) * share;
    }
  }
  return into;
}
