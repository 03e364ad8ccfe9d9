import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EmotionError } from '../emotion/error';
import {
  BatchJob,
  diskError,
  stampOf,
  type JobOptions,
  type JobPlan,
  type JobProgress,
} from './batch-job';
import { detectFormat, openTable, type TableFormat, type TableRow } from './table-reader';

/** What is to be analysed, and how it is to be read; what is left out is found out. */
export interface JobRequest extends Partial<TableFormat> {
  /** Path of a file, or what it holds: that is kept with the job. */
  readonly source: { readonly file: string } | { readonly content: Uint8Array | string };
  readonly name?: string;
  readonly column?: string;
}

export interface JobView extends JobProgress {
  readonly job: string;
  readonly name: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  readonly column: string;
  readonly format: TableFormat;
  readonly created: number;
  readonly ended?: number;
  /** Path of the finished file. */
  readonly result?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** The first rows of a file, to choose a column by. */
export interface TablePreview {
  readonly format: TableFormat;
  readonly columns: readonly string[];
  /** The column that a job would take. */
  readonly column?: string;
  readonly rows: readonly (readonly string[])[];
}

export interface JobsOptions extends Omit<JobOptions, 'onProgress'> {
  readonly folder: string;
  readonly onChange: (job: JobView) => void;
}

interface Job {
  readonly plan: JobPlan;
  readonly work: BatchJob;
  view: JobView;
  stop: AbortController;
  ended: Promise<void>;
  /** When what is known of it has been written. */
  saved: Promise<void>;
}

/** Columns that hold texts more often than others, the likeliest first. */
const TEXT_COLUMNS = ['text', 'content', 'comment', 'review', 'message', 'body', '正文', '内容', '文本', '评论', '微博正文', '评论内容']; // prettier-ignore

/** Ended jobs that are kept; the oldest beyond are removed with their results. */
const KEPT = 50;

class Stopped extends Error {}

/**
 * Batch jobs of one folder, one running at a time. Each has a folder of its own, with its plan, its
 * state, a copy of the source where that came with the request, and its result. What was running or
 * waiting when the process ended goes on when the folder is opened again.
 *
 * @example
 * const jobs = await BatchJobs.open({ folder, send: (chunk) => …, … });
 * const { job } = await jobs.start({ source: { file: '/data/comments.csv' }, column: 'text' });
 * jobs.answer(job, 0, results);
 */
export class BatchJobs {
  readonly #jobs = new Map<string, Job>();
  #running: Promise<void> | undefined;
  #closed = false;

  static async open(options: JobsOptions): Promise<BatchJobs> {
    const jobs = new BatchJobs(options);
    await mkdir(options.folder, { recursive: true });
    const names = await readdir(options.folder);
    const found: { plan: JobPlan; view: JobView }[] = [];
    for (const name of names) {
      const text = await readFile(join(options.folder, name, 'job.json'), 'utf8').catch(() => '');
      if (text !== '') found.push(JSON.parse(text) as { plan: JobPlan; view: JobView });
    }
    for (const { plan, view } of found.sort((a, b) => a.plan.created - b.plan.created)) {
      const job = jobs.#add({ ...plan, folder: join(options.folder, plan.job) }, view);
      if (view.state === 'running' || view.state === 'waiting')
        jobs.#change(job, { state: 'waiting' });
    }
    return jobs;
  }

  private constructor(private readonly options: JobsOptions) {}

  /** Goes on with what was left. */
  resume(): void {
    this.#next();
  }

