import path from 'node:path';
import { EmotionError } from '../emotion/error';
import type { Locale } from '../emotion/labels';
import type { TextSample } from '../emotion/sample';
import type { Manifest } from '../models/manifest';
import type { PrepareOptions } from '../text/prepare';
import { valueOf } from './answer';
import type { TextAnswers, TextGroup, TextTask } from './text-worker';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool';

/** A model whose texts are to be prepared. */
export interface TextModel {
  readonly manifest: Manifest;
  readonly folder: string;
  /** Changes when the model's files do; default: the manifest itself. */
  readonly hash?: string;
  /** Of a router: its models. */
  readonly routes?: Readonly<Record<Locale, Pick<TextModel, 'manifest' | 'folder'>>>;
}

export interface TextPoolOptions extends Omit<WorkerPoolOptions, 'filename'> {
  /** Most texts that one task holds: bounds how long the event loop is busy with one answer. */
  readonly textsPerTask?: number;
}

/** Most UTF-16 units of one task, unless a single text has more. */
const UNITS_PER_TASK = 1 << 17;
/** Tasks that a thread has at hand, so that it never waits for the event loop. */
const TASKS_PER_THREAD = 2;

interface Call {
  readonly model: OpenModel;
  readonly group: TextGroup;
  readonly units: number;
  readonly resolve: (samples: TextSample[]) => void;
  readonly reject: (error: unknown) => void;
}

interface OpenModel {
  readonly task: Omit<TextTask, 'groups'>;
  users: number;
}

/** The front end of one model, as long as somebody holds it. */
export interface TextPreparation {
  /**
   * One sample a text, in order, computed off the event loop. Calls that come close together share
   * a task.
   *
   * @throws EmotionError `input.wrong-type`, `worker.failed`, `engine.closed`
   */
  prepare(texts: readonly string[], options: PrepareOptions): Promise<TextSample[]>;
  /** Gives the model back; when the last one does, the threads stop. */
  close(): Promise<void>;
}

/**
 * Prepares texts in worker threads for any number of models and callers. Threads start when the
 * first model is opened and stop when the last is closed. Owned by whoever shares it between
 * nodes.
 *
 * @example
 * const pool = new TextPool();
 * const front = await pool.open({ manifest, folder });
 * const [sample] = await front.prepare(['真好'], { language: 'auto', stopWords: 'default', split: 'text' });
 * await front.close();
 */
export class TextPool {
  readonly #options: TextPoolOptions;
  readonly #textsPerTask: number;
  readonly #models = new Map<string, OpenModel>();
  #workers: WorkerPool | undefined;
  #waiting: Call[] = [];
  #running = 0;
  #scheduled = false;

  constructor(options: TextPoolOptions = {}) {
    this.#options = options;
    this.#textsPerTask = options.textsPerTask ?? 32;
  }

  /** Models that somebody holds. */
  get size(): number {
    return this.#models.size;
  }

  /**
   * @throws EmotionError what is wrong with the model's manifest or tokenizer, as
   * `TextPreparer.load`; then nothing is held
   */
  async open({ manifest, folder, hash, routes }: TextModel): Promise<TextPreparation> {
    const json = JSON.stringify(manifest);
    const key = `${folder}\n${hash ?? json}`;
    let model = this.#models.get(key);
    if (model === undefined) {
      model = { task: { key, folder, manifest: json, ...routesOf(routes) }, users: 0 };
      this.#models.set(key, model);
    }
    model.users++;
    const preparation = this.#preparation(key, model);
    try {
      await this.#workersStarted().run('open', { ...model.task, groups: [] });
    } catch (error) {
      await preparation.close();
      throw error;
    }
    return preparation;
  }

  #preparation(key: string, model: OpenModel): TextPreparation {
    let open = true;
    return {
      prepare: async (texts, options) => {
        if (!open) throw closedError();
        return this.#prepare(model, texts, options);
      },
      close: async () => {
        if (!open) return;
        open = false;
        if (--model.users > 0) return;
        this.#models.delete(key);
        this.#rejectWaiting(({ model: wanted }) => wanted === model);
        if (this.#models.size === 0) await this.#stop();
      },
    };
  }

