import { EmotionError } from '../emotion/error';
import type { Journal, JournalRecord } from './journal';

export interface ForwardOptions {
  /** Most items of a batch. */
  readonly batchItems: number;
  /** Longest time that an item waits for others before its batch leaves although it is not full. */
  readonly batchWaitMs: number;
  /** Batches that may be on their way at the same time. */
  readonly inFlight: number;
  /** A batch that is not acknowledged within this time has failed. */
  readonly acknowledgeMs: number;
  /** Pause after a failed batch; doubled with each further one. */
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  /**
   * How often an item may fail alone while others pass before it is given up; 0 keeps it for ever.
   */
  readonly giveUpAfter: number;
}

export interface Batch {
  readonly id: string;
  readonly keys: readonly string[];
  readonly items: readonly unknown[];
}

export interface ForwardListeners {
  readonly onBatch: (batch: Batch) => void;
  /** Something that nobody waits for went wrong. The items were removed when they are named. */
  readonly onError: (error: EmotionError, givenUp?: Batch) => void;
  readonly onChange: () => void;
}

export interface ForwardState {
  /** On disk and not acknowledged, those on their way included. */
  readonly pending: number;
  readonly inFlight: number;
  readonly batches: number;
  readonly bytes: number;
  readonly fileBytes: number;
  /** Batches that failed since one passed last. */
  readonly failures: number;
  /** Milliseconds until the next attempt; 0 when none is waited for. */
  readonly retryMs: number;
  readonly acknowledged: number;
}

/** An item that is on disk. */
interface Held {
  readonly record: JournalRecord;
  readonly since: number;
  failures: number;
  /** Failures alone while others passed. */
  strikes: number;
  /** How many batches had passed when it failed last. */
  passedBefore: number;
  /** Not before. */
  due: number;
  batch: OnTheWay | undefined;
}

interface OnTheWay {
  readonly id: string;
  readonly open: Map<string, Held>;
  readonly items: ReadonlyMap<string, unknown>;
  /** How many batches had failed in a row when it left. */
  readonly after: number;
  readonly timer: NodeJS.Timeout;
}

let lives = 0;

/**
 * Store and forward: what is put in is on disk before that is confirmed, leaves in batches, and stays
 * until it is acknowledged. At least once, in order unless something fails; whoever takes the batches
 * tells repeated items apart by their keys.
 *
 * A batch that fails, or is not acknowledged in time, comes again after a pause that doubles; until
 * one passes there is only one batch on its way, so a database that is down is asked now and then and
 * not flooded. A batch that fails three times and more comes back in halves, until the one item that
 * cannot be taken is alone; it then waits by itself and the others pass it by.
 *
 * @example
 * const forward = new StoreAndForward(journal, options, { onBatch: ({ keys, items }) => { … } });
 * await forward.put([{ key: 'a', value: 1 }]);
 * forward.acknowledge(['a']);
 */