  list(): JobView[] {
    return [...this.#jobs.values()].map(({ view }) => view);
  }

  /** @throws EmotionError `batch.unknown` */
  get(job: string): JobView {
    return this.#find(job).view;
  }

  /** Looks at a file without starting anything. @throws EmotionError `batch.unreadable` */
  async preview(path: string, wishes: Partial<TableFormat> = {}): Promise<TablePreview> {
    const format = await detectFormat(path, wishes);
    const table = await openTable(path, format);
    try {
      const rows: string[][] = [];
      for await (const row of table.rows) {
        rows.push(cellsOf(row, table.columns));
        if (rows.length === 5) break;
      }
      const column = likelyColumn(table.columns);
      return { format, columns: table.columns, rows, ...(column !== undefined && { column }) };
    } finally {
      await table.close();
    }
  }

  /**
   * Starts a job, or lets it wait for those before it.
   *
   * @throws EmotionError `batch.unreadable` for a file or column that is not there, `batch.disk`
   */
  async start(request: JobRequest): Promise<JobView> {
    const id = randomUUID();
    const folder = join(this.options.folder, id);
    try {
      return await this.#start(request, id, folder);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error instanceof EmotionError ? error : diskError(error);
    }
  }

  async #start(request: JobRequest, id: string, folder: string): Promise<JobView> {
    await mkdir(folder, { recursive: true });
    let source: string;
    if ('file' in request.source) source = request.source.file;
    else {
      source = join(folder, 'source');
      await writeFile(source, request.source.content);
    }
    const { format, columns, column: likely } = await this.preview(source, request);
    const column = request.column ?? likely;
    if (column === undefined || (format.kind === 'csv' && !columns.includes(column))) {
      const said = column === undefined ? 'Say which column holds the texts' : `There is no column "${column}"`; // prettier-ignore
      const list = columns.join(', ').slice(0, 300);
      throw new EmotionError('batch.unreadable', `${said}; there are: ${list}`, { file: basename(source), cause: list }); // prettier-ignore
    }
    const name =
      request.name ?? basename('file' in request.source ? source : `upload.${format.kind}`);
    const stamp = await stampOf(source);
    const plan: JobPlan = {
      job: id,
      name,
      folder,
      source,
      stamp,
      format,
      column,
      created: Date.now(),
    };
    const job = this.#add(plan, {
      job: id,
      name,
      state: 'waiting',
      column,
      format,
      created: plan.created,
      rows: 0,
      failed: 0,
      progress: 0,
      rowsPerSecond: 0,
    });
    await this.#save(job);
    this.#change(job, {});
    this.#next();
    return job.view;
  }

  /** What came back for a chunk. @throws EmotionError `batch.unknown`, `input.wrong-type` */
  answer(job: string, row: number, outcome: readonly unknown[] | { readonly error: string }): void {
    this.#find(job).work.answer(row, outcome);
  }

  /** Ends a job; its rows so far are kept until it is removed. @throws EmotionError `batch.unknown` */
  async cancel(id: string): Promise<JobView> {
    const job = this.#find(id);
    if (job.view.state === 'waiting' || job.view.state === 'running') {
      job.stop.abort(new Stopped('cancelled'));
      await job.ended;
      this.#change(job, { state: 'cancelled', ended: Date.now(), rowsPerSecond: 0 });
      await this.#save(job);
    }
    return job.view;
  }

  /** Lets a job that was cancelled or failed go on where it was. @throws EmotionError `batch.unknown` */
  async again(id: string): Promise<JobView> {
    const job = this.#find(id);
    if (job.view.state === 'cancelled' || job.view.state === 'failed') {
      job.stop = new AbortController();
      const { ended, error, ...rest } = job.view;
      void [ended, error];
      job.view = rest;
      this.#change(job, { state: 'waiting' });
      await this.#save(job);
      this.#next();
    }
    return job.view;
  }

  /** Ends a job and deletes all of it, the result as well. @throws EmotionError `batch.unknown` */
  async remove(id: string): Promise<void> {
    await this.cancel(id);
    const { plan } = this.#find(id);
    this.#jobs.delete(id);
    await rm(plan.folder, { recursive: true, force: true });
  }

  /** Stops what runs; it goes on when the folder is opened again. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { stop } of this.#jobs.values()) stop.abort(new Stopped('closed'));
    await this.#running;
  }

  #find(id: string): Job {
    const job = this.#jobs.get(id);
    if (job) return job;
    throw new EmotionError('batch.unknown', `There is no batch job "${String(id).slice(0, 60)}"`, { job: String(id).slice(0, 60) }); // prettier-ignore
  }

  #add(plan: JobPlan, view: JobView): Job {
    const { chunkRows, inFlight, answerMs, attempts, send } = this.options;
    const onProgress = (progress: JobProgress) => this.#change(job, progress);
    const work = new BatchJob(plan, { chunkRows, inFlight, answerMs, attempts, send, onProgress });
    const none = Promise.resolve();
    const job: Job = { plan, work, view, stop: new AbortController(), ended: none, saved: none };
    this.#jobs.set(plan.job, job);
    return job;
  }

  #next(): void {
    if (this.#closed || this.#running) return;
    const job = [...this.#jobs.values()].find(({ view }) => view.state === 'waiting');
    if (!job) return;
    job.ended = this.#run(job);
    this.#running = job.ended.finally(() => {
      this.#running = undefined;
      this.#next();
    });
  }

  async #run(job: Job): Promise<void> {
    try {
      this.#change(job, { state: 'running' });
      await this.#save(job);
      await job.work.run(job.stop.signal);
      this.#change(job, { state: 'done', ended: Date.now(), result: job.work.result });
      await this.#save(job);
      await this.#forgetOldest();
    } catch (error) {
      if (error instanceof Stopped) return;
      const { code, message } = error instanceof EmotionError ? error : diskError(error);
      this.#change(job, { state: 'failed', ended: Date.now(), error: { code, message } });
      await this.#save(job).catch(() => undefined);
    }
  }

  #change(job: Job, change: Partial<JobView>): void {
    job.view = { ...job.view, ...change };
    if (!this.#closed) this.options.onChange(job.view);
  }

  /** One after the other: two that write the same file at a time would take it from each other. */
  #save(job: Job): Promise<void> {
    const write = async (): Promise<void> => {
      const { plan, view } = job;
      const path = join(plan.folder, 'job.json');
      try {
        await writeFile(`${path}.part`, JSON.stringify({ plan, view }));
        await rename(`${path}.part`, path);
      } catch (cause) {
        throw diskError(cause);
      }
    };
    const saved = job.saved.then(write);
    job.saved = saved.catch(() => undefined);
    return saved;
  }

  async #forgetOldest(): Promise<void> {
    const over = [...this.#jobs.values()]
      .filter(({ view }) => view.ended !== undefined)
      .slice(0, -KEPT);
    for (const { plan } of over) await this.remove(plan.job);
  }
}

function likelyColumn(columns: readonly string[]): string | undefined {
  if (columns.length === 1) return columns[0];
  const lower = columns.map((name) => name.toLowerCase());
  for (const name of TEXT_COLUMNS) {
    const index = lower.indexOf(name);
    if (index >= 0) return columns[index];
  }
  return undefined;
}

function cellsOf(row: TableRow, columns: readonly string[]): string[] {
  if ('cells' in row) return [...row.cells];
  if ('broken' in row) return [row.broken.slice(0, 200)];
  return columns.map((name) => {
    const value = row.object[name];
    return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  });
}
