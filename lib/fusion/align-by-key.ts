import { createHash } from 'node:crypto';
import type { Modality } from '../emotion/sample';
import { systemClock, type Clock } from './clock';
import { Deadline } from './deadline';
import { MODALITIES } from './modalities';

/**
 * Why an event was released: all expected modalities were there; the wait was over; room was
 * needed for newer events; the owner asked for it (redeploy, reset).
 */
export type ReleaseCause = 'complete' | 'timeout' | 'evicted' | 'flushed';

/**
 * What became of an arrival: it is part of an open event; its modality was already there, the
 * first one stands; its event has already been answered.
 */
export type Arrival = 'accepted' | 'duplicate' | 'late';

export interface KeyedEvent<T> {
  readonly key: string;
  readonly members: Partial<Record<Modality, T>>;
  /** What the event waited for. */
  readonly expected: readonly Modality[];
  /** Expected modalities that did not come. */
  readonly missing: readonly Modality[];
  readonly cause: ReleaseCause;
  /** Milliseconds from the first arrival to the release. */
  readonly waitedMs: number;
}

export interface KeyAlignerOptions<T> {
  /** What an event waits for unless an arrival says otherwise. */
  readonly expected: readonly Modality[];
  /** Milliseconds from the first arrival of an event after which it is released as it is. */
  readonly waitMs: number;
  /** Open events; one more releases the oldest. */
  readonly maxOpen?: number;
  /** Bytes of all open events together by `sizeOf`; more release the oldest. */
  readonly maxBytes?: number;
  /** How big an arrival is, in bytes. */
  readonly sizeOf?: (value: T) => number;
  /**
   * Milliseconds for which an answered key is remembered, so that a message that comes late or
   * twice does not open its event a second time. Zero where keys are used again (a device's name).
   */
  readonly rememberMs?: number;
  /** Answered keys that are remembered at most, oldest forgotten first. */
  readonly maxRemembered?: number;
  readonly clock?: Clock;
  /** Called once for each event. What it throws reaches the caller of `add` or the timer. */
  readonly onEvent: (event: KeyedEvent<T>) => void;
}

interface OpenEvent<T> {
  readonly key: string;
  readonly members: Partial<Record<Modality, T>>;
  readonly openedAt: number;
  expected: readonly Modality[];
  bytes: number;
}

/** Longer keys are kept as their SHA-256, so that no sender decides how much memory a key takes. */
const LONGEST_KEY = 128;

/**
 * Joins what belongs to one event by a key, in whatever order it arrives.
 *
 * An event is released once, when its expected modalities are there, when it has waited long
 * enough, when there is no room for it, or when it is flushed; it is never dropped. An answered
 * key is remembered for `rememberMs`. Every arrival has an outcome, which `add` returns. Memory is
 * bounded by `maxOpen`, `maxBytes` and `maxRemembered`; an arrival costs O(1).
 *
 * @example
 * const aligner = new KeyAligner<Result>({
 *   expected: ['text', 'audio'], waitMs: 2000, onEvent: ({ members, missing }) => …
 * });
 * aligner.add('utterance-17', 'audio', result); // → 'accepted'
 * aligner.add('utterance-17', 'text', other);   // → 'accepted', after onEvent was called
 * aligner.add('utterance-17', 'text', other);   // → 'late'
 */
export class KeyAligner<T> {
  readonly #options: Required<KeyAlignerOptions<T>>;
  /** In the order of opening, which is the order of their deadlines. */
  readonly #open = new Map<string, OpenEvent<T>>();
  /** Answered key → when it is forgotten, in that order. */
  readonly #answered = new Map<string, number>();
  readonly #deadline: Deadline;
  #bytes = 0;

  constructor(options: KeyAlignerOptions<T>) {
    this.#options = {
      maxOpen: 1000,
      maxBytes: 64 * 2 ** 20,
      sizeOf: () => 0,
      rememberMs: Math.max(60_000, 10 * options.waitMs),
      maxRemembered: 10_000,
      clock: systemClock,
      ...options,
    };
    const { clock, waitMs } = this.#options;
    this.#deadline = new Deadline(
      clock,
      waitMs,
      () => first(this.#open.values()),
      (now) => this.#releaseOverdue(now),
    );
  }

  get openEvents(): number {
    return this.#open.size;
  }

  get rememberedKeys(): number {
    return this.#answered.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @param expected what the event of this key waits for from now on, where it differs from others
   * @throws what `onEvent` throws, after the event has been taken off the books
   */
  add(key: string, modality: Modality, value: T, expected?: readonly Modality[]): Arrival {
    const { clock, sizeOf, maxOpen, maxBytes } = this.#options;
    const now = clock.now();
    this.#releaseOverdue(now);
    const id = boundedKey(key);
    let event = this.#open.get(id);
    if (event === undefined) {
      this.#forget(now);
      if (this.#answered.has(id)) return 'late';
      const { expected: usual } = this.#options;
      event = { key: id, members: {}, openedAt: now, expected: usual, bytes: 0 };
      this.#open.set(id, event);
    } else if (event.members[modality] !== undefined) {
      return 'duplicate';
    }
    event.members[modality] = value;
    if (expected !== undefined) event.expected = expected;
    const bytes = sizeOf(value);
    event.bytes += bytes;
    this.#bytes += bytes;

    const { members } = event;
    try {
      if (event.expected.every((wanted) => members[wanted] !== undefined)) {
        this.#release(event, 'complete', now);
      }
      while (this.#open.size > maxOpen || this.#bytes > maxBytes) {
        const oldest = first(this.#open.values());
        if (oldest === undefined) break;
        this.#release(oldest, 'evicted', now);
      }
    } finally {
      this.#deadline.arm(now);
    }
    return 'accepted';
  }

  /** Releases one event, or all, as they are, oldest first. */
  flush(key?: string): void {
    const now = this.#options.clock.now();
    if (key !== undefined) {
      const event = this.#open.get(boundedKey(key));
      if (event !== undefined) this.#release(event, 'flushed', now);
    } else {
      for (const event of [...this.#open.values()]) this.#release(event, 'flushed', now);
    }
    this.#deadline.arm(now);
  }

  /** Releases everything and forgets the answered keys; the aligner can be used again. */
  close(): void {
    this.flush();
    this.#answered.clear();
  }

  #releaseOverdue(now: number): void {
    for (const event of this.#open.values()) {
      if (event.openedAt + this.#options.waitMs > now) break;
      this.#release(event, 'timeout', now);
    }
  }

  #release(event: OpenEvent<T>, cause: ReleaseCause, now: number): void {
    const { rememberMs, maxRemembered, onEvent } = this.#options;
    const { expected } = event;
    this.#open.delete(event.key);
    this.#bytes -= event.bytes;
    if (rememberMs > 0) {
      this.#answered.set(event.key, now + rememberMs);
      if (this.#answered.size > maxRemembered) {
        const oldest = first(this.#answered.keys());
        if (oldest !== undefined) this.#answered.delete(oldest);
      }
    }
    onEvent({
      key: event.key,
      members: event.members,
      expected,
      missing: MODALITIES.filter(
        (modality) => expected.includes(modality) && event.members[modality] === undefined,
      ),
      cause,
      waitedMs: now - event.openedAt,
    });
  }

  #forget(now: number): void {
    for (const [key, until] of this.#answered) {
      if (until > now) break;
      this.#answered.delete(key);
    }
  }
}

function boundedKey(key: string): string {
  if (key.length <= LONGEST_KEY) return key;
  return `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

function first<T>(values: Iterable<T>): T | undefined {
  for (const value of values) return value;
  return undefined;
}
