import type { Modality } from '../emotion/sample';
import type { ReleaseCause } from './align-by-key';
import { systemClock, type Clock } from './clock';
import { ClockOffset } from './clock-offset';
import { Deadline } from './deadline';
import { MODALITIES } from './modalities';

/** A value that holds from `startMs` to `endMs` by its device's clock; the two may be equal. */
export interface Window<T> {
  /** What belongs together: a room, a call, a recording. A source that starts anew is a new stream. */
  readonly stream: string;
  readonly modality: Modality;
  readonly startMs: number;
  readonly endMs: number;
  readonly value: T;
}

export interface Overlap<T> {
  readonly value: T;
  /** By our clock, offset included. */
  readonly startMs: number;
  readonly endMs: number;
  /** How much of the step the window covers; at least 1, so that a single picture counts too. */
  readonly overlapMs: number;
}

/** One step of the common time line and all that overlaps it. */
export interface TimedEvent<T> {
  readonly stream: string;
  readonly startMs: number;
  readonly endMs: number;
  /** In the order of their times. */
  readonly members: Partial<Record<Modality, readonly Overlap<T>[]>>;
  readonly missing: readonly Modality[];
  readonly cause: ReleaseCause;
  readonly waitedMs: number;
}

/**
 * What became of an arrival: it is part of at least one open event; the very same window has
 * already come; all its events have been answered; its times are not finite, end before they
 * start, are too long, or lie implausibly far ahead of its stream.
 */
export type TimedArrival = 'accepted' | 'duplicate' | 'late' | 'implausible';

export interface TimeAlignerOptions<T> {
  readonly expected: readonly Modality[];
  /** Length of an event, and distance of one event from the next. */
  readonly stepMs: number;
  /** Milliseconds from the first arrival of an event after which it is released as it is. */
  readonly waitMs: number;
  /**
   * Distance of the starts of two consecutive windows of a modality. Where it is known an event is
   * complete one window earlier; where not, a modality is done with an event when a window comes
   * that starts after it.
   */
  readonly hopMs?: Partial<Record<Modality, number>>;
  /** How much earlier than its predecessors a window may start and still be waited for. */
  readonly outOfOrderMs?: number;
  /** What to add to the times of a modality, where a device's clock is known to be off. */
  readonly offsetMs?: Partial<Record<Modality, number>>;
  /** Estimate the offsets instead, see {@link ClockOffset}; only for live sources. */
  readonly estimateOffsets?: boolean;
  /** A window counts for an event when it shares this part of the shorter of the two. */
  readonly minOverlap?: number;
  /**
   * How far ahead of its stream a window may lie beyond the time that has passed since; a window
   * that lies further behind than this hints at a clock that was set back.
   */
  readonly maxAheadMs?: number;
  /** Most events that one window may stretch over. */
  readonly maxSpan?: number;
  readonly maxOpen?: number;
  readonly maxBytes?: number;
  readonly sizeOf?: (value: T) => number;
  /** Streams that are remembered at most, the one that was silent longest is forgotten first. */
  readonly maxStreams?: number;
  readonly clock?: Clock;
  /** Called once for each event; for each stream in the order of time. */
  readonly onEvent: (event: TimedEvent<T>) => void;
  /** Called once for each accepted window, when the last event that holds it has been released. */
  readonly onReleased?: (value: T) => void;
}

interface Stored<T> {
  readonly value: T;
  readonly startMs: number;
  readonly endMs: number;
  /** By the device's clock, what a window is recognised by when it comes twice. */
  readonly deviceStartMs: number;
  readonly deviceEndMs: number;
  readonly bytes: number;
  /** Open events that hold it. */
  uses: number;
}

interface Step<T> {
  readonly stream: StreamState<T>;
  readonly index: number;
  readonly openedAt: number;
  readonly members: Partial<Record<Modality, Stored<T>[]>>;
  bytes: number;
}

interface StreamState<T> {
  readonly name: string;
  readonly steps: Map<number, Step<T>>;
  readonly offsets: Partial<Record<Modality, ClockOffset>>;
  /** Where the next window of a modality will start at the earliest. */
  readonly progress: Partial<Record<Modality, number>>;
  /** Index of the last step that has been answered or passed over. */
  answered: number;
  /** Latest end, and when it arrived. */
  front: { endMs: number; at: number } | undefined;
  /** End of a window that was refused for lying too far ahead. */
  suspectEndMs: number | undefined;
  /** The last of `count` windows in a row that lie far behind what has been answered. */
  behind: { endMs: number; count: number };
}

