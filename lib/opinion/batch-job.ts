import { open, readFile, rename, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EmotionError } from '../emotion/error';
import { checksum } from './checksum';
import { openTable, type TableFormat, type TableReader, type TableRow } from './table-reader';
import { TableWriter, type RowOutcome } from './table-writer';

/** What a job is; does not change while it runs. */
export interface JobPlan {
  readonly job: string;
  /** For people. */
  readonly name: string;
  /** The job's own folder: its state and its result. */
  readonly folder: string;
  readonly source: string;
  /** Size and time of change of the source, so that another file is not taken for it. */
  readonly stamp: string;
  readonly format: TableFormat;
  /** The column that holds the texts. */
  readonly column: string;
  readonly created: number;
}

/** How far a job is. */
export interface JobProgress {
  /** Rows in the result. */
  readonly rows: number;
  /** Those of them that have no answer. */
  readonly failed: number;
  /** Share of the file, 0–1. */
  readonly progress: number;
  /** Over the last seconds; 0 when nothing moves. */
  readonly rowsPerSecond: number;
  /** Seconds until the end at this speed. */
  readonly etaSeconds?: number;
}

/** Texts that want an answer each. */
export interface Chunk {
  readonly job: string;
  /** Index of its first row in the file. */
  readonly row: number;
  readonly texts: readonly string[];
}

export interface JobOptions {
  readonly chunkRows: number;
  /** Chunks that wait for their answers at the same time. */
  readonly inFlight: number;
  /** A chunk that was not answered within this time is sent again. */
  readonly answerMs: number;
  /** How often, before its rows are written without an answer. */
  readonly attempts: number;
  readonly send: (chunk: Chunk) => void;
  readonly onProgress: (progress: JobProgress) => void;
}

interface Checkpoint {
  readonly rows: number;
  readonly failed: number;
  /** Of the result file, up to and with these rows. */
  readonly bytes: number;
  /** The last block of the file: how long it is, and its checksum. */
  readonly last: number;
  readonly sum: string;
}

const NOTHING: Checkpoint = { rows: 0, failed: 0, bytes: 0, last: 0, sum: '' };

/** How often the result is flushed to the device. */
const FLUSH_MS = 1000;
const SPEED_MS = 5000;

interface Pending {
  /** Nothing: no answer is waited for any longer. */
  readonly settle: (outcomes: readonly RowOutcome[] | undefined) => void;
  readonly size: number;
}

/**
 * Answers each row of a file: texts go out in chunks, a few at a time, and the file is read no faster
 * than the answers come. The result grows in the order of the rows in `result.part`; after each chunk a
 * checkpoint says how many rows are in it. Stopped or killed, a job goes on behind the last checkpoint:
 * what was written after it is cut off, so every row is in the result once. At the end the result gets
 * its name in one step.
 */
export class BatchJob {
  readonly #pending = new Map<number, Pending>();
  readonly #samples: { readonly at: number; readonly rows: number }[] = [];
  #checkpoint = NOTHING;
  /** The last one whose rows are known to be on the device. */
  #flushed = NOTHING;
  #share = 0;
  /** No answer is wanted any more, whether all came or something failed. */
  #ended = false;

  constructor(
    readonly plan: JobPlan,
    private readonly options: JobOptions,
  ) {}

  /** Where the result lies when the job is done. */
  get result(): string {
    const { kind } = this.plan.format;
    const stem = basename(this.plan.name).replace(/\.\w{1,5}$/, '').replace(/[^\p{L}\p{N}._-]+/gu, '_') || 'result'; // prettier-ignore
    return join(this.plan.folder, `${stem}.emotions.${kind}`);
  }

