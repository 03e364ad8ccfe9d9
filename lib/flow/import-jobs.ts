import { randomUUID } from 'node:crypto';
import { EmotionError } from '../emotion/error';
import type { ImportOptions, ImportProgress } from '../models/import/import-model';
import { importedId } from '../models/import/import-model';
import type { InstalledModel } from '../models/model';

/** What a person wants to have imported. */
export interface ImportRequest extends Pick<
  ImportOptions,
  'endpoint' | 'token' | 'mapping' | 'precision' | 'multiLabel'
> {
  /** Absolute path of a folder, or `owner/name[@revision]`. */
  readonly source: string;
  /** Of the installed model; made from the source's name when left out. */
  readonly id?: string;
  /** The model configuration that it is imported for; its nodes show how far it is. */
  readonly configuration?: string;
}

export interface ImportJob {
  readonly job: string;
  readonly source: string;
  /** Of the model. */
  readonly id: string;
  readonly configuration?: string;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  readonly phase: ImportProgress['phase'];
  /** Bytes that have arrived, those of earlier attempts included, of all files together. */
  readonly received: number;
  readonly total?: number;
  /** Why the state is `failed`. */
  readonly error?: unknown;
}

export interface ImportJobsOptions {
  /** Runs one import. */
  readonly run: (source: string, options: ImportOptions) => Promise<InstalledModel>;
  /** Where models are installed. */
  readonly models: string;
  readonly verify?: NonNullable<ImportOptions['verify']>;
  /** Imports at a time. Default 2. */
  readonly most?: number;
  /** Ended imports that are remembered. Default 20. */
  readonly remembered?: number;
}

interface Job {
  view: ImportJob;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

type Listener = (job: ImportJob) => void;

/**
 * Imports that go on while nobody looks: started, looked at and cancelled by a dialog that may be
 * closed and opened again meanwhile. What a cancelled or failed import has downloaded is kept, so
 * the same request once more goes on from there.
 *
 * @example
 * const jobs = new ImportJobs({ run: importModel, models: '/data/emotion-models' });
 * const { job } = jobs.start({ source: 'owner/name' });
 * jobs.get(job); // → { state: 'running', phase: 'downloading', received: 1048576, total: 23500000, … }
 */
export class ImportJobs {
  readonly #options: ImportJobsOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #listeners = new Set<Listener>();

  constructor(options: ImportJobsOptions) {
    this.#options = options;
  }

  /**
   * @throws EmotionError `model.import-not-found` for an id that none can have, `model.import-busy`
   * when the same model, or as many as may, are being imported
   */
  start(request: ImportRequest): ImportJob {
    const { source, configuration, ...options } = request;
    const id = importedId(source, options.id);
    this.#checkRoom(id);
    const stop = new AbortController();
    const job: Job = {
      view: {
        job: randomUUID(),
        source,
        id,
        ...(configuration !== undefined && { configuration }),
        state: 'running',
        phase: 'downloading',
        received: 0,
      },
      stop,
      ended: Promise.resolve().then(() => this.#run(job, options)),
    };
    this.#jobs.set(job.view.job, job);
    this.#forgetOldest();
    return job.view;
  }

  /** All that are remembered, the newest last. */
  list(): ImportJob[] {
    return [...this.#jobs.values()].map(({ view }) => view);
  }

  get(job: string): ImportJob | undefined {
    return this.#jobs.get(job)?.view;
  }

  /** Ends an import that runs; what has arrived stays. Resolves when it has ended. */
  async cancel(job: string): Promise<ImportJob | undefined> {
    const found = this.#jobs.get(job);
    found?.stop.abort();
    await found?.ended;
    return found?.view;
  }

  /** Calls the listener with every change of a job. */
  watch(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Cancels what runs. */
  async close(): Promise<void> {
    await Promise.all([...this.#jobs.keys()].map((job) => this.cancel(job)));
  }

  async #run(job: Job, options: Omit<ImportRequest, 'source' | 'configuration'>): Promise<void> {
    const { run, models, verify } = this.#options;
    const { signal } = job.stop;
    try {
      await run(job.view.source, {
        ...options,
        models,
        signal,
        ...(verify && { verify }),
        progress: ({ phase, received, total }) => {
          const bytes =
            phase === 'downloading' ? { received, ...(total !== undefined && { total }) } : {};
          this.#change(job, { phase, ...bytes });
        },
      });
      this.#change(job, { state: 'done' });
    } catch (error) {
      this.#change(job, signal.aborted ? { state: 'cancelled' } : { state: 'failed', error });
    }
  }

  #change(job: Job, changes: Partial<ImportJob>): void {
    job.view = { ...job.view, ...changes };
    for (const listener of this.#listeners) listener(job.view);
  }

  #checkRoom(id: string): void {
    const running = this.list().filter(({ state }) => state === 'running');
    const most = this.#options.most ?? 2;
    const same = running.some((job) => job.id === id);
    if (!same && running.length < most) return;
    throw new EmotionError(
      'model.import-busy',
      same
        ? `Model "${id}" is being imported already: wait until that has ended, or give another id`
        : `${running.length} models are being imported (${running.map((job) => job.id).join(', ')}), at most ${most} at a time: wait until one has ended, or cancel one`,
      { model: id },
    );
  }

  #forgetOldest(): void {
    const ended = [...this.#jobs].filter(([, { view }]) => view.state !== 'running');
    const surplus = ended.length - (this.#options.remembered ?? 20);
    for (const [job] of ended.slice(0, Math.max(0, surplus))) this.#jobs.delete(job);
  }
}
