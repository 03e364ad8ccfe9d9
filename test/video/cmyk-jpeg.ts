import type { Picture } from '../../lib/video/picture';

/**
 * A JPEG with four inks, as printers want it (ITU-T T.81, with Adobe's marker that says CMYK). Each
 * pixel becomes a block of 8 × 8 that has one value, so that a baseline encoder needs no transform:
 * its only coefficient is the mean.
 */
export function cmykJpeg({ width, height, channels, data }: Picture): Buffer {
  const bits: string[] = [];
  const last = [0, 0, 0, 0];
  for (let at = 0; at < width * height; at += 1) {
    // Adobe writes ink upside down: 255 is none. Without black, red is what cyan leaves.
    const inks = [0, 1, 2].map((c) => data[at * channels + (channels === 1 ? 0 : c)]!);
    [...inks, 255].forEach((value, component) => {
      const mean = (value - 128) * 8;
      bits.push(code(mean - last[component]!));
      last[component] = mean;
    });
  }
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xee, Buffer.from([...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, 0])),
    segment(0xdb, Buffer.from([0, ...Array<number>(64).fill(1)])),
    segment(0xc0, Buffer.from([8, ...word(height * 8), ...word(width * 8), 4, ...[1, 2, 3, 4].flatMap((id) => [id, 0x11, 0])])), // prettier-ignore
    // Twelve codes of four bits for the size of a difference, one of one bit for "no more".
    segment(0xc4, Buffer.from([0x00, 0, 0, 0, 12, ...Array<number>(12).fill(0), ...Array(12).keys()])), // prettier-ignore
    segment(0xc4, Buffer.from([0x10, 1, ...Array<number>(15).fill(0), 0])),
    segment(0xda, Buffer.from([4, ...[1, 2, 3, 4].flatMap((id) => [id, 0]), 0, 63, 0])),
    packed(bits.join('')),
    Buffer.from([0xff, 0xd9]),
  ]);
}

/** The difference to the block before, and that the block has no other coefficient. */
function code(difference: number): string {
  const size = difference === 0 ? 0 : Math.floor(Math.log2(Math.abs(difference))) + 1;
  const value = difference < 0 ? difference + 2 ** size - 1 : difference;
  const digits = size === 0 ? '' : value.toString(2).padStart(size, '0');
  return `${size.toString(2).padStart(4, '0')}${digits}0`;
}

function packed(bits: string): Buffer {
  const bytes: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    const byte = parseInt(bits.slice(at, at + 8).padEnd(8, '1'), 2);
    bytes.push(byte);
    if (byte === 0xff) bytes.push(0);
  }
  return Buffer.from(bytes);
}

function segment(marker: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0xff, marker, ...word(body.length + 2)]), body]);
}

function word(value: number): [number, number] {
  return [value >> 8, value & 255];
}
