import { open, mkdir, readFile, readdir, rename, unlink, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EmotionError } from '../emotion/error';
import { checksum } from './checksum';
import { diskError } from './disk-error';

/** The part of a file that a journal needs, so that tests can have a disk that is full. */
export interface JournalFile {
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export interface JournalOptions {
  /** Belongs to this journal alone; made when it is missing. */
  readonly folder: string;
  /** Records that may be pending; one more is refused. Default 500,000. */
  readonly maxRecords?: number;
  /** Bytes of pending records; the files take at most about twice that. Default 1 GiB. */
  readonly maxBytes?: number;
  /** A file that has grown to this is followed by the next. Default 8 MiB. */
  readonly segmentBytes?: number;
  /** Bytes of pending records that are also kept in memory. Default 4 MiB. */
  readonly cacheBytes?: number;
  readonly openFile?: (path: string, flags: string) => Promise<JournalFile>;
}

/** A record that is on disk and was not removed yet. */
export interface JournalRecord {
  readonly key: string;
  /** In the order in which they were appended, over restarts. */
  readonly sequence: number;
}

/** What could not be read when a journal was opened although something whole follows it. */
export interface Damage {
  /** A copy of the file as it was found. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

interface Segment {
  readonly number: number;
  readonly path: string;
  readonly file: JournalFile;
  /** End of what is known to be whole. */
  length: number;
  /** Pending records in it. */
  live: number;
}

interface Entry extends JournalRecord {
  segment: Segment | undefined;
  offset: number;
  readonly length: number;
  value: Buffer | undefined;
}

interface Write {
  readonly bytes: Buffer;
  readonly entries: readonly Entry[];
  readonly settle: (error?: EmotionError) => void;
}

/** The value of a record that was removed while it was to be read: nobody wants it any more. */
const NOTHING = Buffer.from('null');

const TAB = 9;
const NEWLINE = 10;
/** One write to the disk; longer queues are written in several. */
const MOST_BYTES_A_WRITE = 4 * 1024 * 1024;
/** Records this near to each other are read at once. */
const MOST_BYTES_A_READ = 1024 * 1024;

/**
 * Records on disk until they are removed: an append-only log in segments, one record a line.
 *
 *     <CRC-32 of the rest, hex> TAB [sequence,"key"] TAB <JSON value> LF
 *     <CRC-32 of the rest, hex> TAB {"removed":[sequence,…]} LF
 *
 * An append resolves when its line has been written and flushed to the device (`fdatasync`); appends
 * that come meanwhile share the next flush. What a crash cut off is dropped when the journal is opened
 * again: nobody was told that it was stored. Removals are not waited for; one that is lost in a power
 * cut brings its record back, so what takes the records must not mind seeing one twice.
 *
 * Memory holds an index entry a record (some 200 bytes); values are read from disk unless they are
 * among the newest. Files whose records are all removed are deleted; when more than half of what lies
 * on disk is no longer needed, the oldest file's rest is copied to the end.
 *
 * @example
 * const { journal } = await Journal.open({ folder: '/data/outbox' });
 * await journal.append([{ key: 'post-1', value: { text: '好' } }]); // → 1, and it is on disk
 * journal.records(); // → [{ key: 'post-1', sequence: 1 }]
 */
export class Journal {
  readonly #folder: string;
  readonly #maxRecords: number;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #cacheBytes: number;
  readonly #openFile: (path: string, flags: string) => Promise<JournalFile>;

  readonly #index = new Map<string, Entry>();
  readonly #appending = new Map<string, Promise<void>>();
  readonly #segments: Segment[] = [];
  readonly #queue: Write[] = [];
  #writing: Promise<void> | undefined;
  #sequence = 0;
  #bytes = 0;
  #cached = 0;
  #closed = false;
  /** The last write failed and its rest could not be cut off: nothing may follow it in that file. */
  #torn = false;

  /**
   * Opens the journal of a folder and finds what is pending in it.
   *
   * @throws EmotionError `buffer.disk` when the folder cannot be made, read or written
   */
  static async open(
    options: JournalOptions,
  ): Promise<{ readonly journal: Journal; readonly damage: readonly Damage[] }> {
    const journal = new Journal(options);
    try {
      await mkdir(options.folder, { recursive: true });
      const damage = await journal.#replay();
      await journal.#startSegment();
      await journal.#deleteEmpty();
      return { journal, damage };
    } catch (cause) {
      await journal.#closeFiles();
      throw diskError(options.folder, cause);
    }
  }

