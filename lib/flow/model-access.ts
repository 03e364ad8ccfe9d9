import { EmotionError } from '../emotion/error';
import type { Engine, EngineStatus, LocalEngineOptions } from '../engine/engine';
import type { EngineLease, EnginePool } from '../engine/engine-pool';
import type { TextSample, VideoSample } from '../emotion/sample';
import type { Source } from '../emotion/source';
import type { InstalledModel } from '../models/model';
import type { PrepareOptions } from '../text/prepare';
import type { Marked } from '../video/annotate';
import type { FaceEngine } from '../video/open-faces';
import type { Picture } from '../video/picture';
import type { FacePool, FacePreparation, ReadOptions, SplitFilm } from '../workers/face-pool';
import type { FaceInput } from '../workers/face-protocol';
import type { AudioPool, AudioPreparation } from '../workers/audio-pool';
import type { SpeechMethod } from '../workers/audio-worker';
import type { TextPool, TextPreparation } from '../workers/text-pool';
import type { BrokenModel, ModelRegistry, ModelSummary } from '../models/registry';
import type { ImportJob, ImportJobs } from './import-jobs';

export interface ModelChoice {
  /** Id of an installed model, or the absolute path of a folder; empty when none was chosen. */
  readonly reference: string;
  readonly engine: Partial<LocalEngineOptions>;
  /** Id of the configuration; imports are started for one. */
  readonly configuration?: string;
  /** Whether a message may name another installed model. */
  readonly allowOverride: boolean;
}

/** How long a model that failed is left alone: doubled each time that it fails to run. */
const RETRY_AFTER_MS = 500;
const LONGEST_REST_MS = 8_000;

interface Opened {
  readonly model: Promise<InstalledModel>;
  lease?: EngineLease | undefined;
  texts?: Promise<TextPreparation> | undefined;
  readonly faces: Map<FaceEngine, FacePreparation>;
  /** By what tells speech from the rest. */
  readonly sounds: Map<SpeechMethod, Promise<AudioPreparation>>;
  /** A model that cannot be read is looked up anew after this time. */
  retryAt?: number;
  /** The engine failed to run the model and is left alone. What prepares for the model goes on. */
  rest?: { readonly error: EmotionError; readonly until: number } | undefined;
  /** While the model is read anew after the rest. */
  waking?: Promise<void> | undefined;
  /** Tasks that use it now. */
  users: number;
  /** Released by the last of its users: another model has taken its place. */
  retired?: boolean;
  /** How often the model failed to run since it last did. */
  failures: number;
}

/** What all model configurations share. */
export interface ModelServices {
  readonly registry: Pick<ModelRegistry, 'resolve' | 'list'>;
  readonly engines: Pick<EnginePool<Partial<LocalEngineOptions>>, 'acquire'>;
  readonly texts: Pick<TextPool, 'open'>;
  readonly faces: Pick<FacePool, 'open'>;
  readonly imports?: Pick<ImportJobs, 'watch'>;
  readonly sounds: Pick<AudioPool, 'open'>;
}

/** What becomes of the model of a configuration: of its engine, or of its import. */
export type ModelStatus = EngineStatus | { readonly state: 'import'; readonly job: ImportJob };

export type ModelStatusListener = (status: ModelStatus) => void;

/**
 * What the nodes of one model configuration share: the model, read when it is first asked for, a
 * lease of its engine, taken when something is first inferred, and its front ends. A model that
 * turns out to be missing or broken is looked up anew after a moment, and one that was imported anew
 * takes the place of the old one, so neither needs a redeploy. While an engine that cannot run its model
 * is left alone, the front ends go on: what they prepare is what a fallback answers by.
 *
 * Wherever a method takes `requested`, it is what a message asks for in `msg.model`: the id of an
 * installed model. Anything but a non-empty string asks for nothing, and where the configuration
 * does not allow it, nobody is asked.
 */
export class ModelAccess {
  readonly #opened = new Map<string, Opened>();
  readonly #retired = new Set<Opened>();
  readonly #listeners = new Set<ModelStatusListener>();
  readonly #stopWatching: (() => void) | undefined;
  #closed = false;

  constructor(
    private readonly services: ModelServices,
    private readonly choice: ModelChoice,
  ) {
    this.#stopWatching = services.imports?.watch((job) => this.#followImport(job));
  }