const NOTHING_BEHIND = { endMs: 0, count: 0 } as const;

/** So many windows in a row far in the past mean that a device's clock was set back. */
const RESTART_AFTER = 3;

/** Times are doubles made of seconds; a boundary is not missed by their rounding. */
const ROUNDING_MS = 1e-6;

/**
 * Joins streams of windows of different lengths and hops on one time line of equal steps: an event
 * is a step with all the windows that overlap it (tumbling windows and watermarks as in Akidau et
 * al., "The Dataflow Model", PVLDB 8(12), 2015).
 *
 * An event is complete when every expected modality has moved past it, so which windows it holds
 * does not depend on their order of arrival as long as none comes more than `outOfOrderMs` after
 * its successors. Otherwise it is released at the wait limit, when room is needed, or when it is
 * flushed. A stream's events are released in the order of time, each once; a window all of whose
 * events are answered is `late`. A step that no window overlaps is no event.
 *
 * A single absurd time stamp cannot drag a stream into the future: a window far ahead of its stream
 * is refused, and believed when a second one confirms it. A stream whose windows all lie far in its
 * past, three in a row, has had its clock set back and starts anew.
 */
export class TimeAligner<T> {
  readonly #options: Required<TimeAlignerOptions<T>>;
  /** In the order of last use. */
  readonly #streams = new Map<string, StreamState<T>>();
  /** In the order of opening, which is the order of their deadlines. */
  readonly #open = new Set<Step<T>>();
  readonly #deadline: Deadline;
  #bytes = 0;

