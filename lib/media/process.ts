import { spawn, type ChildProcess } from 'node:child_process';
import { Transform, type Readable } from 'node:stream';
import type ffmpeg from 'fluent-ffmpeg';
import { EmotionError } from '../emotion/error';
import { failureOf, summary, type LastWords } from './failure';

/** FFmpeg is asked to end with SIGTERM and made to with SIGKILL after this many milliseconds. */
const GRACE_MS = 500;
const KEPT_LINES = 40;
/** FFmpeg's exit status after SIGTERM or SIGINT, which it handles itself. */
const ENDED_BY_SIGNAL = 255;

/** Children that live now, so that none outlives this process or worker. */
const children = new Set<ChildProcess>();
let exitHookSet = false;

function adopt(child: ChildProcess): void {
  if (!exitHookSet) {
    exitHookSet = true;
    process.once('exit', () => {
      for (const one of children) one.kill('SIGKILL');
    });
  }
  children.add(child);
  child.once('close', () => children.delete(child));
}

/** How many FFmpeg and ffprobe processes of this process (or worker thread) are alive. */
export function liveProcessCount(): number {
  return children.size;
}

function end(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  child.once('exit', () => clearTimeout(timer));
}

/**
 * The parts of fluent-ffmpeg that its types leave out. The package is archived, so they do not
 * move.
 */
interface Rings {
  get(): string;
}
type SpawnEnd = (error: Error | undefined, stdout?: Rings, stderr?: Rings) => void;
interface CommandInternals {
  ffmpegProc?: ChildProcess;
  /** Called with or without options and a callback for the process; the last argument is for the end. */
  _spawnFfmpeg(...args: unknown[]): void;
  _checkCapabilities(callback: (error?: Error) => void): void;
  availableEncoders(callback: (error: Error | null, encoders: object) => void): void;
}

const NO_LINES: Rings = { get: () => '' };

/**
 * When the program cannot be started at all, fluent-ffmpeg calls back without its two line buffers
 * and then reads them: an exception that nothing can catch. Give it empty ones.
 */
function tolerateFailedStart(command: ffmpeg.FfmpegCommand): void {
  const internals = command as unknown as CommandInternals;
  const spawnFfmpeg = internals._spawnFfmpeg.bind(command);
  internals._spawnFfmpeg = (...args) => {
    const onEnd = args.pop() as SpawnEnd;
    spawnFfmpeg(...args, ((error, stdout, stderr) =>
      onEnd(error, stdout ?? NO_LINES, stderr ?? NO_LINES)) satisfies SpawnEnd);
  };
}

/**
 * Before its first command fluent-ffmpeg starts FFmpeg twice more, for lists of formats and encoders
 * to check names against: FFmpeg itself says what it does not know.
 */
function skipCapabilities(command: ffmpeg.FfmpegCommand): void {
  const internals = command as unknown as CommandInternals;
  internals._checkCapabilities = (callback) => callback();
  internals.availableEncoders = (callback) => callback(null, {});
}

export interface ProcessOptions {
  /** What is being read, for messages. */
  readonly name: string;
  /** Without a byte for so long, while somebody wants one, it has stalled. */
  readonly stallMs: number;
  /** The longest that the whole run may take; unlimited when absent. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called when the first byte is out: FFmpeg has its input open by then. */
  readonly onFirstByte?: () => void;
}

export interface ProcessEnd {
  readonly bytes: number;
  /** Warnings and errors that FFmpeg printed although it came to an end. */
  readonly lines: LastWords;
  /** `true` when {@link FfmpegProcess.stop} or the signal ended it. */
  readonly stopped: boolean;
}

/**
 * One running FFmpeg whose output is a stream: watched for stalls, bounded in time, and certain to
 * end. Its verdict is the process's own exit status; fluent-ffmpeg only builds the command line and
 * starts it, because its `end` and `error` events take a missing or corrupt file with `.pipe()` for
 * a success.
 */
export class FfmpegProcess {
  readonly output: Readable;
  /**
   * Resolves when the process is gone.
   * Rejects with `media.stalled`, `media.killed`, `media.ffmpeg-missing` or what FFmpeg's own last
   * words mean ({@link failureOf}).
   */
  readonly ended: Promise<ProcessEnd>;

  private child: ChildProcess | undefined;
  private readonly lines: string[] = [];
  private bytes = 0;
  private stopped = false;
  private verdict: EmotionError | undefined;
  private settled = false;

