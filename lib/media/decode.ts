import { EmotionError } from '../emotion/error';
import { summary } from './failure';
import { commandFor, openInput, type MediaInput } from './input';
import { FfmpegProcess } from './process';

export interface DecodeOptions {
  /** Default 16000. */
  readonly sampleRateHz?: number;
  /** Where to begin and how much to read at most, in seconds. */
  readonly start?: number;
  readonly seconds?: number;
  /** Give up when nothing arrives for so long. Default 10 s. */
  readonly stallMs?: number;
  /** Give up when the whole takes longer. Default: no limit. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What a finished decoding amounts to. */
export interface DecodeEnd {
  readonly samples: number;
  /** Seconds of sound. */
  readonly duration: number;
  /** What FFmpeg complained of although sound came out, e.g. that the file is cut off. */
  readonly warning?: string;
}

/**
 * Decodes any sound that FFmpeg reads to mono float32 at one rate, piece by piece: a file of hours
 * needs no more memory than one of seconds, and a slow reader slows FFmpeg down. Samples are nominally
 * within ±1; float and lossy sources may go beyond or hold NaN.
 *
 * @yields Float32Array of any length ≥ 1, valid until the next step is safe to keep
 * @returns how much came out, and FFmpeg's warning about damaged data
 * @throws {EmotionError} `media.empty` when not a single sample came out; `media.no-stream` for a
 *   film without sound; `media.unreadable`, `media.not-found`, `media.refused`,
 *   `media.unreachable`, `media.stalled`, `media.killed`, `media.ffmpeg-missing`.
 */
export async function* decodeAudio(
  input: MediaInput,
  options: DecodeOptions = {},
): AsyncGenerator<Float32Array, DecodeEnd, void> {
  const sampleRateHz = options.sampleRateHz ?? 16_000;
  const stallMs = options.stallMs ?? 10_000;
  const open = await openInput(input, { stallMs });
  try {
    const command = commandFor(open);
    if (options.start) command.inputOptions('-ss', String(options.start));
    command.outputOptions(
      '-map',
      '0:a:0',
      '-vn',
      '-sn',
      '-dn',
      ...(options.seconds === undefined ? [] : ['-t', String(options.seconds)]),
      '-ac',
      '1',
      '-ar',
      String(sampleRateHz),
      '-f',
      'f32le',
      // Blocks of 32 KiB instead of a piece for each packet, for which nobody waits but at a live source.
      ...(input.kind === 'url' ? [] : ['-flush_packets', '0']),
    );
    const process = new FfmpegProcess(command, {
      name: open.name,
      stallMs,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      // POSIX keeps an open file readable without its name; a crash then leaves nothing behind.
      onFirstByte: () => void open.release().catch(() => undefined),
    });
    let samples = 0;
    const chunks = process.chunks();
    try {
      const align = new Float32Aligner();
      for (;;) {
        const next = await chunks.next();
        if (next.done) {
          if (next.value.stopped) throw stoppedBy(open.name, options.signal);
          const warning = summary(next.value.lines);
          if (samples === 0) {
            throw new EmotionError(
              'media.empty',
              `${open.name}: not one sample of sound in it${warning && ` (FFmpeg: ${warning})`}`,
              { input: open.name, ffmpeg: warning },
            );
          }
          return { samples, duration: samples / sampleRateHz, ...(warning && { warning }) };
        }
        const piece = align.push(next.value);
        if (piece.length > 0) {
          samples += piece.length;
          yield piece;
        }
      }
    } catch (error) {
      // Cut-off and damaged files: what could be read counts, with the complaint beside it.
      if (samples > 0 && error instanceof EmotionError && error.code === 'media.unreadable') {
        return {
          samples,
          duration: samples / sampleRateHz,
          warning: String(error.details.ffmpeg ?? error.message),
        };
      }
      throw error;
    } finally {
      await process.stop();
    }
  } finally {
    await open.release();
  }
}

function stoppedBy(name: string, signal: AbortSignal | undefined): EmotionError {
  return new EmotionError(
    'media.killed',
    `${name}: stopped before its end`,
    { input: name },
    { cause: signal?.reason },
  );
}

export interface DecodedAudio extends DecodeEnd {
  /** `[samples]`, mono. */
  readonly data: Float32Array;
  readonly sampleRateHz: number;
}

/**
 * {@link decodeAudio} into one array.
 *
 * @throws {EmotionError} as {@link decodeAudio}; `input.too-large` beyond `maxSeconds` (default 600).
 * @example
 * const { data } = await decodeWhole({ kind: 'bytes', bytes: await readFile('hello.mp3') });
 */
export async function decodeWhole(
  input: MediaInput,
  options: DecodeOptions & { readonly maxSeconds?: number } = {},
): Promise<DecodedAudio> {
  const sampleRateHz = options.sampleRateHz ?? 16_000;
  const maxSeconds = options.maxSeconds ?? 600;
  const pieces: Float32Array[] = [];
  let samples = 0;
  const decoding = decodeAudio(input, options);
  try {
    for (;;) {
      const next = await decoding.next();
      if (next.done) {
        const data = new Float32Array(samples);
        let at = 0;
        for (const piece of pieces) {
          data.set(piece, at);
          at += piece.length;
        }
        return { data, sampleRateHz, ...next.value };
      }
      pieces.push(next.value);
      samples += next.value.length;
      if (samples > maxSeconds * sampleRateHz) {
        throw new EmotionError(
          'input.too-large',
          `The sound is longer than ${maxSeconds} seconds; read it in windows, or raise the limit`,
          { limit: maxSeconds },
        );
      }
    }
  } finally {
    // Typed as if the verdict were given back here: ending early has none.
    await decoding.return(undefined as never);
  }
}

/** Cuts a byte stream into float32 samples wherever the pipe happened to split it. */
export class Float32Aligner {
  private rest = Buffer.alloc(0);

  /** @returns `[n]` little-endian float32 samples that are complete by now, in memory of their own */
  push(chunk: Buffer): Float32Array {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const whole = bytes.length & ~3;
    this.rest = Buffer.from(bytes.subarray(whole));
    const samples = new Float32Array(whole / 4);
    new Uint8Array(samples.buffer).set(bytes.subarray(0, whole));
    return samples;
  }
}
