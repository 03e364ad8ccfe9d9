import { open as openFile, readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import ffmpeg from 'fluent-ffmpeg';
import { EmotionError } from '../emotion/error';
import { printable, requireRegularFile } from './access';
import { locateFfmpeg, type FfmpegPrograms } from './locate';
import { runProgram } from './process';
import { temporaryFile } from './temporary';

/** Raw samples without a header: little-endian, channels interleaved. */
export const PCM_FORMATS = [
  'u8',
  's16le',
  's24le',
  's32le',
  'f32le',
  'f64le',
  'alaw',
  'mulaw',
] as const;
export type PcmFormat = (typeof PCM_FORMATS)[number];

/**
 * Something FFmpeg can read. Paths and addresses of untrusted messages go through
 * {@link ./access!openNamed} first; the kinds here are taken as they are.
 */
export type MediaInput =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'url'; readonly url: string }
  | {
      readonly kind: 'pcm';
      readonly bytes: Uint8Array;
      readonly format: PcmFormat;
      readonly sampleRateHz: number;
      readonly channels: number;
    };

/**
 * Containers and codecs streams that are read from files and bytes. Playlists (HLS, DASH, concat,
 * SDP), scripts (lavfi), text subtitles and vector graphics are absent: they name other files or
 * addresses, or are not media.
 */
const FILE_FORMATS = [
  'aac,ac3,eac3,dts,aiff,amr,ape,asf,au,caf,flac,gsm,mp3,mpc,mpc8,ogg,opus,rm,sox,tak,tta,voc,w64,wav,wv',
  '3g2,3gp,avi,flv,h264,hevc,ivf,m4a,m4v,matroska,mj2,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mxf,nut,obu,webm,wtv',
  'apng,bmp_pipe,gif,jpeg_pipe,jpegxl_anim,jpegxl_pipe,png_pipe,tiff_pipe,webp_pipe,webp',
].join(',');
const STREAM_FORMATS = `${FILE_FORMATS},hls,rtsp,rtp,sdp,mpjpeg,live_flv`;

const PROTOCOLS = {
  file: 'file',
  bytes: 'pipe,fd',
  pcm: 'pipe,fd',
  url: 'http,https,tcp,tls,udp,rtp,srtp,rtmp,rtmps,rtsp,rtsps,crypto',
} as const;

/** The most pixels that a picture may have before it is decoded. */
export const MAX_PIXELS = 50_000_000;

/** What the input is called in messages. */
export function nameOf(input: MediaInput): string {
  switch (input.kind) {
    case 'file':
      return printable(input.path);
    case 'url':
      return printable(input.url);
    default:
      return `${input.bytes.length} bytes`;
  }
}

/**
 * Whether a file cannot be read from a pipe: a GIF, or an MP4 or QuickTime file that has its index
 * (`moov`) behind its data (`mdat`). Boxes: ISO/IEC 14496-12, section 4.2.
 */
export function needsSeeking(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 16) return false;
  if (type(0) === 'GIF8') return true;
  if (!['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip'].includes(type(4))) return false;
  let at = 0;
  while (at + 8 <= bytes.length) {
    if (type(at + 4) === 'moov' || type(at + 4) === 'moof') return false;
    if (type(at + 4) === 'mdat') return true;
    let size = view.getUint32(at);
    if (size === 1 && at + 16 <= bytes.length) size = Number(view.getBigUint64(at + 8));
    if (size < 8) return true;
    at += size;
  }
  return true;
}