  /**
   * @throws EmotionError `model.*`; `input.wrong-model` when the message asks for one that is not
   * installed
   */
  async model(requested?: unknown): Promise<InstalledModel> {
    return this.#open(await this.#reference(requested)).model;
  }

  /** Runs something on the engine of a model. */
  async infer<T>(
    requested: unknown,
    task: (engine: Engine, model: InstalledModel) => Promise<T>,
  ): Promise<T> {
    const reference = await this.#reference(requested);
    await this.#awake(reference);
    return this.#hold(reference, async (opened, model) => {
      const lease = (opened.lease ??= this.#acquire(model));
      try {
        const result = await task(lease.engine, model);
        opened.failures = 0;
        return result;
      } catch (error) {
        if (isModelError(error) && opened.lease === lease) {
          this.#rest(opened, error);
          this.#giveBack(opened);
        }
        throw error;
      }
    });
  }

  /** Prepares texts for a model. */
  prepareTexts(
    requested: unknown,
    texts: readonly string[],
    options: PrepareOptions,
  ): Promise<TextSample[]> {
    return this.#use(requested, async (opened, model) => {
      opened.texts ??= this.#openTexts(opened, model);
      return (await opened.texts).prepare(texts, options);
    });
  }

  /** Looks for faces and prepares them for a model. */
  prepareFaces(
    requested: unknown,
    engine: FaceEngine,
    input: FaceInput,
    source: Source,
    options: ReadOptions,
  ): Promise<VideoSample> {
    return this.#use(requested, (opened, model) =>
      this.#faces(opened, model, engine).read(input, source, options),
    );
  }

  /** The same, and the sound of a film. */
  splitFilm(
    requested: unknown,
    engine: FaceEngine,
    input: FaceInput,
    source: Source,
    options: ReadOptions,
  ): Promise<SplitFilm> {
    return this.#use(requested, (opened, model) =>
      this.#faces(opened, model, engine).split(input, source, options),
    );
  }

  /** Draws faces on a picture: a JPEG file. */
  drawFaces(
    requested: unknown,
    picture: Picture,
    faces: readonly Marked[],
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return this.#use(requested, (opened, model) => {
      const [any] = opened.faces.values();
      return (any ?? this.#faces(opened, model, 'auto')).draw(picture, faces, signal);
    });
  }

  #faces(opened: Opened, model: InstalledModel, engine: FaceEngine): FacePreparation {
    let front = opened.faces.get(engine);
    if (front === undefined) {
      front = this.services.faces.open(model.manifest, engine);
      opened.faces.set(engine, front);
    }
    return front;
  }

  /**
   * Prepares sound for a model. The front end is kept for the configuration; what is read from it
   * must have been read when the task ends.
   */
  prepareSound<T>(
    requested: unknown,
    speech: SpeechMethod,
    task: (front: AudioPreparation) => Promise<T>,
  ): Promise<T> {
    return this.#use(requested, async ({ sounds }, { manifest }) => {
      let front = sounds.get(speech);
      if (front === undefined) {
        front = this.services.sounds.open(manifest, speech);
        sounds.set(speech, front);
        front.catch(() => sounds.delete(speech));
      }
      return task(await front);
    });
  }

  /** All installed models, broken ones included. */
  list(): Promise<(ModelSummary | BrokenModel)[]> {
    return this.services.registry.list();
  }

  /**
   * Calls the listener when an engine of this configuration changes its state, and with each step of
   * an import of its model or for it.
   */
  watch(listener: ModelStatusListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopWatching?.();
    this.#listeners.clear();
    const opened = [...this.#opened.values(), ...this.#retired];
    this.#opened.clear();
    this.#retired.clear();
    await Promise.all(opened.map(release));
  }

  /** Prepares something; a front end that cannot be opened may mean that the model is broken. */
  async #use<T>(
    requested: unknown,
    task: (opened: Opened, model: InstalledModel) => Promise<T>,
  ): Promise<T> {
    const reference = await this.#reference(requested);
    return this.#hold(reference, async (opened, model) => {
      try {
        return await task(opened, model);
      } catch (error) {
        if (isModelError(error)) this.#discard(reference, opened, error);
        throw error;
      }
    });
  }

  async #hold<T>(
    reference: string,
    task: (opened: Opened, model: InstalledModel) => Promise<T>,
  ): Promise<T> {
    const opened = this.#open(reference);
    const model = await opened.model;
    if (this.#closed) throw closedError();
    if (model.manifest.weights !== undefined) throw fallbackOnly(model);
    opened.users += 1;
    try {
      return await task(opened, model);
    } finally {
      opened.users -= 1;
      this.#releaseUnused(opened);
    }
  }

  /** @throws what failed, while the engine rests; what `resolve` throws, when it is looked at again */
  async #awake(reference: string): Promise<void> {
    const opened = this.#open(reference);
    const { rest } = opened;
    if (rest === undefined) return;
    if (performance.now() < rest.until) throw rest.error;
    opened.waking ??= this.#wake(reference, opened).finally(() => {
      opened.waking = undefined;
    });
    await opened.waking;
  }

  /** Reads the model anew; front ends stay where it is the same. */
  async #wake(reference: string, opened: Opened): Promise<void> {
    const before = await opened.model;
    let model: InstalledModel;
    try {
      model = await this.services.registry.resolve(reference);
    } catch (error) {
      if (isModelError(error)) this.#rest(opened, error);
      throw error;
    }
    opened.rest = undefined;
    if (model.hash === before.hash && model.folder === before.folder) return;
    if (this.#opened.get(reference) !== opened) return;
    this.#opened.set(reference, this.#fresh(Promise.resolve(model), opened.failures));
    this.#retire(opened);
  }

  #rest(opened: Opened, error: EmotionError): void {
    opened.failures += 1;
    opened.rest = { error, until: performance.now() + restMs(opened.failures) };
  }

  /** The engine's process ends with its last user. */
  #giveBack(opened: Opened): void {
    const { lease } = opened;
    opened.lease = undefined;
    lease?.engine.off('status', this.#tell);
    lease?.release().catch(() => undefined);
  }

  #fresh(model: Promise<InstalledModel>, failures: number): Opened {
    return { model, faces: new Map(), users: 0, sounds: new Map(), failures };
  }

  #retire(opened: Opened): void {
    opened.lease?.engine.off('status', this.#tell);
    opened.retired = true;
    this.#retired.add(opened);
    this.#releaseUnused(opened);
  }

  #followImport(job: ImportJob): void {
    const { reference, configuration } = this.choice;
    if (job.state === 'done') void this.#replace(job.id);
    if (job.id !== reference && (!configuration || job.configuration !== configuration)) return;
    this.#tell({ state: 'import', job });
  }

  /** From now on the model with this id is the one that is installed now. */
  async #replace(id: string): Promise<void> {
    for (const [reference, opened] of [...this.#opened]) {
      const model = await opened.model.catch(() => undefined);
      const ids = [model, ...Object.values(model?.routes ?? {})].map((one) => one?.manifest.id);
      if (model === undefined ? reference !== id : !ids.includes(id)) continue;
      if (this.#opened.get(reference) !== opened) continue;
      this.#opened.delete(reference);
      this.#retire(opened);
    }
  }

  #releaseUnused(opened: Opened): void {
    if (!opened.retired || opened.users > 0) return;
    this.#retired.delete(opened);
    release(opened).catch(() => undefined);
  }

  /** @throws EmotionError `model.not-configured`, `input.wrong-model` */
  async #reference(requested: unknown): Promise<string> {
    const { reference, allowOverride } = this.choice;
    const asksForOther =
      allowOverride &&
      typeof requested === 'string' &&
      requested !== '' &&
      !(await this.#isChosen(requested));
    if (asksForOther) {
      if (!this.#opened.has(requested)) await this.#checkInstalled(requested);
      return requested;
    }
    if (reference === '') {
      throw notConfigured();
    }
    return reference;
  }

  async #isChosen(id: string): Promise<boolean> {
    const { reference } = this.choice;
    if (reference === '' || reference === id) return reference === id;
    const chosen = await this.#open(reference).model.catch(() => undefined);
    return chosen?.manifest.id === id;
  }

  /** A message may come from anywhere: it names a model by its id, never a folder. */
  async #checkInstalled(id: string): Promise<void> {
    const installed = (await this.services.registry.list()).map((model) => model.id);
    if (installed.includes(id)) return;
    const names = installed.join(', ') || 'none';
    throw new EmotionError(
      'input.wrong-model',
      `The message asks for model "${id}"; installed: ${names}`,
      { model: id, installed: names },
    );
  }

  #open(reference: string): Opened {
    const known = this.#opened.get(reference);
    if (known && (known.retryAt === undefined || performance.now() < known.retryAt)) return known;
    const opened = this.#fresh(this.services.registry.resolve(reference), known?.failures ?? 0);
    opened.model.catch(() => {
      opened.retryAt = performance.now() + RETRY_AFTER_MS;
    });
    this.#opened.set(reference, opened);
    return opened;
  }

  #openTexts(opened: Opened, model: InstalledModel): Promise<TextPreparation> {
    const texts = this.services.texts.open(model);
    texts.catch(() => {
      if (opened.texts === texts) opened.texts = undefined;
    });
    return texts;
  }

  #acquire(model: InstalledModel): EngineLease {
    const lease = this.services.engines.acquire(model, this.choice.engine);
    lease.engine.on('status', this.#tell);
    return lease;
  }

  /** Remembers the failure for a moment, then lets the model be read and loaded afresh. */
  #discard(reference: string, opened: Opened, error: EmotionError): void {
    if (this.#opened.get(reference) !== opened) return;
    const model = Promise.reject(error);
    model.catch(() => undefined);
    const failures = opened.failures + 1;
    const retryAt = performance.now() + restMs(failures);
    this.#opened.set(reference, { ...this.#fresh(model, failures), retryAt });
    opened.lease?.engine.off('status', this.#tell);
    release(opened).catch(() => undefined);
  }

  readonly #tell: ModelStatusListener = (status) => {
    for (const listener of this.#listeners) listener(status);
  };
}

