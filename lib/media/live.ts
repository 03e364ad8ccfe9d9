import { EventEmitter } from 'node:events';
import { extname } from 'node:path';
import ffmpeg from 'fluent-ffmpeg';
import { EmotionError, type ErrorCode } from '../emotion/error';
import { printable, requireRegularFile } from './access';
import { backoffMs, DEFAULT_BACKOFF, type BackoffOptions } from './backoff';
import type { Frame } from './frames';
import { openInput } from './input';
import { locateFfmpeg, type FfmpegPrograms } from './locate';
import { MatroskaReader } from './matroska';
import { FfmpegProcess } from './process';

/** Sound of a live source comes in pieces of 20 ms, however large the packets of the source are. */
const PIECES_PER_SECOND = 50;

export const DEVICE_SYSTEMS = ['alsa', 'pulse', 'v4l2', 'avfoundation', 'dshow'] as const;
export type DeviceSystem = (typeof DEVICE_SYSTEMS)[number];

export interface DeviceName {
  readonly system: DeviceSystem;
  /** As {@link ./devices!listDevices} gives it: `hw:1,0`, `/dev/video0`, `0`, a name. */
  readonly name: string;
}

export type LiveSource =
  /** A microphone, a camera, or one of each on one clock. */
  | { readonly kind: 'device'; readonly microphone?: DeviceName; readonly camera?: DeviceName }
  /** RTSP, RTMP, HTTP(S). */
  | { readonly kind: 'stream'; readonly url: string }
  /** A file at the speed at which it was recorded. */
  | { readonly kind: 'file'; readonly path: string; readonly loop?: boolean }
  /** FFmpeg's own test tone and test picture: works without any device. */
  | { readonly kind: 'test'; readonly hz?: number };

export interface LiveOptions {
  /** Mono float32 at this rate; absent: no sound. */
  readonly audio?: { readonly sampleRateHz: number };
  /** RGB frames at this rate, made smaller to fit; absent: no pictures. */
  readonly video?: {
    readonly fps: number;
    readonly maxWidth?: number;
    readonly maxHeight?: number;
  };
  /** Nothing for so long means that the source has stalled: FFmpeg is replaced. Default 8 s. */
  readonly stallMs?: number;
  readonly backoff?: Partial<BackoffOptions>;
  /** Attempts in a row without a single packet before it gives up. Default: never. */
  readonly maxAttempts?: number;
}

/** A piece of captured sound. */
export interface LiveSamples {
  /** Seconds since the capture started, of the first sample. */
  readonly time: number;
  /** `[n]`, mono. */
  readonly data: Float32Array;
  /** Counts connections: samples of another connection do not continue the ones before. */
  readonly connection: number;
}

export interface LiveFrame extends Frame {
  readonly connection: number;
}

export type LiveStatus =
  | { readonly state: 'idle' }
  | { readonly state: 'connecting'; readonly attempt: number }
  | { readonly state: 'running'; readonly connection: number }
  | {
      readonly state: 'waiting';
      readonly error: EmotionError;
      readonly attempt: number;
      readonly retryMs: number;
    }
  /** A file was played to its end. */
  | { readonly state: 'ended' }
  | { readonly state: 'failed'; readonly error: EmotionError };

interface LiveEvents {
  samples: [LiveSamples];
  frame: [LiveFrame];
  status: [LiveStatus];
}

/** What a new attempt cannot mend. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'media.ffmpeg-missing',
  'media.refused',
  'media.no-stream',
  'input.unusable',
]);
/** For files also these; a device or a server may be back in a moment. */
const FINAL_FOR_FILES: ReadonlySet<ErrorCode> = new Set([
  'media.not-found',
  'media.unreadable',
  'media.empty',
]);

/** A connection that lived this long starts the back-off from the beginning. */
const STEADY_MS = 5000;

