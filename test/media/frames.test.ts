import { readFileSync, writeFileSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, crc32 } from 'node:zlib';
import { expect } from 'chai';
import { decodeFrames, FrameSlicer, type Frame, type FrameOptions } from '../../lib/media/frames';
import { exifOrientation } from '../../lib/media/orientation';
import { containedPicture } from '../../lib/media/sniff';
import type { MediaInput } from '../../lib/media/input';
import { expectFailure, ffmpegChildren, make, scratchFolder } from './fixtures';

async function all(input: MediaInput, options: FrameOptions = {}): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of decodeFrames(input, options)) frames.push(frame);
  return frames;
}

/** The mean colour of a part of a frame, each 0–255. */
function colour(frame: Frame | undefined, left: number, top: number): string {
  if (!frame) return 'no frame';
  const at = (Math.floor(top * frame.height) * frame.width + Math.floor(left * frame.width)) * 3;
  const [r = 0, g = 0, b = 0] = frame.data.subarray(at, at + 3);
  return r > 150 && g < 100
    ? 'red'
    : g > 100 && r < 100
      ? 'green'
      : b > 150
        ? 'blue'
        : `${r} ${g} ${b}`;
}

describe('decoding pictures', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  /** Red at the left, blue at the right, 80 × 40. */
  const flag = ['-f', 'lavfi', '-i', 'color=red:size=40x40:rate=10:duration=1[r];color=blue:size=40x40:rate=10:duration=1[b];[r][b]hstack']; // prettier-ignore
  let clip: string;
  let photo: string;

  before(async () => {
    clip = await make(folder, [...flag, '-pix_fmt', 'yuv420p'], 'clip.mp4');
    photo = await make(folder, [...flag, '-frames:v', '1', '-q:v', '1'], 'photo.jpg');
  });

  afterEach(async () => expect(await ffmpegChildren()).to.deep.equal([]));

  it('gives frames at the rate asked for, with their times', async () => {
    const frames = await all({ kind: 'file', path: clip }, { fps: 5 });
    expect(frames.map((frame) => frame.time)).to.deep.equal([0, 0.2, 0.4, 0.6, 0.8]);
    expect(frames[0]).to.include({ index: 0, width: 80, height: 40 });
    expect(frames[0]?.data).to.have.length(80 * 40 * 3);
    expect([colour(frames[0], 0.2, 0.5), colour(frames[0], 0.8, 0.5)]).to.deep.equal([
      'red',
      'blue',
    ]);
  });

  it('fits large pictures, never enlarges small ones, and stops where told', async () => {
    const fitted = await all({ kind: 'file', path: clip }, { maxWidth: 20, maxFrames: 2 });
    expect(fitted.map(({ width, height }) => [width, height])).to.deep.equal([[20, 10], [20, 10]]); // prettier-ignore
    const [same] = await all({ kind: 'file', path: clip }, { maxWidth: 4000, maxFrames: 1 });
    expect(same).to.include({ width: 80, height: 40 });
  });

  it('turns a rotated phone video upright', async () => {
    const turned = await make(folder, ['-i', clip, '-c', 'copy', '-metadata:s:v', 'rotate=90'], 'turned.mp4'); // prettier-ignore
    const [frame] = await all({ kind: 'file', path: turned });
    expect(frame).to.include({ width: 40, height: 80 });
    const byFfmpeg = await make(folder, ['-i', turned, '-frames:v', '1'], 'upright.png');
    const [expected] = await all({ kind: 'file', path: byFfmpeg });
    expect([colour(frame, 0.5, 0.2), colour(frame, 0.5, 0.8)]).to.deep.equal([
      colour(expected, 0.5, 0.2),
      colour(expected, 0.5, 0.8),
    ]);
  });

  it('turns a photograph the way its EXIF note says', async () => {
    // What stands at the left in the stored picture (red) and where it must come out.
    const cases = [
      [1, 0.2, 0.5],
      [2, 0.8, 0.5],
      [3, 0.8, 0.5],
      [5, 0.5, 0.2],
      [6, 0.5, 0.2],
      [7, 0.5, 0.8],
      [8, 0.5, 0.8],
    ] as const;
    for (const [orientation, left, top] of cases) {
      const bytes = withExif(readFileSync(photo), orientation);
      expect(exifOrientation(bytes)).to.equal(orientation);
      const frames = await all({ kind: 'bytes', bytes });
      expect(frames).to.have.length(1);
      expect(colour(frames[0], left, top), `orientation ${orientation}`).to.equal('red');
      expect(frames[0]?.width).to.equal(orientation >= 5 ? 40 : 80);
    }
    expect(exifOrientation(new Uint8Array(0))).to.equal(1);
    expect(exifOrientation(Buffer.from('ffd8ffe1ffff45786966', 'hex'))).to.equal(1);
  });

  it('reads pictures and animations of many kinds, from files and bytes', async () => {
    for (const [name, args, count] of [
      ['a.png', ['-frames:v', '1'], 1],
      ['a16.png', ['-frames:v', '1', '-pix_fmt', 'rgb48be'], 1],
      ['a.bmp', ['-frames:v', '1'], 1],
      ['a.gif', [], 10],
      ['a.webm', ['-c:v', 'libvpx', '-b:v', '1M'], 10],
    ] as const) {
      const path = await make(folder, [...flag, ...args], name);
      for (const input of [
        { kind: 'file', path },
        { kind: 'bytes', bytes: readFileSync(path) },
      ] as const) {
        const frames = await all(input);
        expect(frames, `${name} as ${input.kind}`).to.have.length(count);
        expect(colour(frames[0], 0.2, 0.5), name).to.equal('red');
      }
    }
  });

  it('takes a file name with a pattern in it for what it is', async () => {
    copyFileSync(photo, join(folder, 'p%03d.jpg'));
    expect(await all({ kind: 'file', path: join(folder, 'p%03d.jpg') })).to.have.length(1);
  });

  it('refuses 20,000 × 20,000 pixels before it decodes them', async () => {
    const path = join(folder, 'huge.png');
    writeFileSync(path, blackPng(20_000, 20_000));
    const before = process.memoryUsage().rss;
    await expectFailure(all({ kind: 'file', path }), 'input.too-large', /pixels/);
    await expectFailure(all({ kind: 'file', path: photo }, { maxPixels: 100 }), 'input.too-large');
    expect(process.memoryUsage().rss - before).to.be.lessThan(100e6);
    expect(await all({ kind: 'bytes', bytes: blackPng(1, 1) })).to.have.length(1);
  });

  it('names what is wrong with everything that is no picture', async () => {
    const sound = await make(folder, ['-f', 'lavfi', '-i', 'sine=duration=0.2'], 'sound.wav');
    writeFileSync(join(folder, 'text.jpg'), 'this is a text, renamed to look like a picture');
    writeFileSync(
      join(folder, 'vector.svg'),
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    );
    await expectFailure(all({ kind: 'file', path: sound }), 'media.no-stream', /no pictures/);
    await expectFailure(all({ kind: 'file', path: join(folder, 'text.jpg') }), 'media.unreadable');
    for (const input of [
      { kind: 'file', path: join(folder, 'vector.svg') },
      { kind: 'bytes', bytes: readFileSync(photo).subarray(0, 30) },
    ] as const) {
      await all(input).then(
        () => expect.fail('was read'),
        (error: { code?: string }) =>
          expect(error.code).to.be.oneOf(['media.unreadable', 'media.refused', 'media.empty']),
      );
    }
    await expectFailure(all({ kind: 'bytes', bytes: new Uint8Array(0) }), 'media.empty');
    const heic = Buffer.concat([Buffer.from('0000001c66747970', 'hex'), Buffer.from('heic\0\0\0\0mif1heicmeta')]); // prettier-ignore
    await expectFailure(all({ kind: 'bytes', bytes: heic }), 'media.unreadable', /HEIC.*JPEG/);
  });

  it('ends FFmpeg when the reader leaves early', async () => {
    const frames = decodeFrames({ kind: 'file', path: clip }, { fps: 30 });
    expect((await frames.next()).done).to.equal(false);
    await frames.return(undefined as never);
    expect(await ffmpegChildren()).to.deep.equal([]);
  });
});