  /** @throws RangeError when a setting makes no sense */
  constructor(options: TimeAlignerOptions<T>) {
    if (!(options.stepMs > 0)) {
      throw new RangeError(`"stepMs" must be above 0, got ${options.stepMs}`);
    }
    this.#options = {
      hopMs: {},
      outOfOrderMs: 0,
      offsetMs: {},
      estimateOffsets: false,
      minOverlap: 0.1,
      maxAheadMs: 60_000,
      maxSpan: 1000,
      maxOpen: 1000,
      maxBytes: 64 * 2 ** 20,
      sizeOf: () => 0,
      maxStreams: 100,
      clock: systemClock,
      onReleased: () => undefined,
      ...options,
    };
    const { clock, waitMs } = this.#options;
    this.#deadline = new Deadline(
      clock,
      waitMs,
      () => this.#oldest(),
      (now) => this.#releaseOverdue(now),
    );
    if (!(this.#options.minOverlap >= 0 && this.#options.minOverlap <= 0.5)) {
      throw new RangeError(`"minOverlap" must be from 0 to 0.5, got ${options.minOverlap}`);
    }
  }

  get openEvents(): number {
    return this.#open.size;
  }

  get streams(): number {
    return this.#streams.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws what `onEvent` throws, after the event has been taken off the books */
  add(window: Window<T>): TimedArrival {
    const { clock, stepMs, maxSpan, sizeOf } = this.#options;
    const now = clock.now();
    this.#releaseOverdue(now);
    const { startMs, endMs, modality, value } = window;
    if (!Number.isFinite(startMs) || !Number.isFinite(endMs) || endMs < startMs) {
      return 'implausible';
    }
    if (endMs - startMs > maxSpan * stepMs) return 'implausible';

    try {
      const stream = this.#stream(window.stream, now);
      const offset = this.#offset(stream, window, now);
      const stored: Stored<T> = {
        value,
        startMs: startMs + offset,
        endMs: endMs + offset,
        deviceStartMs: startMs,
        deviceEndMs: endMs,
        bytes: sizeOf(value),
        uses: 0,
      };
      if (!this.#plausible(stream, stored.endMs, now)) return 'implausible';
      this.#restartWhenSetBack(stream, stored.endMs, now);
      const outcome = this.#store(stream, modality, stored, now);
      this.#advance(stream, modality, stored, now);
      this.#makeRoom(now);
      return outcome;
    } finally {
      this.#deadline.arm(now);
    }
  }

  /** Releases the events of one stream, or of all, as they are, and forgets where they were. */
  flush(stream?: string): void {
    const now = this.#options.clock.now();
    const names = stream === undefined ? [...this.#streams.keys()] : [stream];
    try {
      for (const name of names) {
        const state = this.#streams.get(name);
        if (state === undefined) continue;
        this.#streams.delete(name);
        this.#releaseUpTo(state, Infinity, 'flushed', now);
      }
    } finally {
      this.#deadline.arm(now);
    }
  }

  /** Releases everything; the aligner can be used again. */
  close(): void {
    this.flush();
  }

  #stream(name: string, now: number): StreamState<T> {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = {
        name,
        steps: new Map(),
        offsets: {},
        progress: {},
        answered: -Infinity,
        front: undefined,
        suspectEndMs: undefined,
        behind: NOTHING_BEHIND,
      };
    } else {
      this.#streams.delete(name);
    }
    this.#streams.set(name, stream);
    if (this.#streams.size > this.#options.maxStreams) {
      for (const [silent, state] of this.#streams) {
        this.#streams.delete(silent);
        this.#releaseUpTo(state, Infinity, 'evicted', now);
        break;
      }
    }
    return stream;
  }

  #offset(stream: StreamState<T>, { modality, endMs }: Window<T>, now: number): number {
    if (!this.#options.estimateOffsets) return this.#options.offsetMs[modality] ?? 0;
    const estimate = (stream.offsets[modality] ??= new ClockOffset());
    return estimate.observe(endMs, now);
  }

  #plausible(stream: StreamState<T>, endMs: number, now: number): boolean {
    const { maxAheadMs } = this.#options;
    const { front, suspectEndMs } = stream;
    const ahead = front === undefined ? 0 : endMs - front.endMs - (now - front.at);
    if (ahead > maxAheadMs) {
      const confirmed = suspectEndMs !== undefined && Math.abs(endMs - suspectEndMs) <= maxAheadMs;
      if (!confirmed) {
        stream.suspectEndMs = endMs;
        return false;
      }
    }
    stream.suspectEndMs = undefined;
    if (front === undefined || endMs > front.endMs) stream.front = { endMs, at: now };
    return true;
  }

  #restartWhenSetBack(stream: StreamState<T>, endMs: number, now: number): void {
    const { maxAheadMs, stepMs } = this.#options;
    if (endMs >= stream.answered * stepMs - maxAheadMs) {
      stream.behind = NOTHING_BEHIND;
      return;
    }
    const { behind } = stream;
    const inLine = behind.count > 0 && Math.abs(endMs - behind.endMs) <= maxAheadMs;
    stream.behind = { endMs, count: inLine ? behind.count + 1 : 1 };
    if (stream.behind.count < RESTART_AFTER) return;
    this.#releaseUpTo(stream, Infinity, 'flushed', now);
    stream.answered = -Infinity;
    stream.behind = NOTHING_BEHIND;
    stream.front = { endMs, at: now };
    for (const modality of MODALITIES) delete stream.progress[modality];
  }

  #store(stream: StreamState<T>, modality: Modality, stored: Stored<T>, now: number): TimedArrival {
    let late = 0;
    let duplicate = 0;
    const indices = this.#indices(stored);
    for (const index of indices) {
      if (index <= stream.answered) {
        late += 1;
        continue;
      }
      let step = stream.steps.get(index);
      const members = step?.members[modality];
      if (
        members?.some(
          (member) =>
            member.deviceStartMs === stored.deviceStartMs &&
            member.deviceEndMs === stored.deviceEndMs,
        ) === true
      ) {
        duplicate += 1;
        continue;
      }
      if (step === undefined) {
        step = { stream, index, openedAt: now, members: {}, bytes: 0 };
        stream.steps.set(index, step);
        this.#open.add(step);
      }
      (step.members[modality] ??= []).push(stored);
      stored.uses += 1;
      step.bytes += stored.bytes;
      this.#bytes += stored.bytes;
    }
    if (late === indices.length) return 'late';
    return late + duplicate === indices.length ? 'duplicate' : 'accepted';
  }

  /** The steps that a window counts for, at least one. */
  #indices({ startMs, endMs }: Stored<T>): readonly number[] {
    const { stepMs, minOverlap } = this.#options;
    const first = Math.floor((startMs + ROUNDING_MS) / stepMs);
    const last = Math.max(first, Math.ceil((endMs - ROUNDING_MS) / stepMs) - 1);
    const needed = minOverlap * Math.min(stepMs, endMs - startMs) - ROUNDING_MS;
    const indices: number[] = [];
    for (let index = first; index <= last; index++) {
      const from = Math.max(startMs, index * stepMs);
      const to = Math.min(endMs, (index + 1) * stepMs);
      if (first === last || to - from >= needed) indices.push(index);
    }
    return indices;
  }

  /** Moves the watermark and releases what all expected modalities have moved past. */
  #advance(stream: StreamState<T>, modality: Modality, stored: Stored<T>, now: number): void {
    const { expected, hopMs, outOfOrderMs, stepMs } = this.#options;
    const next = stored.startMs + (hopMs[modality] ?? 0);
    stream.progress[modality] = Math.max(stream.progress[modality] ?? -Infinity, next);
    let watermark = Infinity;
    for (const wanted of expected) {
      watermark = Math.min(watermark, stream.progress[wanted] ?? -Infinity);
    }
    // Nothing is expected: what has come is all there is to wait for.
    if (watermark === Infinity) watermark = stored.endMs;
    const passed = Math.floor((watermark - outOfOrderMs + ROUNDING_MS) / stepMs) - 1;
    if (passed > stream.answered) {
      this.#releaseUpTo(stream, passed, 'complete', now);
      if (passed > stream.answered) stream.answered = passed;
    }
  }

  #makeRoom(now: number): void {
    const { maxOpen, maxBytes } = this.#options;
    while (this.#open.size > maxOpen || this.#bytes > maxBytes) {
      const oldest = this.#oldest();
      if (oldest === undefined) break;
      this.#releaseUpTo(oldest.stream, oldest.index, 'evicted', now);
    }
  }

  #releaseOverdue(now: number): void {
    for (const step of this.#open) {
      if (step.openedAt + this.#options.waitMs > now) break;
      this.#releaseUpTo(step.stream, step.index, 'timeout', now);
    }
  }

  /** Releases a stream's open steps up to and including `index`, in the order of time. */
  #releaseUpTo(stream: StreamState<T>, index: number, cause: ReleaseCause, now: number): void {
    const due = [...stream.steps.keys()].filter((open) => open <= index).sort((a, b) => a - b);
    for (const open of due) {
      const step = stream.steps.get(open);
      if (step === undefined) continue;
      stream.steps.delete(open);
      stream.answered = Math.max(stream.answered, open);
      this.#open.delete(step);
      this.#bytes -= step.bytes;
      try {
        this.#options.onEvent(this.#event(step, cause, now));
      } finally {
        this.#letGo(step);
      }
    }
  }

  #letGo(step: Step<T>): void {
    for (const modality of MODALITIES) {
      for (const stored of step.members[modality] ?? []) {
        stored.uses -= 1;
        if (stored.uses === 0) this.#options.onReleased(stored.value);
      }
    }
  }

  /** The step that was opened first. */
  #oldest(): Step<T> | undefined {
    const [oldest] = this.#open;
    return oldest;
  }

  #event(step: Step<T>, cause: ReleaseCause, now: number): TimedEvent<T> {
    const { stepMs, expected } = this.#options;
    const startMs = step.index * stepMs;
    const endMs = startMs + stepMs;
    const members: Partial<Record<Modality, readonly Overlap<T>[]>> = {};
    for (const modality of MODALITIES) {
      const stored = step.members[modality];
      if (stored === undefined) continue;
      members[modality] = stored
        .sort((a, b) => a.deviceStartMs - b.deviceStartMs || a.deviceEndMs - b.deviceEndMs)
        .map(({ value, ...at }) => ({
          value,
          startMs: at.startMs,
          endMs: at.endMs,
          overlapMs: Math.max(1, Math.min(at.endMs, endMs) - Math.max(at.startMs, startMs)),
        }));
    }
    return {
      stream: step.stream.name,
      startMs,
      endMs,
      members,
      missing: MODALITIES.filter(
        (modality) => expected.includes(modality) && members[modality] === undefined,
      ),
      cause,
      waitedMs: now - step.openedAt,
    };
  }
}
