import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { EmotionError } from '../emotion/error';
import { decodeFrames } from '../media/frames';
import { FaceReader, type Face } from '../video/face-reader';
import { openFaceNets } from '../video/open-face-nets';
import { checkPicture, type Picture } from '../video/picture';
import type { FeatureCommand } from './emotion-features';

const USAGE = `emotion-features video [--max-faces N] [--min-size PIXELS] [--fps N] [--mesh] [--crop]

Reads JSON lines and writes one JSON line a picture, in the same order:
  {"id", "path"}                              a picture, or a clip: one line a frame, with "time"
  {"id", "width", "height", "channels", "data"}    raw pixels in base64; 1, 3 or 4 channels
  {"id", "index", "time", "width", "height", "faces": [
      {"id", "box", "score", "landmarks", "quality", "mesh"?, "crop"?}]}

  --max-faces   default 1
  --min-size    narrower faces are left out; default 20
  --fps         frames a second of a clip; default 10
  --mesh        adds 468 × 3 numbers: base64 of little-endian float32
  --crop        adds the 48 × 48 crop that the emotion models see: base64 of grey bytes`;

interface InputLine {
  readonly id: unknown;
  readonly path?: string;
  readonly picture?: Picture;
}

export const videoFeatures: FeatureCommand = { usage: USAGE, run };

async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'max-faces': { type: 'string', default: '1' },
      'min-size': { type: 'string', default: '20' },
      fps: { type: 'string', default: '10' },
      mesh: { type: 'boolean', default: false },
      crop: { type: 'boolean', default: false },
    },
  });
  const fps = positive('fps', values.fps);
  const nets = await openFaceNets();
  try {
    const reader = new FaceReader(nets, {
      maxFaces: positive('max-faces', values['max-faces']),
      minSize: positive('min-size', values['min-size']),
    });
    let number = 0;
    for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
      number++;
      if (line.trim() === '') continue;
      const { id, path, picture } = parseLine(line, number);
      reader.reset();
      const frames = picture ? [{ index: 0, time: 0, picture }] : framesOf(path!, fps);
      for await (const { index, time, picture: frame } of frames) {
        const { width, height } = frame;
        const faces = (await reader.read(frame, time)).map((face) => describe(face, values));
        const text = JSON.stringify({ id, index, time, width, height, faces });
        if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
      }
    }
  } finally {
    await nets.close();
  }
}

async function* framesOf(
  path: string,
  fps: number,
): AsyncGenerator<{ index: number; time: number; picture: Picture }> {
  for await (const { index, time, ...rest } of decodeFrames({ kind: 'file', path }, { fps })) {
    yield { index, time, picture: { ...rest, channels: 3 } };
  }
}

function describe(face: Face, { mesh, crop }: { mesh: boolean; crop: boolean }): object {
  const round = (value: number): number => Math.round(value * 100) / 100;
  return {
    id: face.id,
    box: face.box.map(round),
    score: face.score,
    landmarks: face.landmarks.map((point) => point.map(round)),
    quality: face.quality,
    ...(mesh && { mesh: Buffer.from(face.mesh.buffer).toString('base64') }),
    ...(crop && { crop: Buffer.from(Uint8Array.from(face.crop, Math.round)).toString('base64') }),
  };
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new EmotionError('input.wrong-type', `--${option}: expected a number over 0, got ${value}`);
}

function parseLine(line: string, number: number): InputLine {
  const wrong = (expected: string, cause?: unknown): EmotionError =>
    new EmotionError(
      'input.wrong-type',
      `line ${number}: expected ${expected}`,
      { line: number },
      { cause },
    );
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw wrong('JSON', cause);
  }
  const { id, path, width, height, channels, data } = (value ?? {}) as Record<string, unknown>;
  if (typeof path === 'string') return { id, path };
  if (
    typeof width !== 'number' ||
    typeof height !== 'number' ||
    typeof data !== 'string' ||
    (channels !== 1 && channels !== 3 && channels !== 4)
  ) {
    throw wrong('"path", or "width", "height", "channels" 1, 3 or 4 and "data"');
  }
  const picture = { width, height, channels, data: Buffer.from(data, 'base64') } as const;
  checkPicture(picture);
  return { id, picture };
}