/** Whether bytes begin like a JPEG, PNG, BMP, TIFF or WebP picture. */
export function isPicture(bytes: Uint8Array): boolean {
  const text = String.fromCharCode(...bytes.subarray(0, 12));
  return (
    text.startsWith('\xff\xd8\xff') ||
    text.startsWith('\x89PNG\r\n\x1a\n') ||
    text.startsWith('II*\0') ||
    text.startsWith('MM\0*') ||
    (text.startsWith('BM') && bytes.length > 26) ||
    (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP')
  );
}

async function head(path: string): Promise<Uint8Array> {
  const file = await openFile(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(32), 0, 32, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const versions = new Map<string, Promise<number>>();

/** FFmpeg's major version, 0 when it is a development build. Asked once a program. */
async function majorVersion(program: string): Promise<number> {
  let version = versions.get(program);
  if (version === undefined) {
    version = runProgram(program, ['-version'], { name: program, timeoutMs: 10_000 }).then(
      ({ stdout }) => Number(/version n?(\d+)/.exec(stdout)?.[1] ?? 0),
    );
    version.catch(() => versions.delete(program));
    versions.set(program, version);
  }
  return version;
}

export interface OpenInput {
  readonly programs: FfmpegPrograms;
  readonly name: string;
  /** Options before `-i`, for FFmpeg and ffprobe alike. */
  readonly options: readonly string[];
  /** Behind `-i`. */
  readonly source: string;
  /** What goes to standard input, when `source` is `pipe:0`. */
  readonly stdin: Uint8Array | undefined;
  /** Removes the temporary file, when there is one. Safe to call more than once. */
  release(): Promise<void>;
}

/**
 * The option with which FFmpeg gives up a silent connection by itself. It is the second line of
 * defence: the watch in {@link ./process!FfmpegProcess} ends a stalled process, this one ends it
 * when our own process is gone.
 */
export async function networkTimeout(
  program: string,
  url: string,
  timeoutMs: number,
): Promise<string[]> {
  const microseconds = String(Math.round(timeoutMs * 1000));
  if (!/^rtsps?:/i.test(url)) return ['-rw_timeout', microseconds];
  const major = await majorVersion(program);
  // Before FFmpeg 5 `-timeout` of RTSP meant "listen for a caller".
  return [
    '-rtsp_transport',
    'tcp',
    major > 0 && major < 5 ? '-stimeout' : '-timeout',
    microseconds,
  ];
}

/**
 * Prepares an input: finds FFmpeg, restricts protocols and formats, and writes a temporary file
 * where a pipe cannot do.
 *
 * @throws {EmotionError} `media.ffmpeg-missing`, `media.not-found`, `media.empty`, `media.refused`;
 *   `input.unusable` for PCM with an impossible rate or channel count.
 */
export async function openInput(
  input: MediaInput,
  options: { readonly stallMs: number; readonly maxPixels?: number | undefined },
): Promise<OpenInput> {
  const programs = await locateFfmpeg();
  const name = nameOf(input);
  const release = () => Promise.resolve();
  const base = [
    '-protocol_whitelist',
    PROTOCOLS[input.kind],
    '-max_pixels',
    String(options.maxPixels ?? MAX_PIXELS),
  ];
  const overPipe = [
    '-protocol_whitelist',
    PROTOCOLS.bytes,
    ...base.slice(2),
    '-format_whitelist',
    FILE_FORMATS,
  ];
  const restricted = [...base, '-format_whitelist', FILE_FORMATS];

  switch (input.kind) {
    case 'file': {
      await requireRegularFile(input.path);
      // A picture goes through the pipe: by name, FFmpeg takes "%d" in it for a series of files.
      if (isPicture(await head(input.path))) {
        const stdin = await readFile(input.path);
        return { programs, name, options: overPipe, source: 'pipe:0', stdin, release };
      }
      const source = `file:${input.path}`;
      return { programs, name, options: restricted, source, stdin: undefined, release };
    }
    case 'url': {
      const timeout = await networkTimeout(programs.ffmpeg, input.url, options.stallMs);
      return {
        programs,
        name,
        options: [...base, '-format_whitelist', STREAM_FORMATS, ...timeout],
        source: input.url,
        stdin: undefined,
        release,
      };
    }
    case 'bytes': {
      if (input.bytes.length === 0) {
        throw new EmotionError('media.empty', 'The input has 0 bytes', { bytes: 0 });
      }
      if (!needsSeeking(input.bytes)) {
        return {
          programs,
          name,
          options: overPipe,
          source: 'pipe:0',
          stdin: input.bytes,
          release,
        };
      }
      const file = await temporaryFile(input.bytes);
      return {
        programs,
        name,
        options: ['-protocol_whitelist', PROTOCOLS.file, ...restricted.slice(2)],
        source: `file:${file.path}`,
        stdin: undefined,
        release: () => file.remove(),
      };
    }
    case 'pcm': {
      requirePcm(input);
      return {
        programs,
        name,
        options: [
          ...base.slice(0, 2),
          '-f',
          input.format,
          '-ar',
          String(input.sampleRateHz),
          '-ac',
          String(input.channels),
        ],
        source: 'pipe:0',
        stdin: input.bytes,
        release,
      };
    }
  }
}

export function requirePcm(pcm: {
  readonly bytes: Uint8Array;
  readonly format: PcmFormat;
  readonly sampleRateHz: number;
  readonly channels: number;
}): void {
  const unusable = (setting: string, expected: string, got: unknown) =>
    new EmotionError('input.unusable', `PCM ${setting}: expected ${expected}, got ${String(got)}`, {
      setting,
      expected,
      got: String(got),
    });
  if (!PCM_FORMATS.includes(pcm.format)) {
    throw unusable('format', `one of ${PCM_FORMATS.join(', ')}`, pcm.format);
  }
  if (
    !Number.isInteger(pcm.sampleRateHz) ||
    pcm.sampleRateHz < 4000 ||
    pcm.sampleRateHz > 768_000
  ) {
    throw unusable('sample rate', 'a whole number of hertz from 4000 to 768000', pcm.sampleRateHz);
  }
  if (!Number.isInteger(pcm.channels) || pcm.channels < 1 || pcm.channels > 32) {
    throw unusable('channels', 'a whole number from 1 to 32', pcm.channels);
  }
  if (pcm.bytes.length === 0) {
    throw new EmotionError('media.empty', 'The input has 0 bytes', { bytes: 0 });
  }
}

/** The command for fluent-ffmpeg with everything before the outputs. */
export function commandFor(open: OpenInput): ffmpeg.FfmpegCommand {
  const command = ffmpeg({ stdoutLines: 60 });
  command.setFfmpegPath(open.programs.ffmpeg);
  if (open.stdin === undefined) command.input(open.source);
  else command.input(Readable.from(slices(open.stdin), { objectMode: false }));
  // Spread: given as one array, fluent-ffmpeg splits values at a blank.
  command.inputOptions(
    '-hide_banner',
    '-nostdin',
    '-nostats',
    '-loglevel',
    'error',
    ...open.options,
  );
  return command;
}

/** Views of at most 256 KiB, so that a large Buffer is never copied as a whole. */
function* slices(bytes: Uint8Array): Generator<Buffer> {
  const step = 262_144;
  for (let at = 0; at < bytes.length; at += step) {
    const part = bytes.subarray(at, at + step);
    yield Buffer.from(part.buffer, part.byteOffset, part.byteLength);
  }
}