async function release({ lease, texts, sounds, faces }: Opened): Promise<void> {
  const fronts = await Promise.allSettled([texts, ...sounds.values()]);
  await Promise.all([
    lease?.release(),
    ...fronts.map((front) => (front.status === 'fulfilled' ? front.value?.close() : undefined)),
    ...[...faces.values()].map((preparation) => preparation.close()),
  ]);
}

/** How long a model is left alone that failed to run so often. */
function restMs(failures: number): number {
  return Math.min(LONGEST_REST_MS, RETRY_AFTER_MS * 2 ** (failures - 1));
}

function isModelError(error: unknown): error is EmotionError {
  return error instanceof EmotionError && error.code.startsWith('model.');
}

/** The access that a model configuration carries; one that says so when none was chosen. */
export function modelAccessOf(
  config: unknown,
): Pick<
  ModelAccess,
  | 'model'
  | 'infer'
  | 'prepareTexts'
  | 'prepareFaces'
  | 'splitFilm'
  | 'drawFaces'
  | 'prepareSound'
  | 'list'
  | 'watch'
> {
  const access = (config as { access?: unknown } | null | undefined)?.access;
  return access instanceof ModelAccess ? access : NOT_CONFIGURED;
}

const NOT_CONFIGURED: ReturnType<typeof modelAccessOf> = {
  model: () => Promise.reject(notConfigured()),
  infer: () => Promise.reject(notConfigured()),
  prepareTexts: () => Promise.reject(notConfigured()),
  prepareFaces: () => Promise.reject(notConfigured()),
  splitFilm: () => Promise.reject(notConfigured()),
  drawFaces: () => Promise.reject(notConfigured()),
  prepareSound: () => Promise.reject(notConfigured()),
  list: () => Promise.reject(notConfigured()),
  watch: () => () => undefined,
};

function closedError(): EmotionError {
  return new EmotionError('engine.closed', 'The model configuration was closed');
}

function fallbackOnly({ manifest: { id } }: InstalledModel): EmotionError {
  return new EmotionError(
    'input.wrong-model',
    `Model "${id}" answers for emotion-fallback only; choose a model with a graph`,
    { model: id },
  );
}

function notConfigured(): EmotionError {
  return new EmotionError(
    'model.not-configured',
    'No model is chosen: open the node and choose or add a model configuration',
  );
}

/** What anyone may know of an installed model: nothing of one that is broken, and no paths. */
export function publicSummary(model: ModelSummary | BrokenModel): Omit<ModelSummary, 'folder'>[] {
  if (model.error) return [];
  const shown: { folder?: string } & Omit<ModelSummary, 'folder'> = { ...model };
  delete shown.folder;
  return [shown];
}