export class StoreAndForward {
  readonly #ready = new Fifo<Held>();
  /** Failed items, to be sent again before anything else. */
  #again: Held[] = [];
  readonly #held = new Map<string, Held>();
  readonly #batches = new Map<string, OnTheWay>();
  readonly #life = `${process.pid}-${Date.now().toString(36)}-${(lives += 1)}`;
  #reading = 0;
  #count = 0;
  #passed = 0;
  #failures = 0;
  #pausedUntil = 0;
  #acknowledged = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly journal: Journal,
    private readonly options: ForwardOptions,
    private readonly listeners: ForwardListeners,
    private readonly now: () => number = () => Date.now(),
  ) {
    for (const record of journal.records()) this.#hold(record, 0);
  }

  get state(): ForwardState {
    let inFlight = 0;
    for (const { open } of this.#batches.values()) inFlight += open.size;
    return {
      pending: this.journal.size,
      inFlight,
      batches: this.#batches.size,
      bytes: this.journal.bytes,
      fileBytes: this.journal.fileBytes,
      failures: this.#failures,
      retryMs: Math.max(0, this.#pausedUntil - this.now()),
      acknowledged: this.#acknowledged,
    };
  }

  /** Begins to send what was pending from before. */
  start(): void {
    this.#pump();
  }

  /**
   * @returns how many items are new, and how many had been pending already. All are on disk.
   * @throws EmotionError as {@link Journal.append}
   */
  async put(
    items: readonly { readonly key: string; readonly value: unknown }[],
  ): Promise<{ readonly stored: number; readonly known: number }> {
    const records = await this.journal.append(items);
    if (!this.#closed) {
      const now = this.now();
      for (const record of records) this.#hold(record, now);
      this.#pump();
      this.listeners.onChange();
    }
    return { stored: records.length, known: items.length - records.length };
  }

  /** Whether a batch of this id has left and was neither acknowledged nor failed. */
  isOnItsWay(id: unknown): boolean {
    return typeof id === 'string' && this.#batches.has(id);
  }

  /** Items have arrived where they should: they are removed. Keys that are not pending are passed over. */
  acknowledge(keys: readonly string[]): void {
    const settled = keys.filter((key) => this.#held.has(key));
    if (settled.length === 0 || this.#closed) return;
    for (const key of settled) this.#release(key);
    this.journal.remove(settled);
    this.#acknowledged += settled.length;
    this.#passed += 1;
    this.#failures = 0;
    this.#pausedUntil = 0;
    this.#pump();
    this.listeners.onChange();
  }

  /** Items could not be taken: those that are on their way come again later. */
  fail(keys: readonly string[]): void {
    const failed = keys
      .map((key) => this.#held.get(key))
      .filter((held) => held?.batch !== undefined) as Held[];
    if (failed.length === 0 || this.#closed) return;
    const now = this.now();
    const { batch } = failed[0]!;
    const alone = failed.length === 1 && batch!.items.size === 1;
    const others = alone && this.#passed > failed[0]!.passedBefore;
    // Batches that were on their way together fail together: that is one failure.
    if (!others && batch!.after === this.#failures) {
      this.#pausedUntil = now + this.#delay(this.#failures);
      this.#failures += 1;
    }
    for (const held of failed) {
      const item = held.batch!.items.get(held.record.key);
      this.#leave(held);
      held.failures += 1;
      held.passedBefore = this.#passed;
      held.due = others ? now + this.#delay(held.failures) : now;
      if (others) held.strikes += 1;
      if (this.options.giveUpAfter > 0 && held.strikes >= this.options.giveUpAfter) {
        this.#giveUp(held, item);
      } else this.#again.push(held);
    }
    this.#again.sort((a, b) => a.record.sequence - b.record.sequence);
    this.#pump();
    this.listeners.onChange();
  }

  /** Waits for no acknowledgement any longer: all that is on its way is sent again. */
  restart(): void {
    for (const { open } of [...this.#batches.values()]) {
      for (const held of [...open.values()]) {
        this.#leave(held);
        this.#again.push(held);
      }
    }
    this.#again.sort((a, b) => a.record.sequence - b.record.sequence);
    this.#failures = 0;
    this.#pausedUntil = 0;
    this.#pump();
    this.listeners.onChange();
  }

  /** Removes everything that is pending. @returns how many items that were */
  clear(): number {
    const keys = [...this.#held.keys()];
    for (const key of keys) this.#release(key);
    this.journal.remove(keys);
    this.#failures = 0;
    this.#pausedUntil = 0;
    this.listeners.onChange();
    return keys.length;
  }

  /** Sends nothing any more and closes the journal; what is pending stays in it. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { timer } of this.#batches.values()) clearTimeout(timer);
    await this.journal.close();
  }

  #hold(record: JournalRecord, since: number): void {
    const held: Held = {
      record,
      since,
      failures: 0,
      strikes: 0,
      passedBefore: this.#passed,
      due: 0,
      batch: undefined,
    };
    this.#held.set(record.key, held);
    this.#ready.push(held);
  }

  #release(key: string): void {
    const held = this.#held.get(key);
    if (!held) return;
    this.#held.delete(key);
    this.#leave(held);
  }

  #leave(held: Held): void {
    const { batch } = held;
    held.batch = undefined;
    if (!batch) return;
    batch.open.delete(held.record.key);
    if (batch.open.size > 0) return;
    clearTimeout(batch.timer);
    this.#batches.delete(batch.id);
  }

  #giveUp(held: Held, item: unknown): void {
    const { key } = held.record;
    this.#held.delete(key);
    this.journal.remove([key]);
    const error = new EmotionError(
      'buffer.given-up',
      `The item "${key.slice(0, 60)}" failed ${held.failures} times while others passed, and was given up`,
      { key: key.slice(0, 60), failures: held.failures },
    );
    this.listeners.onError(error, { id: this.#nextId(), keys: [key], items: [item] });
  }

  #delay(failures: number): number {
    return Math.min(this.options.longestDelayMs, this.options.firstDelayMs * 2 ** failures);
  }

  #nextId(): string {
    return `${this.#life}-${(this.#count += 1)}`;
  }

  /** Sends as many batches as may be on their way now, and plans when to look again. */
  #pump(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const now = this.now();
    const most = this.#failures > 0 ? 1 : this.options.inFlight;
    while (now >= this.#pausedUntil && this.#batches.size + this.#reading < most) {
      const batch = this.#next(now);
      if (batch.length === 0) break;
      this.#reading += 1;
      void this.#send(batch).finally(() => {
        this.#reading -= 1;
        this.#pump();
      });
    }
    if (this.#batches.size + this.#reading < most) this.#plan(now);
  }

  #plan(now: number): void {
    const times = this.#again.slice(0, 1000).map(({ due }) => due);
    const waiting = this.#ready.peek();
    if (waiting) times.push(waiting.since + this.options.batchWaitMs);
    if (times.length === 0) return;
    const at = Math.max(Math.min(...times), this.#pausedUntil);
    this.#timer = setTimeout(() => this.#pump(), Math.max(1, at - now));
  }

  #next(now: number): Held[] {
    const { batchItems, batchWaitMs } = this.options;
    if (this.#again.length > 0) {
      const [first] = this.#again.filter((held) => held.due <= now);
      if (first) {
        const most = Math.max(1, batchItems >> Math.max(0, first.failures - 2));
        const batch = new Set(
          this.#again
            .filter(({ due, failures }) => due <= now && failures === first.failures)
            .slice(0, most),
        );
        this.#again = this.#again.filter((held) => !batch.has(held));
        const pending = [...batch].filter(({ record }) => this.#held.has(record.key));
        return pending.length > 0 ? pending : this.#next(now);
      }
    }
    for (;;) {
      const first = this.#ready.peek();
      if (!first) return [];
      if (this.#held.get(first.record.key) === first) break;
      this.#ready.shift();
    }
    if (this.#ready.length < batchItems && now < this.#ready.peek()!.since + batchWaitMs) return [];
    const batch: Held[] = [];
    while (batch.length < batchItems) {
      const held = this.#ready.shift();
      if (!held) break;
      if (this.#held.get(held.record.key) === held) batch.push(held);
    }
    return batch;
  }

  async #send(batch: readonly Held[]): Promise<void> {
    let values: unknown[];
    try {
      values = await this.journal.read(batch.map(({ record }) => record));
    } catch (error) {
      if (this.#closed) return;
      const now = this.now();
      for (const held of batch) {
        held.failures += 1;
        held.due = now;
      }
      this.#pausedUntil = now + this.#delay(this.#failures);
      this.#failures += 1;
      this.#again.push(...batch);
      this.listeners.onError(error as EmotionError);
      return;
    }
    if (this.#closed) return;
    const id = this.#nextId();
    const pending = batch.filter(({ record }) => this.#held.has(record.key));
    if (pending.length === 0) return;
    const items = new Map<string, unknown>();
    batch.forEach(({ record: { key } }, index) => {
      if (this.#held.has(key)) items.set(key, values[index]);
    });
    const onTheWay: OnTheWay = {
      id,
      open: new Map(pending.map((held) => [held.record.key, held])),
      items,
      after: this.#failures,
      timer: setTimeout(() => this.#expire(onTheWay), this.options.acknowledgeMs),
    };
    for (const held of pending) held.batch = onTheWay;
    this.#batches.set(id, onTheWay);
    this.listeners.onBatch({ id, keys: [...items.keys()], items: [...items.values()] });
  }

  #expire(batch: OnTheWay): void {
    const keys = [...batch.open.keys()];
    this.fail(keys);
    const error = new EmotionError(
      'buffer.not-acknowledged',
      `${keys.length} items were not acknowledged within ${this.options.acknowledgeMs / 1000} s and are sent again: does the end of the flow send msg.buffer with msg.acknowledge = true back to the buffer?`,
      { count: keys.length, seconds: this.options.acknowledgeMs / 1000 },
    );
    this.listeners.onError(error);
  }
}

/** A queue of which taking the first is cheap, however long it is. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head += 1;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
