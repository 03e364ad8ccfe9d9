import { open as openFile } from 'node:fs/promises';
import { EmotionError } from '../emotion/error';
import { requireRegularFile } from './access';
import { summary } from './failure';
import { commandFor, isPicture, nameOf, openInput, type MediaInput } from './input';
import {
  exifOrientation,
  isSideways,
  orientationOf,
  UPRIGHT,
  type Orientation,
} from './orientation';
import { probe, type MediaInfo, type VideoStream } from './probe';
import { FfmpegProcess } from './process';
import { containedPicture } from './sniff';

/** One picture, upright, 8-bit RGB. */
export interface Frame {
  readonly index: number;
  /** Seconds from the start of the input (or of the capture, for a live source). */
  readonly time: number;
  readonly width: number;
  readonly height: number;
  /** `[height, width, 3]`, row major, R G B. In memory of its own. */
  readonly data: Uint8Array;
}

export interface FrameOptions {
  /** Frames a second; the input's are repeated or left out to match. Default 10. */
  readonly fps?: number;
  /** Pictures are made smaller, never larger, to fit. Default 1280 × 1280. */
  readonly maxWidth?: number;
  readonly maxHeight?: number;
  /** Refuse inputs with more pixels a picture before decoding one. Default 50 million. */
  readonly maxPixels?: number;
  /** Stop after so many frames. */
  readonly maxFrames?: number;
  readonly start?: number;
  readonly seconds?: number;
  /** Give up when nothing arrives for so long. Default 10 s. */
  readonly stallMs?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** The sound of the film as well, from the same run of FFmpeg. */
  readonly sound?: SoundTrack | undefined;
}

/** Where the sound of a film goes while its pictures are read. */
export interface SoundTrack {
  /** An existing file, which gets little-endian float32 samples, mono; it stays empty for a silent film. */
  readonly file: string;
  readonly sampleRateHz: number;
  /** Most seconds of sound that are written. */
  readonly seconds: number;
}

/** How a stored picture becomes the frames that come out. */
export interface FrameGeometry {
  readonly width: number;
  readonly height: number;
  /** FFmpeg's video filter chain. */
  readonly filters: string;
}

/**
 * The size of the frames and the filters that make them: turned upright, then fitted.
 *
 * @param stream size as shown (after its own rotation)
 * @param orientation the camera's note in a JPEG; 1 for films
 */
export function frameGeometry(
  stream: Pick<VideoStream, 'width' | 'height' | 'rotation'>,
  orientation: Orientation,
  options: Pick<FrameOptions, 'maxWidth' | 'maxHeight'> & { readonly fps: number | undefined },
): FrameGeometry {
  const turned = orientation !== 1 ? orientation : orientationOf(stream.rotation);
  const sideways = orientation !== 1 && isSideways(orientation);
  const shownWidth = sideways ? stream.height : stream.width;
  const shownHeight = sideways ? stream.width : stream.height;
  const factor = Math.min(
    1,
    (options.maxWidth ?? 1280) / shownWidth,
    (options.maxHeight ?? 1280) / shownHeight,
  );
  const width = Math.max(1, Math.round(shownWidth * factor));
  const height = Math.max(1, Math.round(shownHeight * factor));
  const filters = [
    ...(options.fps === undefined ? [] : [`fps=fps=${options.fps}:start_time=0`]),
    ...UPRIGHT[turned],
    `scale=${width}:${height}:flags=${factor < 0.5 ? 'area' : 'bicubic'}`,
    'setsar=1',
  ];
  return { width, height, filters: filters.join(',') };
}