describe('containedPicture', () => {
  const head = (major: string, ...compatible: string[]): Buffer => {
    const brands = Buffer.from(`ftyp${major}\0\0\0\0${compatible.join('')}`);
    return Buffer.concat([
      Buffer.from([0, 0, 0, 4 + brands.length]),
      brands,
      Buffer.from('\0\0\0\x08mdat'),
    ]);
  };

  it('tells single pictures from films and series of pictures', () => {
    expect(containedPicture(head('avif', 'avif', 'mif1'))).to.equal('avif');
    expect(containedPicture(head('mif1', 'avif', 'miaf'))).to.equal('avif');
    expect(containedPicture(head('heic', 'mif1', 'heic'))).to.equal('heic');
    expect(containedPicture(head('mif1', 'heic'))).to.equal('heic');
    expect(containedPicture(head('avis', 'avif', 'avis'))).to.equal(undefined);
    expect(containedPicture(head('isom', 'iso2', 'mp41'))).to.equal(undefined);
    expect(containedPicture(head('heic').subarray(0, 10))).to.equal(undefined);
    expect(containedPicture(new Uint8Array(0))).to.equal(undefined);
  });
});

describe('FrameSlicer', () => {
  it('joins frames that the pipe has cut anywhere', () => {
    const bytes = Uint8Array.from({ length: 2 * 3 * 3 * 4 }, (_, i) => i);
    for (const step of [1, 5, 18, 19, 72]) {
      const slicer = new FrameSlicer(2, 3);
      const frames: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += step) {
        frames.push(...slicer.push(bytes.subarray(at, at + step)));
      }
      expect(frames).to.have.length(4);
      expect(Buffer.concat(frames)).to.deep.equal(Buffer.from(bytes));
    }
  });
});

/** Puts an EXIF segment with one entry behind the start marker of a JPEG. */
function withExif(jpeg: Buffer, orientation: number): Buffer {
  const segment = Buffer.from('ffe100224578696600004d4d002a00000008000101120003000000010000000000000000', 'hex'); // prettier-ignore
  segment.writeUInt16BE(orientation, 28);
  return Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2)]);
}

function blackPng(width: number, height: number): Buffer {
  const chunk = (type: string, body: Buffer) => {
    const content = Buffer.concat([Buffer.from(type, 'latin1'), body]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(content));
    return Buffer.concat([length, content, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.writeUInt8(8, 8);
  // One row of zeros, deflated, repeated for the height: small on the disk, 400 MB in memory.
  const rows = deflateSync(Buffer.alloc(Math.min(height, 50) * (width + 1)));
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
