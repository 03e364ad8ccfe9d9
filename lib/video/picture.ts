import { EmotionError } from '../emotion/error';

/**
 * Uncompressed pixels, rows from top to bottom without gaps: `data.length` is
 * `width * height * channels`. Channels are grey; red, green, blue; or those and alpha.
 */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/**
 * Checks that the pixels fit the size.
 *
 * @throws EmotionError `input.unusable` when a side is not a positive integer or the number of
 *   bytes is another one than the size needs.
 */
export function checkPicture(picture: Picture): void {
  const { width, height, channels, data } = picture;
  const whole = [width, height].every((side) => Number.isInteger(side) && side > 0);
  if (!whole || data.length !== width * height * channels) {
    throw new EmotionError(
      'input.unusable',
      `A picture of ${width} × ${height} with ${channels} channels needs ` +
        `${width * height * channels} bytes, got ${data.length}`,
      { width, height, channels, bytes: data.length },
    );
  }
}