/** Enough of the input to see what it is. */
async function beginning(input: MediaInput): Promise<Uint8Array> {
  if (input.kind === 'bytes') return input.bytes;
  if (input.kind !== 'file') return new Uint8Array(0);
  await requireRegularFile(input.path);
  const file = await openFile(input.path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(131_072), 0, 131_072, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * The pictures of an image, clip or stream, one by one, upright and at a constant rate. A slow reader
 * slows FFmpeg down; memory holds a few frames whatever the length. Where only the sound cannot be decoded,
 * the pictures come without it.
 *
 * @returns what {@link probe} found out about the input
 * @throws {EmotionError} `media.no-stream` for sound without pictures; `input.too-large` before
 *   anything is decoded; `media.empty` when not one picture came out; and as {@link probe}.
 * @example
 * for await (const frame of decodeFrames({ kind: 'file', path: 'clip.mp4' }, { fps: 5 })) {
 *   console.log(frame.time, frame.width, frame.height); // 0 640 360, 0.2 640 360, …
 * }
 */
export async function* decodeFrames(
  input: MediaInput,
  options: FrameOptions = {},
): AsyncGenerator<Frame, MediaInfo, void> {
  const start = await beginning(input);
  const contained = containedPicture(start);
  if (contained === 'heic') {
    // Some versions of FFmpeg cannot read it at all, others give its first tile for the whole picture.
    const name = nameOf(input);
    throw new EmotionError('media.unreadable', `${name}: HEIC; save the picture as JPEG or PNG`, {
      input: name,
      format: 'heic',
    });
  }
  const info = await probe(input, {
    timeoutMs: options.stallMs ?? 15_000,
    maxPixels: options.maxPixels ?? 50_000_000,
  });
  if (!info.video) {
    throw new EmotionError('media.no-stream', 'The input has sound but no pictures', {
      format: info.format,
    });
  }
  const isStill = contained !== undefined || (isPicture(start) && info.format !== 'apng');
  const fps = isStill ? undefined : (options.fps ?? 10);
  const geometry = frameGeometry(info.video, exifOrientation(start), {
    ...(options.maxWidth !== undefined && { maxWidth: options.maxWidth }),
    ...(options.maxHeight !== undefined && { maxHeight: options.maxHeight }),
    fps,
  });

  const stallMs = options.stallMs ?? 10_000;
  const open = await openInput(input, { stallMs, maxPixels: options.maxPixels });
  try {
    const command = commandFor(open);
    const sound = info.audio && options.sound;
    command.inputOptions('-noautorotate', ...(sound ? ['-y'] : ['-an']));
    if (options.start) command.inputOptions('-ss', String(options.start));
    const maxFrames = isStill ? 1 : options.maxFrames;
    command.outputOptions(
      ...(sound ? soundOutput(sound) : []),
      '-map',
      '0:v:0',
      '-an',
      '-sn',
      '-dn',
      ...(options.seconds === undefined ? [] : ['-t', String(options.seconds)]),
      ...(maxFrames === undefined ? [] : ['-frames:v', String(maxFrames)]),
      '-vf',
      geometry.filters,
      '-pix_fmt',
      'rgb24',
      '-f',
      'rawvideo',
    );
    const process = new FfmpegProcess(command, {
      name: open.name,
      stallMs,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      onFirstByte: () => void open.release().catch(() => undefined),
    });
    const slicer = new FrameSlicer(geometry.width, geometry.height);
    const chunks = process.chunks();
    let index = 0;
    try {
      for (;;) {
        const next = await chunks.next();
        if (next.done) {
          if (next.value.stopped) {
            throw new EmotionError('media.killed', `${open.name}: stopped before its end`, {
              input: open.name,
            });
          }
          if (index === 0) {
            const words = summary(next.value.lines);
            throw new EmotionError(
              'media.empty',
              `${open.name}: not one picture could be decoded${words && ` (FFmpeg: ${words})`}`,
              { input: open.name, ffmpeg: words },
            );
          }
          return info;
        }
        for (const data of slicer.push(next.value)) {
          yield {
            index,
            time: (options.start ?? 0) + index / (fps ?? 1),
            width: geometry.width,
            height: geometry.height,
            data,
          };
          index += 1;
        }
      }
    } catch (error) {
      if (!(error instanceof EmotionError) || error.code !== 'media.unreadable') throw error;
      if (index > 0) return info;
      if (sound === undefined) throw error;
    } finally {
      await process.stop();
    }
  } finally {
    await open.release();
  }
  return yield* decodeFrames(input, { ...options, sound: undefined });
}

/** FFmpeg's arguments for an output beside the pictures. */
function soundOutput({ file, sampleRateHz, seconds }: SoundTrack): string[] {
  const samples = ['-ac', '1', '-ar', String(sampleRateHz), '-f', 'f32le'];
  return ['-map', '0:a:0', '-vn', '-sn', '-dn', '-t', String(seconds), ...samples, `file:${file}`];
}

/** Cuts a stream of raw rgb24 pictures into frames. */
export class FrameSlicer {
  private current: Uint8Array | undefined;
  private filled = 0;
  private readonly frameBytes: number;

  constructor(width: number, height: number) {
    this.frameBytes = width * height * 3;
  }

  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    while (at < chunk.length) {
      this.current ??= new Uint8Array(this.frameBytes);
      const part = chunk.subarray(at, at + this.frameBytes - this.filled);
      this.current.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === this.frameBytes) {
        const frame = this.current;
        this.current = undefined;
        this.filled = 0;
        yield frame;
      }
    }
  }
}