  private constructor(options: JournalOptions) {
    this.#folder = options.folder;
    this.#maxRecords = options.maxRecords ?? 500_000;
    this.#maxBytes = options.maxBytes ?? 1024 ** 3;
    this.#segmentBytes = options.segmentBytes ?? 8 * 1024 ** 2;
    this.#cacheBytes = options.cacheBytes ?? 4 * 1024 ** 2;
    this.#openFile = options.openFile ?? open;
  }

  /** Pending records, those that are being written included. */
  get size(): number {
    return this.#index.size;
  }

  /** Bytes of the pending records. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of the files. */
  get fileBytes(): number {
    return this.#segments.reduce((sum, { length }) => sum + length, 0);
  }

  has(key: string): boolean {
    return this.#index.has(key);
  }

  /** What is pending and on disk, the oldest first. */
  records(): JournalRecord[] {
    const entries = [...this.#index.values()].filter(({ segment }) => segment !== undefined);
    return entries.sort((a, b) => a.sequence - b.sequence);
  }

  /**
   * Appends records whose keys are not pending. All of them are stored, or none.
   *
   * @returns the records that are new; those that were pending already are on disk as well by then
   * @throws EmotionError `buffer.full` at the limits, `buffer.disk` when it could not be written,
   *   `input.wrong-type` for a value that is no JSON, `queue.closed`
   */
  async append(
    items: readonly { readonly key: string; readonly value: unknown }[],
  ): Promise<readonly JournalRecord[]> {
    if (this.#closed) throw closed();
    const fresh = new Map<string, Buffer>();
    const meanwhile: Promise<void>[] = [];
    for (const { key, value } of items) {
      const underway = this.#appending.get(key);
      if (underway) meanwhile.push(underway);
      else if (!this.#index.has(key) && !fresh.has(key)) fresh.set(key, json(key, value));
    }
    let added = 0;
    for (const value of fresh.values()) added += value.length;
    this.#checkRoom(fresh.size, added);

    const lines: Buffer[] = [];
    const entries: Entry[] = [];
    let offset = 0;
    for (const [key, value] of fresh) {
      const sequence = (this.#sequence += 1);
      const head = Buffer.from(JSON.stringify([sequence, key]));
      const text = line(head, value);
      const start = offset + text.length - 1 - value.length;
      entries.push({
        key,
        sequence,
        segment: undefined,
        offset: start,
        length: value.length,
        value,
      });
      lines.push(text);
      offset += text.length;
    }
    for (const entry of entries) this.#index.set(entry.key, entry);
    this.#bytes += added;

    if (entries.length > 0) {
      const written = this.#write(Buffer.concat(lines), entries);
      for (const { key } of entries) this.#appending.set(key, written);
      try {
        await written;
      } catch (error) {
        for (const entry of entries) this.#forget(entry);
        throw error;
      } finally {
        for (const { key } of entries) this.#appending.delete(key);
      }
    }
    await Promise.all(meanwhile);
    return entries;
  }

  /**
   * The values of pending records, in the order asked for.
   *
   * @throws EmotionError `buffer.disk` when a file cannot be read
   */
  async read(records: readonly JournalRecord[]): Promise<unknown[]> {
    const values = await this.#readBytes(records as readonly Entry[]);
    return values.map((value) => JSON.parse(value.toString()) as unknown);
  }

  async #readBytes(entries: readonly Entry[]): Promise<Buffer[]> {
    const values: Buffer[] = [];
    for (let at = 0; at < entries.length;) {
      const first = entries[at]!;
      if (first.value) {
        values.push(first.value);
        at += 1;
        continue;
      }
      let end = at + 1;
      while (end < entries.length && isNear(first, entries[end - 1]!, entries[end]!)) end += 1;
      values.push(...(await this.#readRun(entries.slice(at, end))));
      at = end;
    }
    return values;
  }

  /** Records that lie together in one file. */
  async #readRun(run: readonly Entry[]): Promise<Buffer[]> {
    // As of now: while it is read a record may be copied to another file, or removed.
    const { segment, offset: start } = run[0]!;
    const places = run.map(
      ({ offset, length }) => [offset - start, offset - start + length] as const,
    );
    try {
      const block = await readBlock(segment!, start, places.at(-1)![1]);
      return places.map(([from, to]) => block.subarray(from, to));
    } catch (cause) {
      const values: Buffer[] = [];
      for (const entry of run) {
        if (this.#index.get(entry.key) !== entry) values.push(NOTHING);
        else if (entry.segment !== segment) values.push(...(await this.#readRun([entry])));
        else throw diskError(this.#folder, cause);
      }
      return values;
    }
  }

  /** Removes records; those that were removed already are passed over. Not waited for. */
  remove(keys: readonly string[]): void {
    const entries = keys
      .map((key) => this.#index.get(key))
      .filter((entry) => entry?.segment !== undefined) as Entry[];
    if (entries.length === 0 || this.#closed) return;
    const removed = JSON.stringify({ removed: entries.map(({ sequence }) => sequence) });
    for (const entry of entries) this.#forget(entry);
    // One that cannot be written brings its records back after a restart: no loss.
    this.#write(line(Buffer.from(removed)), []).catch(() => undefined);
  }

  /** Resolves when all that was given so far has been written. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Writes what is underway and closes the files; what is pending stays on disk. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
    await this.#segments
      .at(-1)
      ?.file.datasync()
      .catch(() => undefined);
    await this.#closeFiles();
  }

  #checkRoom(records: number, bytes: number): void {
    if (records === 0) return;
    if (this.#index.size + records > this.#maxRecords) {
      throw new EmotionError(
        'buffer.full',
        `${this.#index.size} records are pending in ${this.#folder}, ${this.#maxRecords} may be: is what takes them away working?`,
        { pending: this.#index.size, limit: this.#maxRecords, folder: this.#folder },
      );
    }
    if (this.#bytes + bytes > this.#maxBytes) {
      const megabytes = (value: number) => `${Math.round(value / 1e6)} MB`;
      throw new EmotionError(
        'buffer.full',
        `${megabytes(this.#bytes)} are pending in ${this.#folder}, ${megabytes(this.#maxBytes)} may be: is what takes them away working?`,
        { pending: megabytes(this.#bytes), limit: megabytes(this.#maxBytes), folder: this.#folder },
      );
    }
  }

  #forget(entry: Entry): void {
    if (this.#index.get(entry.key) !== entry) return;
    this.#index.delete(entry.key);
    this.#bytes -= entry.length;
    if (entry.segment) {
      entry.segment.live -= 1;
      if (entry.value) this.#cached -= entry.length;
    }
    entry.value = undefined;
  }

  #write(bytes: Buffer, entries: readonly Entry[]): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      const settle = (error?: EmotionError) => (error ? reject(error) : resolve());
      this.#queue.push({ bytes, entries, settle });
    });
    this.#writing ??= this.#drain();
    return written;
  }

  /** Writes what queues, in groups that share one flush, until nothing does. */
  async #drain(): Promise<void> {
    // What is appended in the same turn of the event loop belongs to the same group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const group = [this.#queue.shift()!];
      let bytes = group[0]!.bytes.length;
      while (this.#queue.length > 0 && bytes + this.#queue[0]!.bytes.length <= MOST_BYTES_A_WRITE) {
        bytes += this.#queue[0]!.bytes.length;
        group.push(this.#queue.shift()!);
      }
      let failure: EmotionError | undefined;
      try {
        await this.#writeGroup(group);
      } catch (cause) {
        failure = diskError(this.#folder, cause);
      }
      for (const { settle } of group) settle(failure);
      if (failure === undefined) await this.#tidy().catch(() => undefined);
    }
    // At once: what is given from now on must not wait for a writer that has left.
    this.#writing = undefined;
  }

  async #writeGroup(group: readonly Write[]): Promise<void> {
    await this.#provideSegment();
    const segment = this.#segments.at(-1)!;
    const bytes = Buffer.concat(group.map((write) => write.bytes));
    const start = segment.length;
    await this.#extend(
      segment,
      bytes,
      group.some(({ entries }) => entries.length > 0),
    );
    let offset = start;
    for (const { bytes: part, entries } of group) {
      for (const entry of entries) this.#settle(entry, segment, offset);
      offset += part.length;
    }
  }

  /** Writes at the end of a file; what could not be written whole is cut off again. */
  async #extend(segment: Segment, bytes: Buffer, sync: boolean): Promise<void> {
    const start = segment.length;
    try {
      await writeAll(segment.file, bytes, start);
      if (sync) await segment.file.datasync();
      segment.length = start + bytes.length;
    } catch (error) {
      // A record that was refused must not be found after a restart. What a device that failed holds
      // of this file is unknown: nothing may follow in it.
      this.#torn = true;
      await segment.file.truncate(start).catch(() => undefined);
      throw error;
    }
  }

  #settle(entry: Entry, segment: Segment, offset: number): void {
    entry.segment = segment;
    entry.offset += offset;
    segment.live += 1;
    if (this.#cached + entry.length > this.#cacheBytes) entry.value = undefined;
    else this.#cached += entry.length;
  }

  /** Deletes files that nobody needs, and copies what little is left of the oldest to the end. */
  async #tidy(): Promise<void> {
    await this.#deleteEmpty();
    while (this.#segments.length > 1) {
      const dead = this.fileBytes - this.#bytes;
      if (dead <= this.#bytes + 2 * this.#segmentBytes) return;
      await this.#copyForward(this.#segments[0]!);
      await this.#deleteEmpty();
    }
  }

  async #copyForward(oldest: Segment): Promise<void> {
    const entries = [...this.#index.values()].filter(({ segment }) => segment === oldest);
    for (let at = 0; at < entries.length; at += 1000) {
      const part = entries.slice(at, at + 1000);
      const values = await this.#readBytes(part);
      const lines = part.map(({ sequence, key }, index) =>
        line(Buffer.from(JSON.stringify([sequence, key])), values[index]),
      );
      await this.#provideSegment();
      const target = this.#segments.at(-1)!;
      const start = target.length;
      await this.#extend(target, Buffer.concat(lines), true);
      let end = start;
      part.forEach((entry, index) => {
        end += lines[index]!.length;
        // It may have been removed meanwhile; its removal follows in the log.
        if (this.#index.get(entry.key) !== entry) return;
        entry.segment = target;
        entry.offset = end - 1 - entry.length;
        oldest.live -= 1;
        target.live += 1;
      });
    }
  }

  /** Only from the oldest on: a removal must not be forgotten before the record that it removes. */
  async #deleteEmpty(): Promise<void> {
    while (this.#segments.length > 1 && this.#segments[0]!.live === 0) {
      const [oldest] = this.#segments.splice(0, 1);
      await oldest!.file.close();
      await unlink(oldest!.path);
    }
  }

  async #provideSegment(): Promise<void> {
    const last = this.#segments.at(-1)!;
    if (!this.#torn && last.length < this.#segmentBytes) return;
    await this.#startSegment();
    if (last.length > 0) return;
    // It failed at its first record, and may do so again and again.
    this.#segments.splice(this.#segments.indexOf(last), 1);
    await last.file.close();
    await unlink(last.path);
  }

  async #startSegment(): Promise<void> {
    const number = (this.#segments.at(-1)?.number ?? 0) + 1;
    const path = join(this.#folder, `${String(number).padStart(10, '0')}.log`);
    const file = await this.#openFile(path, 'wx+');
    await syncFolder(this.#folder);
    this.#segments.push({ number, path, file, length: 0, live: 0 });
    this.#torn = false;
  }

  async #replay(): Promise<Damage[]> {
    const damage: Damage[] = [];
    const keys = new Map<number, string>();
    const names = await readdir(this.#folder);
    for (const name of names.filter((file) => /^\d{10}\.log$/.test(file)).sort()) {
      const path = join(this.#folder, name);
      const content = await readFile(path);
      const file = await this.#openFile(path, 'r');
      const segment: Segment = { number: parseInt(name, 10), path, file, length: content.length, live: 0 }; // prettier-ignore
      this.#segments.push(segment);
      const bad = this.#replaySegment(segment, content, keys);
      if (bad.length > 0) {
        const copy = `${path}.damaged`;
        await copyFile(path, `${copy}.part`);
        await rename(`${copy}.part`, copy);
        damage.push(...bad.map((range) => ({ ...range, file: copy })));
      }
    }
    return damage;
  }

  /** @returns the ranges that are unreadable although something whole follows them */
  #replaySegment(
    segment: Segment,
    content: Buffer,
    keys: Map<number, string>,
  ): { offset: number; bytes: number }[] {
    const bad: { offset: number; bytes: number }[] = [];
    let doubtful: number | undefined;
    for (let start = 0; start < content.length;) {
      const newline = content.indexOf(NEWLINE, start);
      const end = newline < 0 ? content.length : newline;
      const whole =
        newline >= 0 && this.#replayLine(segment, content.subarray(start, end), start, keys);
      if (!whole) doubtful ??= start;
      else if (doubtful !== undefined) {
        bad.push({ offset: doubtful, bytes: start - doubtful });
        doubtful = undefined;
      }
      start = end + 1;
    }
    return bad;
  }

  /** @param keys of the records so far, for their removals */
  #replayLine(
    segment: Segment,
    content: Buffer,
    start: number,
    keys: Map<number, string>,
  ): boolean {
    const [head, rest] = [content.toString('latin1', 0, 8), content.subarray(9)];
    if (content[8] !== TAB || head !== checksum(rest)) return false;
    const tab = rest.indexOf(TAB);
    if (tab < 0) {
      const { removed } = JSON.parse(rest.toString()) as { removed: number[] };
      for (const sequence of removed) {
        this.#sequence = Math.max(this.#sequence, sequence);
        const entry = this.#index.get(keys.get(sequence) ?? '');
        if (entry?.sequence === sequence) this.#forget(entry);
        keys.delete(sequence);
      }
      return true;
    }
    const [sequence, key] = JSON.parse(rest.toString('utf8', 0, tab)) as [number, string];
    this.#sequence = Math.max(this.#sequence, sequence);
    const before = this.#index.get(key);
    if (before) this.#forget(before);
    const offset = start + 9 + tab + 1;
    const length = rest.length - tab - 1;
    this.#index.set(key, { key, sequence, segment, offset, length, value: undefined });
    keys.set(sequence, key);
    this.#bytes += length;
    segment.live += 1;
    return true;
  }

  async #closeFiles(): Promise<void> {
    await Promise.all(this.#segments.map(({ file }) => file.close().catch(() => undefined)));
  }
}

function line(head: Buffer, value?: Buffer): Buffer {
  const rest = value ? Buffer.concat([head, Buffer.of(TAB), value]) : head;
  return Buffer.concat([Buffer.from(`${checksum(rest)}\t`), rest, Buffer.of(NEWLINE)]);
}

function json(key: string, value: unknown): Buffer {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw notJson(key, cause);
  }
  if (text === undefined) throw notJson(key);
  return Buffer.from(text);
}

function notJson(key: string, cause?: unknown): EmotionError {
  return new EmotionError(
    'input.wrong-type',
    `The item "${key.slice(0, 60)}" cannot be written as JSON: ${cause instanceof Error ? cause.message : 'it is no value'}`,
    { expected: 'JSON', got: key.slice(0, 60) },
    { cause },
  );
}

/** Whether a record can be read together with those before it. */
function isNear(first: Entry, before: Entry, next: Entry): boolean {
  return (
    next.value === undefined &&
    next.segment === first.segment &&
    next.offset > before.offset &&
    next.offset + next.length - first.offset <= MOST_BYTES_A_READ
  );
}

async function readBlock({ file, path }: Segment, start: number, length: number): Promise<Buffer> {
  const block = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(block, done, length - done, start + done);
    if (bytesRead === 0) throw new Error(`${path} ends too early`);
    done += bytesRead;
  }
  return block;
}

async function writeAll(file: JournalFile, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** So that a new file is still there after a power cut. Windows cannot and need not. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function closed(): EmotionError {
  return new EmotionError('queue.closed', 'The node was stopped or deployed again');
}