/** How a name of each system looks; ALSA's plugin syntax could otherwise name files to write to. */
const DEVICE_NAMES: Readonly<Record<DeviceSystem, RegExp>> = {
  alsa: /^(?:[\w-]+|(?:hw|plughw|sysdefault|dsnoop|front|usbstream):[\w=,.-]+)$/,
  pulse: /^[\w.:@+-]+$/,
  v4l2: /^\/dev\/(?:video\d+|v4l\/by-(?:id|path)\/[\w.:@-]+)$/,
  avfoundation: /^[^:"\r\n]+$/,
  dshow: /^[^:"\r\n]+$|^@device[^"\r\n]+$/,
};

/**
 * A microphone, camera, stream or file as a source that stays: an FFmpeg that dies or stalls is
 * replaced after a growing pause, until {@link stop}. Sound and pictures of one source come through
 * one FFmpeg and carry times of one clock. Emits `samples`, `frame` and `status`.
 *
 * @example
 * const capture = new LiveCapture({ kind: 'test' }, { audio: { sampleRateHz: 16000 } });
 * capture.on('samples', ({ time, data }) => windows.push(data, time));
 * capture.on('status', ({ state }) => node.status({ text: state }));
 * capture.start();
 * await capture.stop();
 */
export class LiveCapture extends EventEmitter<LiveEvents> {
  private current: LiveStatus = { state: 'idle' };
  private session: Session | undefined;
  private closing: Promise<void> = Promise.resolve();

  /**
   * @throws {EmotionError} `input.unusable` when neither sound nor pictures are asked for,
   *   `media.refused` for a device name that is none.
   */
  constructor(
    private readonly source: LiveSource,
    private readonly options: LiveOptions,
  ) {
    super();
    if (!options.audio && !options.video) {
      throw new EmotionError('input.unusable', 'A capture needs sound, pictures or both', {});
    }
    if (source.kind === 'device') {
      checkDevice(options.audio && source.microphone, 'microphone', options.audio !== undefined);
      checkDevice(options.video && source.camera, 'camera', options.video !== undefined);
    }
  }

  get status(): LiveStatus {
    return this.current;
  }

  /** Begins, or does nothing when it runs already. */
  start(): void {
    if (this.session) return;
    const session = new Session(this.source, this.options, {
      samples: (samples) => this.emit('samples', samples),
      frame: (frame) => this.emit('frame', frame),
      status: (status) => {
        if (this.session === session) this.setStatus(status);
      },
    });
    this.session = session;
    // One after the other: a microphone cannot be opened twice.
    void this.closing.then(async () => {
      await session.run();
      if (this.session === session) this.session = undefined;
    });
  }

  /** Ends FFmpeg and waits until it is gone. May be called at any time, any number of times. */
  async stop(): Promise<void> {
    const session = this.session;
    if (session) {
      this.session = undefined;
      this.closing = Promise.all([this.closing, session.stop()]).then(() => undefined);
      this.setStatus({ state: 'idle' });
    }
    await this.closing;
  }

  private setStatus(status: LiveStatus): void {
    this.current = status;
    this.emit('status', status);
  }
}

function checkDevice(device: DeviceName | undefined, role: string, needed: boolean): void {
  if (!needed) return;
  if (device === undefined) {
    throw new EmotionError('input.unusable', `No ${role} is chosen`, { setting: role });
  }
  if (!DEVICE_NAMES[device.system].test(device.name)) {
    throw new EmotionError(
      'media.refused',
      `"${printable(device.name)}" is not the name of a ${role} of ${device.system}`,
      { input: printable(device.name), system: device.system },
    );
  }
}

interface Sink {
  samples(samples: LiveSamples): void;
  frame(frame: LiveFrame): void;
  status(status: LiveStatus): void;
}

/** One stretch from start to stop. */
class Session {
  private readonly abort = new AbortController();
  private readonly startedAt = performance.now();
  private readonly finished: Promise<void>;
  private finish: () => void = () => undefined;
  private hasRun = false;
  private connection = 0;
  private frameIndex = 0;
  /** Seconds of the file that have been played: where a new FFmpeg goes on. */
  private played = 0;

  constructor(
    private readonly source: LiveSource,
    private readonly options: LiveOptions,
    private readonly sink: Sink,
  ) {
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  async stop(): Promise<void> {
    this.abort.abort();
    if (this.hasRun) await this.finished;
  }

  async run(): Promise<void> {
    this.hasRun = true;
    const backoff = { ...DEFAULT_BACKOFF, ...this.options.backoff };
    let attempt = 0;
    while (!this.abort.signal.aborted) {
      this.sink.status({ state: 'connecting', attempt });
      const begun = performance.now();
      const before = this.connection;
      const failure = await this.connect();
      if (this.abort.signal.aborted) break;
      if (failure === undefined) {
        this.sink.status({ state: 'ended' });
        break;
      }
      const wasSteady = this.connection > before && performance.now() - begun > STEADY_MS;
      if (wasSteady) attempt = 0;
      const isFinal =
        FINAL.has(failure.code) ||
        (this.source.kind === 'file' && FINAL_FOR_FILES.has(failure.code)) ||
        (this.connection === before && attempt + 1 >= (this.options.maxAttempts ?? Infinity));
      if (isFinal) {
        this.sink.status({ state: 'failed', error: failure });
        break;
      }
      const retryMs = Math.round(backoffMs(attempt, backoff));
      attempt += 1;
      this.sink.status({ state: 'waiting', error: failure, attempt, retryMs });
      await this.sleep(retryMs);
    }
    this.finish();
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.abort.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.abort.signal.addEventListener('abort', done, { once: true });
    });
  }

  /** One FFmpeg from its start to its end. Resolves with why it ended, or undefined at the end of a file. */
  private async connect(): Promise<EmotionError | undefined> {
    const name = nameOfSource(this.source);
    let process: FfmpegProcess | undefined;
    try {
      const stallMs = this.options.stallMs ?? 8000;
      const command = await this.command(await locateFfmpeg(), stallMs);
      if (this.abort.signal.aborted) return undefined;
      process = new FfmpegProcess(command, { name, stallMs, signal: this.abort.signal });
      const reader = new MatroskaReader();
      const base = this.played;
      let offset: number | undefined;
      for await (const chunk of process.chunks()) {
        for (const packet of reader.push(chunk)) {
          if (offset === undefined) {
            offset = (performance.now() - this.startedAt) / 1000 - packet.time;
            this.connection += 1;
            this.sink.status({ state: 'running', connection: this.connection });
          }
          if (this.source.kind === 'file') this.played = base + Math.max(0, packet.time);
          const time = Math.max(0, packet.time + offset);
          if (packet.kind === 'audio') {
            // Copied by the reader: aligned to 4 bytes.
            const data = new Float32Array(packet.data.buffer, 0, packet.data.byteLength >> 2);
            this.sink.samples({ time, data, connection: this.connection });
          } else {
            this.sink.frame({
              index: this.frameIndex++,
              time,
              width: packet.width,
              height: packet.height,
              data: packet.data,
              connection: this.connection,
            });
          }
          if (this.abort.signal.aborted) return undefined;
        }
      }
      const { bytes } = await process.ended;
      if (offset === undefined) {
        return new EmotionError('media.empty', `${name}: nothing came out of it`, {
          input: name,
          bytes,
        });
      }
      return this.source.kind === 'file'
        ? undefined
        : new EmotionError('media.unreachable', `${name}: the source ended`, { input: name });
    } catch (error) {
      return error instanceof EmotionError
        ? error
        : new EmotionError(
            'media.killed',
            `${name}: ${error instanceof Error ? error.message : String(error)}`,
            { input: name },
            { cause: error },
          );
    } finally {
      await process?.stop();
    }
  }

  private async command(programs: FfmpegPrograms, stallMs: number): Promise<ffmpeg.FfmpegCommand> {
    const { audio, video } = this.options;
    const command = ffmpeg({ stdoutLines: 60 });
    command.setFfmpegPath(programs.ffmpeg);
    const inputs = await this.inputs(stallMs);
    let first = true;
    for (const { options, name } of inputs.list) {
      command.input(name);
      command.inputOptions(
        ...(first ? ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error'] : []),
        ...options,
      );
      first = false;
    }
    if (inputs.list.length > 1 && this.source.kind === 'device') command.outputOptions('-copyts');
    if (audio) {
      command.outputOptions(
        '-map',
        inputs.audio,
        '-af',
        `aresample=${audio.sampleRateHz}:async=1,asetnsamples=n=${Math.round(audio.sampleRateHz / PIECES_PER_SECOND)}:p=0`,
        '-ac',
        '1',
        '-c:a',
        'pcm_f32le',
      );
    }
    if (video) {
      const fit = `scale='min(iw,${video.maxWidth ?? 640})':'min(ih,${video.maxHeight ?? 480})':force_original_aspect_ratio=decrease`;
      command.outputOptions(
        '-map',
        inputs.video,
        '-vf',
        `fps=${video.fps},${fit},setsar=1`,
        '-c:v',
        'rawvideo',
        '-pix_fmt',
        'rgb24',
        '-allow_raw_vfw',
        '1',
      );
    }
    return command.outputOptions(
      '-sn',
      '-dn',
      '-max_interleave_delta',
      '500000',
      // A packet leaves as soon as the next one comes, and pieces of sound are short.
      '-cluster_time_limit',
      '0',
      '-flush_packets',
      '1',
      '-f',
      'matroska',
    );
  }

  private async inputs(
    stallMs: number,
  ): Promise<{ list: { options: string[]; name: string }[]; audio: string; video: string }> {
    const { source } = this;
    const { audio, video } = this.options;
    switch (source.kind) {
      case 'test': {
        const hz = Math.min(20_000, Math.max(20, Math.round(source.hz ?? 440)));
        const list = [
          ...(audio ? [`sine=frequency=${hz}:sample_rate=${audio.sampleRateHz}`] : []),
          ...(video ? [`testsrc2=size=640x480:rate=${video.fps}`] : []),
        ].map((name) => ({ options: ['-re', '-f', 'lavfi'], name }));
        return { list, audio: '0:a:0', video: audio ? '1:v:0' : '0:v:0' };
      }
      case 'stream': {
        const open = await openInput({ kind: 'url', url: source.url }, { stallMs });
        const list = [{ options: [...open.options], name: open.source }];
        return { list, audio: '0:a:0', video: '0:v:0' };
      }
      case 'file': {
        await requireRegularFile(source.path);
        const open = await openInput({ kind: 'file', path: source.path }, { stallMs });
        if (open.stdin !== undefined) {
          throw new EmotionError(
            'media.no-stream',
            `${open.name}: a picture (${extname(source.path) || 'by its content'}) cannot be played`,
            { input: open.name },
          );
        }
        const options = [
          ...open.options,
          '-re',
          ...(source.loop ? ['-stream_loop', '-1'] : []),
          ...(this.played > 0 && !source.loop ? ['-ss', this.played.toFixed(3)] : []),
        ];
        return { list: [{ options, name: open.source }], audio: '0:a:0', video: '0:v:0' };
      }
      case 'device': {
        const microphone = audio && source.microphone;
        const camera = video && source.camera;
        return deviceInputs(microphone, camera, video?.fps);
      }
    }
  }
}

function deviceInputs(
  microphone: DeviceName | undefined,
  camera: DeviceName | undefined,
  fps: number | undefined,
): { list: { options: string[]; name: string }[]; audio: string; video: string } {
  const queue = ['-thread_queue_size', '512'];
  const isPair = microphone && camera && microphone.system === camera.system;
  if (isPair && (microphone.system === 'avfoundation' || microphone.system === 'dshow')) {
    const name =
      microphone.system === 'dshow'
        ? `video=${camera.name}:audio=${microphone.name}`
        : `${camera.name}:${microphone.name}`;
    const rate = microphone.system === 'avfoundation' ? ['-framerate', '30'] : [];
    const list = [{ options: [...queue, ...rate, '-f', microphone.system], name }];
    return { list, audio: '0:a:0', video: '0:v:0' };
  }
  const list: { options: string[]; name: string }[] = [];
  if (microphone) {
    const name = { avfoundation: `:${microphone.name}`, dshow: `audio=${microphone.name}` };
    list.push({
      options: [...queue, '-use_wallclock_as_timestamps', '1', '-f', microphone.system],
      name: name[microphone.system as keyof typeof name] ?? microphone.name,
    });
  }
  if (camera) {
    const name = { avfoundation: camera.name, dshow: `video=${camera.name}` };
    const rate =
      camera.system === 'avfoundation' ? ['-framerate', String(Math.max(30, fps ?? 0))] : [];
    list.push({
      options: [...queue, ...rate, '-use_wallclock_as_timestamps', '1', '-f', camera.system],
      name: name[camera.system as keyof typeof name] ?? camera.name,
    });
  }
  return { list, audio: '0:a:0', video: microphone ? '1:v:0' : '0:v:0' };
}

export function nameOfSource(source: LiveSource): string {
  switch (source.kind) {
    case 'device':
      return printable(
        [source.microphone, source.camera]
          .filter((device) => device !== undefined)
          .map((device) => `${device.system} ${device.name}`)
          .join(' + '),
      );
    case 'stream':
      return printable(source.url);
    case 'file':
      return printable(source.path);
    case 'test':
      return 'test signal';
  }
}
