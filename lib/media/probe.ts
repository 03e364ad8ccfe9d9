import { EmotionError } from '../emotion/error';
import { failureOf } from './failure';
import { openInput, type MediaInput } from './input';
import { runProgram } from './process';

export interface AudioStream {
  readonly codec: string;
  readonly sampleRateHz: number;
  readonly channels: number;
}

export interface VideoStream {
  readonly codec: string;
  /** Size in pixels as it is shown: a rotation by 90° is applied. */
  readonly width: number;
  readonly height: number;
  /** Clockwise turn in degrees (0, 90, 180, 270) between the stored and the shown picture. */
  readonly rotation: 0 | 90 | 180 | 270;
  /** Mean frames per second; absent for a single picture. */
  readonly fps?: number;
}

export interface MediaInfo {
  /** FFmpeg's name of the container, e.g. `wav` or `mov,mp4,m4a,3gp,3g2,mj2`. */
  readonly format: string;
  /** Seconds; absent for a live stream, and where the container does not say (bytes through a pipe). */
  readonly duration?: number;
  readonly audio?: AudioStream;
  readonly video?: VideoStream;
}

export interface ProbeOptions {
  /** Default 15 s. */
  readonly timeoutMs?: number;
  readonly maxPixels?: number;
}

interface ProbedStream {
  codec_type?: string;
  codec_name?: string;
  sample_rate?: string;
  channels?: number;
  width?: number;
  height?: number;
  avg_frame_rate?: string;
  nb_frames?: string;
  disposition?: { attached_pic?: number };
  side_data_list?: { rotation?: number }[];
  tags?: { rotate?: string };
}

interface Probed {
  format?: { format_name?: string; duration?: string };
  streams?: ProbedStream[];
}

function ratio(text: string | undefined): number | undefined {
  const [above, below] = (text ?? '').split('/').map(Number);
  const value = (above ?? 0) / (below ?? 1);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

function rotationOf(stream: ProbedStream): VideoStream['rotation'] {
  const counterClockwise = stream.side_data_list?.find((entry) => entry.rotation !== undefined);
  const clockwise = counterClockwise
    ? -(counterClockwise.rotation ?? 0)
    : Number(stream.tags?.rotate ?? 0);
  const turned = (((Math.round(clockwise / 90) * 90) % 360) + 360) % 360;
  return turned === 90 || turned === 180 || turned === 270 ? turned : 0;
}

function toInfo(probed: Probed): MediaInfo {
  const streams = probed.streams ?? [];
  const sound = streams.find((s) => s.codec_type === 'audio' && Number(s.sample_rate) > 0);
  // The cover of a record is a picture beside the sound, not a film.
  const film = streams.find(
    (s) => s.codec_type === 'video' && s.disposition?.attached_pic !== 1 && (s.width ?? 0) > 0,
  );
  const duration = Number(probed.format?.duration);
  const rotation = film ? rotationOf(film) : 0;
  const isTurned = rotation === 90 || rotation === 270;
  const fps = ratio(film?.avg_frame_rate);
  return {
    format: probed.format?.format_name ?? '',
    ...(duration > 0 && { duration }),
    ...(sound && {
      audio: {
        codec: sound.codec_name ?? '',
        sampleRateHz: Number(sound.sample_rate),
        channels: sound.channels ?? 1,
      },
    }),
    ...(film && {
      video: {
        codec: film.codec_name ?? '',
        width: (isTurned ? film.height : film.width) ?? 0,
        height: (isTurned ? film.width : film.height) ?? 0,
        rotation,
        ...(fps !== undefined && { fps }),
      },
    }),
  };
}

/**
 * Container, streams, sizes and duration of an input, without decoding it.
 *
 * @throws {EmotionError} `media.ffmpeg-missing`, `media.not-found`, `media.empty`,
 *   `media.unreadable` (not media, or cut off before its header ends), `media.refused`,
 *   `media.unreachable`, `media.stalled`, `input.too-large` (more than `maxPixels`).
 * @example
 * await probe({ kind: 'file', path: '/data/clip.wav' });
 * // → { format: 'wav', duration: 3.5, audio: { codec: 'pcm_s16le', sampleRateHz: 48000, channels: 2 } }
 */
export async function probe(input: MediaInput, options: ProbeOptions = {}): Promise<MediaInfo> {
  const timeoutMs = options.timeoutMs ?? 15_000;
  const open = await openInput(input, { stallMs: timeoutMs, maxPixels: options.maxPixels });
  try {
    const { code, stdout, lines } = await runProgram(
      open.programs.ffprobe,
      [
        '-hide_banner',
        '-loglevel',
        'error',
        ...open.options,
        '-print_format',
        'json',
        '-show_entries',
        'format=format_name,duration:stream=codec_type,codec_name,sample_rate,channels,width,height,avg_frame_rate:stream_tags=rotate:stream_disposition=attached_pic:stream_side_data=rotation',
        '-i',
        open.source,
      ],
      { name: open.name, timeoutMs, input: open.stdin },
    );
    if (code !== 0) throw failureOf(open.name, lines, code);
    const info = toInfo(JSON.parse(stdout || '{}') as Probed);
    if (!info.audio && !info.video) {
      if (lines.length > 0) throw failureOf(open.name, lines, code);
      throw new EmotionError('media.no-stream', `${open.name}: neither sound nor pictures in it`, {
        input: open.name,
      });
    }
    const pixels = info.video ? info.video.width * info.video.height : 0;
    if (options.maxPixels !== undefined && pixels > options.maxPixels) {
      throw new EmotionError(
        'input.too-large',
        `${open.name}: ${info.video?.width} × ${info.video?.height} pixels; at most ${options.maxPixels} pixels are allowed`,
        { input: open.name, pixels, limit: options.maxPixels },
      );
    }
    return info;
  } finally {
    await open.release();
  }
}
