import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { encodePng } from '../../lib/video/annotate';
import type { Picture } from '../../lib/video/picture';
import { drawFaces, type DrawnFace } from './drawn-face';

const run = promisify(execFile);

/** Runs FFmpeg in a folder. */
export async function ffmpeg(folder: string, ...args: string[]): Promise<void> {
  await run('ffmpeg', ['-v', 'error', '-y', ...args], { cwd: folder });
}

/** One drawn face in the middle of a picture. */
export function portrait(width = 240, height = 200, changes: Partial<DrawnFace> = {}): Picture {
  return drawFaces(width, height, [{ x: width / 2, y: height * 0.48, size: 62, ...changes }]);
}

/**
 * Writes a film of drawn faces: `film.mp4`, or what the last of FFmpeg's arguments says.
 *
 * @param frame draws the frame of a number
 */
export async function film(
  folder: string,
  frames: number,
  frame: (index: number) => Picture,
  options: { readonly name?: string; readonly fps?: number; readonly arguments?: string[] } = {},
): Promise<string> {
  const { name = 'film.mp4', fps = 10, arguments: more = [] } = options;
  for (let index = 0; index < frames; index += 1) {
    await writeFile(join(folder, `${name}-${index}.png`), encodePng(frame(index)));
  }
  await ffmpeg(folder, '-framerate', String(fps), '-i', `${name}-%d.png`, '-pix_fmt', 'yuv420p', ...more, name); // prettier-ignore
  return join(folder, name);
}

/** Puts an EXIF segment with one entry behind the start marker of a JPEG. */
export function withOrientation(jpeg: Buffer, orientation: number): Buffer {
  const segment = Buffer.from('ffe100224578696600004d4d002a00000008000101120003000000010000000000000000', 'hex'); // prettier-ignore
  segment.writeUInt16BE(orientation, 28);
  return Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2)]);
}

/** A picture turned by 90°, clockwise. */
export function turned({ width, height, data }: Picture): Picture {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const to = (x * height + (height - 1 - y)) * 3;
      out.set(data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3), to);
    }
  }
  return { width: height, height: width, channels: 3, data: out };
}

/** A picture beside and below itself. */
export function tiled({ width, height, data }: Picture, across: number, down: number): Picture {
  const out = new Uint8Array(data.length * across * down);
  for (let row = 0; row < height * down; row += 1) {
    const line = data.subarray((row % height) * width * 3, ((row % height) + 1) * width * 3);
    for (let tile = 0; tile < across; tile += 1) {
      out.set(line, (row * across + tile) * width * 3);
    }
  }
  return { width: width * across, height: height * down, channels: 3, data: out };
}

/** A PNG of so many black pixels of which only the first rows are there: small on the disk. */
export function hugePng(width: number, height: number): Buffer {
  const chunk = (type: string, body: Buffer): Buffer => {
    const content = Buffer.concat([Buffer.from(type, 'latin1'), body]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length);
    sum.writeUInt32BE(crc32(content));
    return Buffer.concat([length, content, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.writeUInt8(8, 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(Math.min(height, 50) * (width + 1)))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
