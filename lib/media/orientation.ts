/** The eight ways a picture can be turned or mirrored (EXIF 2.32, tag 0x0112). */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** FFmpeg filters that show a stored picture the way up it was taken. */
export const UPRIGHT: Readonly<Record<Orientation, readonly string[]>> = {
  1: [],
  2: ['hflip'],
  3: ['hflip', 'vflip'],
  4: ['vflip'],
  5: ['transpose=cclock_flip'],
  6: ['transpose=clock'],
  7: ['transpose=clock_flip'],
  8: ['transpose=cclock'],
};

export function isSideways(orientation: Orientation): boolean {
  return orientation >= 5;
}

/** The orientation that stands for a clockwise turn. */
export function orientationOf(rotation: 0 | 90 | 180 | 270): Orientation {
  return ({ 0: 1, 90: 6, 180: 3, 270: 8 } as const)[rotation];
}

/**
 * Reads the orientation that a camera wrote into a JPEG. FFmpeg before version 8 ignores it.
 *
 * @param jpeg the beginning of the file; 64 KiB always hold it
 * @returns 1 when there is none or the data is not a JPEG
 */
export function exifOrientation(jpeg: Uint8Array): Orientation {
  const view = new DataView(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength);
  if (jpeg.length < 4 || view.getUint16(0) !== 0xffd8) return 1;
  let at = 2;
  while (at + 4 <= jpeg.length) {
    const marker = view.getUint16(at);
    if ((marker & 0xff00) !== 0xff00 || marker === 0xffda) return 1;
    const length = view.getUint16(at + 2);
    if (marker === 0xffe1 && at + 2 + length <= jpeg.length && length >= 16) {
      const found = tiffOrientation(
        new DataView(jpeg.buffer, jpeg.byteOffset + at + 4, length - 2),
      );
      if (found !== undefined) return found;
    }
    at += 2 + length;
  }
  return 1;
}

function tiffOrientation(segment: DataView): Orientation | undefined {
  // "Exif\0\0", then a TIFF header.
  if (segment.getUint32(0) !== 0x45786966 || segment.byteLength < 16) return undefined;
  const little = segment.getUint16(6) === 0x4949;
  const directory = 6 + segment.getUint32(10, little);
  if (directory + 2 > segment.byteLength) return undefined;
  const entries = segment.getUint16(directory, little);
  for (let i = 0; i < entries; i += 1) {
    const entry = directory + 2 + i * 12;
    if (entry + 12 > segment.byteLength) return undefined;
    if (segment.getUint16(entry, little) !== 0x0112) continue;
    const value = segment.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? (value as Orientation) : undefined;
  }
  return undefined;
}
