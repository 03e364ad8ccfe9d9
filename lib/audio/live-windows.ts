import type { LiveSamples } from '../media/live';
import { SoundBacklog, type BacklogPiece } from './backlog';

/** A stretch of captured sound. */
export interface SoundWindow {
  /** Seconds on the clock of the capture. */
  readonly start: number;
  readonly end: number;
  /** `[n]`, mono, in memory of their own. */
  readonly samples: Float32Array;
}

export interface WindowOptions {
  readonly sampleRateHz: number;
  readonly windowMs: number;
  /** From the start of a window to the start of the next. */
  readonly hopMs: number;
}

/** The end of a source makes a window from so many seconds of unheard sound on. */
const LEAST_REST = 0.25;

/** Cuts sound without end into windows; holds about one of them. */
export class WindowCutter {
  private buffer = new Float32Array(0);
  /** Seconds of the first sample of the buffer. */
  private time = 0;
  /** Samples of the buffer that a window has held already. */
  private given = 0;
  /** Samples to pass over, where windows are further apart than they are long. */
  private gap = 0;
  private readonly length: number;
  private readonly hop: number;

  constructor(private readonly options: WindowOptions) {
    const samples = (ms: number) => Math.max(1, Math.round((ms * options.sampleRateHz) / 1000));
    this.length = samples(options.windowMs);
    this.hop = samples(options.hopMs);
  }

  push({ samples, restartAt }: BacklogPiece): SoundWindow[] {
    if (restartAt !== undefined) this.restart(restartAt);
    const joined = new Float32Array(this.buffer.length + samples.length);
    joined.set(this.buffer);
    joined.set(samples, this.buffer.length);
    this.buffer = joined;
    const windows: SoundWindow[] = [];
    for (;;) {
      this.skip();
      if (this.gap > 0 || this.buffer.length < this.length) return windows;
      windows.push(this.window(this.length));
      this.given = Math.max(0, this.length - this.hop);
      this.gap = this.hop;
    }
  }

  /** The source has ended: what no window has held yet. */
  flush(): SoundWindow[] {
    const rest = this.buffer.length - this.given;
    if (this.gap > 0 || rest < LEAST_REST * this.options.sampleRateHz) return [];
    return [this.window(this.buffer.length)];
  }

  restart(time = 0): void {
    this.buffer = new Float32Array(0);
    this.given = this.gap = 0;
    this.time = time;
  }

  /** Drops what lies before the next window, as far as it is here. */
  private skip(): void {
    const dropped = Math.min(this.gap, this.buffer.length);
    if (dropped === 0) return;
    this.buffer = this.buffer.slice(dropped);
    this.gap -= dropped;
    this.time += dropped / this.options.sampleRateHz;
  }

  private window(length: number): SoundWindow {
    const end = this.time + length / this.options.sampleRateHz;
    return { start: round(this.time), end: round(end), samples: this.buffer.slice(0, length) };
  }
}

export interface LiveWindowsOptions extends WindowOptions {
  /** `free`: a window leaves when it is complete. `asked`: each {@link LiveWindows.ask} lets one leave. */
  readonly pace: 'free' | 'asked';
  /** Of the sound that waits to be asked for: only the latest window, or all up to `limitSeconds`. */
  readonly policy: 'latest' | 'all';
  readonly limitSeconds: number;
}

/** More than a window has to be held, or the latest would never be complete. */
const SPARE_SECONDS = 0.2;

/**
 * Between a live source, which cannot wait, and whoever works on its windows. What waits is bounded:
 * the oldest goes first.
 *
 * @example
 * const windows = new LiveWindows({ sampleRateHz: 16_000, windowMs: 2600, hopMs: 1300, pace: 'free', policy: 'latest', limitSeconds: 60 }, send);
 * capture.on('samples', (samples) => windows.push(samples));
 */
export class LiveWindows {
  private readonly backlog: SoundBacklog;
  private readonly cutter: WindowCutter;
  private ready: SoundWindow[] = [];
  private wanted: number;
  private lost = 0;

  /** @param emit called from within {@link push}, {@link ask} and {@link end} */
  constructor(
    private readonly options: LiveWindowsOptions,
    private readonly emit: (window: SoundWindow) => void,
  ) {
    const { policy, windowMs, limitSeconds, sampleRateHz } = options;
    const least = windowMs / 1000 + SPARE_SECONDS;
    this.backlog = new SoundBacklog({
      sampleRateHz,
      limitSeconds: policy === 'latest' ? least : Math.max(least, limitSeconds),
    });
    this.cutter = new WindowCutter(options);
    this.wanted = this.atFirst;
  }

  private get atFirst(): number {
    return this.options.pace === 'free' ? Infinity : 1;
  }

  /** Seconds of sound that wait to be asked for. */
  get waitingSeconds(): number {
    const ready = this.ready.reduce((sum, { start, end }) => sum + end - start, 0);
    return round(this.backlog.seconds + ready);
  }

  /** Seconds of sound that were given up. */
  get droppedSeconds(): number {
    return round(this.backlog.droppedSeconds + this.lost);
  }

  push(samples: LiveSamples): void {
    this.backlog.push(samples);
    this.pump();
  }

  /** One window may leave, now or when there is one; asking again before that changes nothing. */
  ask(): void {
    this.wanted = Math.max(this.wanted, 1);
    this.pump();
  }

  /** Nothing follows: the rest leaves as a shorter window, if it is asked for. */
  end(): void {
    this.pump();
    if (this.wanted > 0) this.keep(this.cutter.flush());
    this.cutter.restart();
    this.pump();
  }

  /** Forgets what waits and begins anew: the first window leaves without being asked for. */
  clear(): void {
    this.wanted = this.atFirst;
    this.backlog.clear();
    this.ready = [];
    this.cutter.restart();
  }

  private pump(): void {
    while (this.wanted > 0) {
      const window = this.ready.shift();
      if (window !== undefined) {
        this.wanted -= 1;
        this.emit(window);
        continue;
      }
      const piece = this.backlog.take();
      if (piece === undefined) return;
      this.keep(this.cutter.push(piece));
    }
  }

  private keep(windows: readonly SoundWindow[]): void {
    this.ready.push(...windows);
    if (this.options.policy === 'all' || this.options.pace === 'free') return;
    for (const { start, end } of this.ready.splice(0, this.ready.length - 1)) {
      this.lost += Math.min(end - start, this.options.hopMs / 1000);
    }
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
