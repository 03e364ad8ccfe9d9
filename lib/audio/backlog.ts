import type { LiveSamples } from '../media/live';

export interface BacklogOptions {
  readonly sampleRateHz: number;
  /**
   * Seconds that may wait. "Latest wins" is the length of a window: answers are never late. "Keep
   * all" is as much as there is memory for: 64 kB a second at 16 kHz.
   */
  readonly limitSeconds: number;
}

/** Sound that follows on from what was taken before, or says where it begins anew. */
export interface BacklogPiece {
  readonly samples: Float32Array;
  /** Seconds of the first sample, when something is missing before it. */
  readonly restartAt?: number;
}

/**
 * What a live source has given while the worker was busy. Bounded: when it is full, the oldest sound
 * goes, and the next piece says that it does not continue the one before.
 *
 * @example
 * capture.on('samples', (samples) => { backlog.push(samples); void pump(); });
 * // pump: while (!busy && (piece = backlog.take())) await stream.push(piece.samples, piece.restartAt)
 */
export class SoundBacklog {
  private waiting: LiveSamples[] = [];
  private length = 0;
  private connection: number | undefined;
  private hasGap = true;
  private lost = 0;

  constructor(private readonly options: BacklogOptions) {}

  /** Seconds of sound that wait. */
  get seconds(): number {
    return this.length / this.options.sampleRateHz;
  }

  /** Seconds of sound that were given up so far. */
  get droppedSeconds(): number {
    return this.lost / this.options.sampleRateHz;
  }

  push(samples: LiveSamples): void {
    this.waiting.push(samples);
    this.length += samples.data.length;
    const { limitSeconds, sampleRateHz } = this.options;
    while (this.length > limitSeconds * sampleRateHz && this.waiting.length > 1) {
      const oldest = this.waiting.shift();
      this.length -= oldest?.data.length ?? 0;
      this.lost += oldest?.data.length ?? 0;
      this.hasGap = true;
    }
  }

  /** What waits, as far as it is of one connection; undefined when nothing does. */
  take(): BacklogPiece | undefined {
    const [first] = this.waiting;
    if (first === undefined) return undefined;
    const end = this.waiting.findIndex(({ connection }) => connection !== first.connection);
    const taken = this.waiting.splice(0, end < 0 ? this.waiting.length : end);
    const size = taken.reduce((sum, { data }) => sum + data.length, 0);
    const samples = new Float32Array(size);
    let at = 0;
    for (const { data } of taken) {
      samples.set(data, at);
      at += data.length;
    }
    this.length -= size;
    const isNew = this.hasGap || first.connection !== this.connection;
    this.hasGap = false;
    this.connection = first.connection;
    return { samples, ...(isNew && { restartAt: first.time }) };
  }

  /** Forgets what waits. */
  clear(): void {
    this.waiting = [];
    this.length = 0;
    this.hasGap = true;
  }
}