  get progress(): JobProgress {
    const now = performance.now();
    const recent = this.#samples.filter(({ at }) => at > now - SPEED_MS);
    const first = recent[0];
    const seconds = first ? (now - first.at) / 1000 : 0;
    const { rows, failed } = this.#checkpoint;
    const rowsPerSecond = first && seconds > 0 ? (rows - first.rows) / seconds : 0;
    const left = this.#share > 0 ? rows / this.#share - rows : undefined;
    return {
      rows,
      failed,
      progress: Math.min(1, this.#share),
      rowsPerSecond: Math.round(rowsPerSecond * 10) / 10,
      ...(left !== undefined &&
        rowsPerSecond > 0 && { etaSeconds: Math.round(left / rowsPerSecond) }),
    };
  }

  /**
   * An answer to a chunk, or why there is none. What is not waited for is passed over.
   *
   * @throws EmotionError `input.wrong-type` when there is not one result for each text
   */
  answer(row: number, outcome: readonly unknown[] | { readonly error: string }): void {
    const pending = this.#pending.get(row);
    if (!pending) return;
    if ('error' in outcome) {
      const { error } = outcome;
      pending.settle(Array.from({ length: pending.size }, () => ({ error })));
      return;
    }
    if (outcome.length !== pending.size || !outcome.every(isResult)) {
      throw new EmotionError(
        'input.wrong-type',
        `Expected ${pending.size} results, one for each text of the chunk, got ${outcome.length}: wire emotion-infer back to the batch`,
        { expected: `${pending.size} results`, got: String(outcome.length) },
      );
    }
    pending.settle(outcome.map((result) => ({ result }) as RowOutcome));
  }

  /**
   * Runs the job, or the rest of it, to its end.
   *
   * @throws EmotionError `batch.unreadable`, `batch.disk`, or the signal's reason
   */
  async run(signal: AbortSignal): Promise<void> {
    const { source, format, stamp } = this.plan;
    if (await this.#isFinished()) return;
    if ((await stampOf(source)) !== stamp) {
      throw new EmotionError('batch.unreadable', `The file ${basename(source)} has changed since the job began`, { file: basename(source) }); // prettier-ignore
    }
    const table = await openTable(source, format);
    this.#ended = false;
    try {
      this.#columnIndex = this.#findColumn(table);
      await this.#runOn(table, Number(stamp.split(' ')[0]), signal);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw cause instanceof EmotionError ? cause : diskError(cause);
    } finally {
      this.#ended = true;
      for (const { settle } of this.#pending.values()) settle(undefined);
      await table.close();
    }
  }

  /** Whether the result had its name already when the process ended. */
  async #isFinished(): Promise<boolean> {
    const file = await open(this.result, 'r').catch(() => undefined);
    if (!file) return false;
    try {
      this.#checkpoint = await this.#lastCheckpoint(file);
    } finally {
      await file.close();
    }
    this.#share = 1;
    this.options.onProgress(this.progress);
    return true;
  }

  #findColumn({ columns }: TableReader): number {
    const index = columns.indexOf(this.plan.column);
    if (index >= 0 || this.plan.format.kind === 'jsonl') return index;
    throw new EmotionError(
      'batch.unreadable',
      `There is no column "${this.plan.column}"; there are: ${columns.join(', ').slice(0, 300)}`,
      { file: this.plan.name, cause: this.plan.column },
    );
  }

  async #runOn(table: TableReader, size: number, signal: AbortSignal): Promise<void> {
    const writer = new TableWriter(table.format, table.columns);
    const file = await this.#openResult(writer);
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    aborted.catch(() => undefined);
    try {
      await this.#work(table, writer, file, size, signal, aborted);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(this.#part, this.result);
    this.#share = 1;
    this.options.onProgress(this.progress);
  }

  get #part(): string {
    return join(this.plan.folder, 'result.part');
  }