  async #prepare(
    model: OpenModel,
    texts: readonly string[],
    options: PrepareOptions,
  ): Promise<TextSample[]> {
    checkTexts(texts);
    const groups = this.#chunks(texts);
    const answers = await Promise.all(
      groups.map(
        (group) =>
          new Promise<TextSample[]>((resolve, reject) => {
            this.#waiting.push({
              model,
              group: { texts: group.texts, options },
              units: group.units,
              resolve,
              reject,
            });
            this.#schedule();
          }),
      ),
    );
    return answers.length === 1 ? answers[0]! : answers.flat();
  }

  /** A call's texts in parts that fit a task. */
  #chunks(texts: readonly string[]): { texts: readonly string[]; units: number }[] {
    const chunks: { texts: string[]; units: number }[] = [];
    let last: { texts: string[]; units: number } | undefined;
    for (const text of texts) {
      const full =
        last === undefined ||
        last.texts.length >= this.#textsPerTask ||
        last.units + text.length > UNITS_PER_TASK;
      if (full) chunks.push((last = { texts: [], units: 0 }));
      last!.texts.push(text);
      last!.units += text.length;
    }
    return chunks;
  }

  /** Tasks are formed at the end of the turn: what a turn's messages bring is one task. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    const workers = this.#workers;
    if (workers === undefined) return;
    while (this.#waiting.length > 0 && this.#running < workers.threads * TASKS_PER_THREAD) {
      this.#run(workers, this.#nextTask());
    }
  }

  /** The longest run of waiting calls for one model that fits a task. */
  #nextTask(): Call[] {
    const [{ model }] = this.#waiting as [Call];
    let texts = 0;
    let units = 0;
    let count = 0;
    for (const call of this.#waiting) {
      texts += call.group.texts.length;
      units += call.units;
      const fits = texts <= this.#textsPerTask && units <= UNITS_PER_TASK;
      if (call.model !== model || (count > 0 && !fits)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  #run(workers: WorkerPool, calls: readonly Call[]): void {
    this.#running++;
    const task: TextTask = {
      ...calls[0]!.model.task,
      groups: calls.map((call) => call.group),
    };
    workers
      .run<TextAnswers>('prepare', task)
      .then(
        (answers) => calls.forEach((call, index) => settle(call, answers[index]!)),
        (error: unknown) => calls.forEach((call) => call.reject(error)),
      )
      .finally(() => {
        this.#running--;
        this.#dispatch();
      })
      .catch(() => undefined);
  }

  #workersStarted(): WorkerPool {
    this.#workers ??= new WorkerPool({
      ...this.#options,
      filename: path.join(__dirname, 'text-worker.js'),
    });
    return this.#workers;
  }

  #rejectWaiting(which: (call: Call) => boolean): void {
    const [rejected, kept] = [this.#waiting.filter(which), this.#waiting.filter((c) => !which(c))];
    this.#waiting = kept;
    for (const call of rejected) call.reject(closedError());
  }

  async #stop(): Promise<void> {
    const workers = this.#workers;
    this.#workers = undefined;
    await workers?.close();
  }
}

function routesOf(routes: TextModel['routes']): Pick<TextTask, 'routes'> {
  if (routes === undefined) return {};
  const route = ({ manifest, folder }: Pick<TextModel, 'manifest' | 'folder'>) => ({
    folder,
    manifest: JSON.stringify(manifest),
  });
  return { routes: { zh: route(routes.zh), en: route(routes.en) } };
}

function settle(call: Call, answer: TextAnswers[number]): void {
  try {
    call.resolve(valueOf(answer));
  } catch (error) {
    call.reject(error);
  }
}

function checkTexts(texts: readonly unknown[]): void {
  const index = texts.findIndex((text) => typeof text !== 'string');
  if (index < 0) return;
  const actual = texts[index] === null ? 'null' : typeof texts[index];
  throw new EmotionError('input.wrong-type', `Text ${index}: expected a string, got ${actual}`, {
    index,
    expected: 'string',
    actual,
  });
}

function closedError(): EmotionError {
  return new EmotionError(
    'engine.closed',
    'The text front end was closed; send the message again after the deploy',
  );
}