  constructor(command: ffmpeg.FfmpegCommand, options: ProcessOptions) {
    let lastByteAt = performance.now();
    const output = new Transform({
      // The process is over before the stream may close: fluent-ffmpeg kills a process 20 ms after
      // its output stream has closed, also one that is about to exit with success.
      autoDestroy: false,
      transform: (chunk: Buffer, _encoding, done) => {
        lastByteAt = performance.now();
        if (this.bytes === 0) options.onFirstByte?.();
        this.bytes += chunk.length;
        done(null, chunk);
      },
    });
    this.output = output;

    const watch = setInterval(
      () => {
        const waitedForReader = output.readableLength > 0;
        if (waitedForReader) lastByteAt = performance.now();
        else if (performance.now() - lastByteAt > options.stallMs) {
          this.fail(
            new EmotionError(
              'media.stalled',
              `${options.name}: nothing arrived for ${options.stallMs} ms (FFmpeg: ${summary(this.lines) || 'no message'})`,
              { input: options.name, stallMs: options.stallMs, ffmpeg: summary(this.lines) },
            ),
          );
        }
      },
      Math.max(20, Math.min(500, options.stallMs / 4)),
    );
    const deadline =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            this.fail(
              new EmotionError(
                'media.stalled',
                `${options.name}: not read within ${options.timeoutMs} ms`,
                { input: options.name, timeoutMs: options.timeoutMs ?? 0 },
              ),
            );
          }, options.timeoutMs);
    const abort = () => void this.stop();
    options.signal?.addEventListener('abort', abort, { once: true });

    this.ended = new Promise<ProcessEnd>((resolve, reject) => {
      const settle = (failure: EmotionError | undefined) => {
        if (this.settled) return;
        this.settled = true;
        clearInterval(watch);
        clearTimeout(deadline);
        options.signal?.removeEventListener('abort', abort);
        if (failure && !this.stopped) {
          output.destroy();
          reject(failure);
        } else {
          if (this.stopped) output.destroy();
          resolve({ bytes: this.bytes, lines: this.lines, stopped: this.stopped });
        }
      };

      command.on('stderr', (line: string) => {
        if (line.trim() === '') return;
        this.lines.push(line);
        if (this.lines.length > KEPT_LINES) this.lines.shift();
      });
      command.on('start', () => {
        const child = (command as unknown as CommandInternals).ffmpegProc;
        if (child === undefined) return;
        this.child = child;
        adopt(child);
        if (this.stopped || this.verdict) this.drop();
        // 'close' comes after the streams have been read to their end.
        child.once('close', (code, signal) => {
          if (this.verdict) return settle(this.verdict);
          if (signal !== null || (code === ENDED_BY_SIGNAL && !this.lines.some(isRefusal))) {
            return settle(
              new EmotionError(
                'media.killed',
                `${options.name}: FFmpeg was ended from outside${signal ? ` (${signal})` : ''}`,
                { input: options.name, signal: signal ?? 'SIGTERM' },
              ),
            );
          }
          if (code !== 0) return settle(failureOf(options.name, this.lines, code));
          settle(undefined);
        });
      });
      command.on('error', (error: Error) => {
        // With a process, its 'close' decides; without one, this is the only news there will be.
        if (this.child?.pid !== undefined) return;
        settle(
          new EmotionError(
            'media.killed',
            `${options.name}: FFmpeg could not be started: ${error.message}`,
            { input: options.name },
            { cause: error },
          ),
        );
      });
    });
    // Whoever reads the output may look at `ended` later.
    this.ended.catch(() => undefined);

    // A reader that leaves early destroys the stream: that is a stop.
    output.once('close', () => {
      if (!this.settled) void this.stop();
    });

    tolerateFailedStart(command);
    skipCapabilities(command);
    if (options.signal?.aborted) {
      this.stopped = true;
    }
    command.pipe(output, { end: true });
  }

  /**
   * The output, piece by piece, then how it ended. Leaving the loop early ends the process before
   * the generator returns.
   *
   * @throws what {@link ended} rejects with.
   */
  async *chunks(): AsyncGenerator<Buffer, ProcessEnd, void> {
    try {
      for await (const chunk of this.output) yield chunk as Buffer;
    } catch {
      // A destroyed stream says only "premature close"; `ended` knows why.
    } finally {
      if (!this.settled && !this.output.readableEnded) await this.stop();
    }
    return await this.ended;
  }

  /** Ends the process and waits until it is gone. Safe to call more than once. */
  async stop(): Promise<void> {
    // What has failed already stays a failure, also for a reader that stops because of it.
    if (!this.verdict) this.stopped = true;
    this.drop();
    await this.ended.catch(() => undefined);
  }

  private fail(error: EmotionError): void {
    if (this.verdict || this.settled) return;
    this.verdict = error;
    this.drop();
  }

  /**
   * Ends the process and gives up what it has written: while a full pipe waits for a reader that is
   * gone, the process does not count as closed.
   */
  private drop(): void {
    if (!this.child) return;
    end(this.child);
    this.child.stdout?.destroy();
    this.output.destroy();
  }
}

/** From FFmpeg 6.1 on, the same status also stands for EPERM. */
function isRefusal(line: string): boolean {
  return /Operation not permitted/i.test(line);
}

export interface ProgramOutput {
  readonly code: number | null;
  readonly stdout: string;
  readonly lines: LastWords;
}

/**
 * Runs ffprobe, or FFmpeg for a list of devices: short answers that fluent-ffmpeg would give
 * without a handle on the process, so that it could not be ended. No shell is involved.
 *
 * @throws {EmotionError} `media.stalled` after `timeoutMs`, `media.killed` when ended from outside.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: {
    readonly name: string;
    readonly timeoutMs: number;
    readonly input?: Uint8Array | undefined;
  },
): Promise<ProgramOutput> {
  const child = spawn(program, args, {
    stdio: [options.input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  adopt(child);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    if (stdout.length < 4_000_000) stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-100_000);
  });
  if (options.input && child.stdin) {
    // ffprobe closes its input as soon as it has seen enough.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end(child);
  }, options.timeoutMs);
  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
      (resolve, reject) => {
        child.once('error', (error) => {
          children.delete(child);
          reject(
            new EmotionError(
              'media.killed',
              `${options.name}: ${program} could not be started: ${error.message}`,
              { input: options.name },
              { cause: error },
            ),
          );
        });
        child.once('close', (c, s) => resolve([c, s]));
      },
    );
    if (late) {
      throw new EmotionError(
        'media.stalled',
        `${options.name}: no answer within ${options.timeoutMs} ms`,
        {
          input: options.name,
          timeoutMs: options.timeoutMs,
        },
      );
    }
    if (signal !== null) {
      throw new EmotionError('media.killed', `${options.name}: ended from outside (${signal})`, {
        input: options.name,
        signal,
      });
    }
    return { code, stdout, lines: stderr.split(/\r?\n/).filter((line) => line.trim() !== '') };
  } finally {
    clearTimeout(timer);
  }
}