  async #work(
    table: TableReader,
    writer: TableWriter,
    file: FileHandle,
    size: number,
    signal: AbortSignal,
    aborted: Promise<never>,
  ): Promise<void> {
    const written: Promise<void>[] = [];
    let tail = Promise.resolve();
    let flushedAt = performance.now();
    let row = 0;
    const skip = this.#checkpoint.rows;

    const give = async (rows: readonly TableRow[]): Promise<void> => {
      const start = row - rows.length;
      const share = size > 0 ? table.bytesRead() / size : 1;
      const outcomes = this.#ask(start, rows, signal);
      tail = Promise.all([outcomes, tail]).then(async ([answers]) => {
        signal.throwIfAborted();
        await this.#append(file, writer, rows, answers);
        this.#share = share;
        if (performance.now() - flushedAt > FLUSH_MS) {
          await file.datasync();
          this.#flushed = this.#checkpoint;
          flushedAt = performance.now();
        }
        await this.#saveCheckpoint();
        this.#note();
      });
      tail.catch(() => undefined);
      written.push(tail);
      while (written.length >= this.options.inFlight) {
        await Promise.race([written[0], aborted]);
        void written.shift();
      }
    };

    let rows: TableRow[] = [];
    for await (const next of table.rows) {
      signal.throwIfAborted();
      row += 1;
      if (row <= skip) continue;
      rows.push(next);
      if (rows.length < this.options.chunkRows) continue;
      await give(rows);
      rows = [];
    }
    if (rows.length > 0) await give(rows);
    await Promise.race([tail, aborted]);
  }

  /** Sends the texts of rows until they are answered, or have failed often enough. */
  async #ask(start: number, rows: readonly TableRow[], signal: AbortSignal): Promise<RowOutcome[]> {
    const texts: string[] = [];
    const whole: number[] = [];
    const outcomes: RowOutcome[] = rows.map((row, index) => {
      if ('broken' in row) return { error: row.why };
      whole.push(index);
      texts.push(this.#textOf(row));
      return { error: 'no answer came' };
    });
    for (let attempt = 0; attempt < this.options.attempts && texts.length > 0; attempt += 1) {
      signal.throwIfAborted();
      if (this.#ended) break;
      const answer = await this.#attempt({ job: this.plan.job, row: start, texts });
      if (!answer) continue;
      answer.forEach((outcome, index) => (outcomes[whole[index]!] = outcome));
      break;
    }
    return outcomes;
  }

  #attempt(chunk: Chunk): Promise<readonly RowOutcome[] | undefined> {
    return new Promise((resolve) => {
      const end = (outcomes: readonly RowOutcome[] | undefined): void => {
        clearTimeout(timer);
        this.#pending.delete(chunk.row);
        resolve(outcomes);
      };
      const timer = setTimeout(() => end(undefined), this.options.answerMs);
      this.#pending.set(chunk.row, { settle: end, size: chunk.texts.length });
      this.options.send(chunk);
    });
  }

  #textOf(row: TableRow): string {
    const { column } = this.plan;
    if ('object' in row) return plain(row.object[column]);
    return 'cells' in row ? (row.cells[this.#columnIndex] ?? '') : '';
  }

  #columnIndex = 0;

  /** The result file, cut off behind the last checkpoint that holds. */
  async #openResult(writer: TableWriter): Promise<FileHandle> {
    await (await open(this.#part, 'a')).close();
    const file = await open(this.#part, 'r+');
    this.#checkpoint = await this.#lastCheckpoint(file);
    this.#flushed = this.#checkpoint;
    await file.truncate(this.#checkpoint.bytes);
    if (this.#checkpoint.bytes === 0) await this.#write(file, writer.head(), 0, 0);
    return file;
  }

  async #lastCheckpoint(file: FileHandle): Promise<Checkpoint> {
    const text = await readFile(join(this.plan.folder, 'checkpoint.json'), 'utf8').catch(() => '');
    if (text === '') return NOTHING;
    const saved = JSON.parse(text) as { checkpoint: Checkpoint; flushed: Checkpoint };
    const { size } = await file.stat();
    for (const checkpoint of [saved.checkpoint, saved.flushed]) {
      if (checkpoint.bytes > size) continue;
      const block = Buffer.alloc(checkpoint.last);
      await file.read(block, 0, block.length, checkpoint.bytes - checkpoint.last);
      if (checksum(block) === checkpoint.sum) return checkpoint;
    }
    return NOTHING;
  }

  async #append(
    file: FileHandle,
    writer: TableWriter,
    rows: readonly TableRow[],
    outcomes: readonly RowOutcome[],
  ): Promise<void> {
    const failed = outcomes.filter((outcome) => 'error' in outcome).length;
    await this.#write(file, writer.rows(rows, outcomes), rows.length, failed);
  }

  async #write(file: FileHandle, text: string, rows: number, failed: number): Promise<void> {
    const block = Buffer.from(text);
    const { bytes } = this.#checkpoint;
    let done = 0;
    while (done < block.length) {
      const { bytesWritten } = await file.write(block, done, block.length - done, bytes + done);
      done += bytesWritten;
    }
    this.#checkpoint = {
      rows: this.#checkpoint.rows + rows,
      failed: this.#checkpoint.failed + failed,
      bytes: bytes + block.length,
      last: block.length,
      sum: checksum(block),
    };
  }

  async #saveCheckpoint(): Promise<void> {
    const path = join(this.plan.folder, 'checkpoint.json');
    const text = JSON.stringify({ checkpoint: this.#checkpoint, flushed: this.#flushed });
    await writeFile(`${path}.part`, text);
    await rename(`${path}.part`, path);
  }

  #note(): void {
    const at = performance.now();
    this.#samples.push({ at, rows: this.#checkpoint.rows });
    while (this.#samples.length > 1 && this.#samples[0]!.at < at - SPEED_MS) this.#samples.shift();
    this.options.onProgress(this.progress);
  }
}

/** Size and time of change of a file, to know it again. */
export async function stampOf(path: string): Promise<string> {
  try {
    const { size, mtimeMs } = await stat(path);
    return `${size} ${Math.round(mtimeMs)}`;
  } catch (cause) {
    throw new EmotionError(
      'batch.unreadable',
      `The file ${basename(path)} is not there`,
      { file: basename(path), cause: 'missing' },
      { cause },
    );
  }
}

function isResult(value: unknown): boolean {
  const { label, scores } = (value ?? {}) as { label?: unknown; scores?: unknown };
  return (label === null || typeof label === 'string') && typeof scores === 'object' && scores !== null; // prettier-ignore
}

function plain(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

export function diskError(cause: unknown): EmotionError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const why = code === 'ENOSPC' ? 'no space is left on the device' : message;
  return new EmotionError('batch.disk', `A batch job cannot be written or read: ${why}`, { cause: why }, { cause }); // prettier-ignore
}
