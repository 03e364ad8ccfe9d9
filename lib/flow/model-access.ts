import { EmotionError } from '../emotion/error';
import type { Engine, EngineStatus, LocalEngineOptions } from '../engine/engine';
import type { EngineLease, EnginePool } from '../engine/engine-pool';
import type { TextSample, VideoSample } from '../emotion/sample';
import type { Source } from '../emotion/source';
import type { InstalledModel } from '../models/model';
import type { PrepareOptions } from '../text/prepare';
import type { Marked } from '../video/annotate';
import type { Picture } from '../video/picture';
import type { FacePool, FacePreparation, ReadOptions } from '../workers/face-pool';
import type { FaceEngine, FaceInput } from '../workers/face-protocol';
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
  lease?: EngineLease;
  texts?: Promise<TextPreparation> | undefined;
  readonly faces: Map<FaceEngine, FacePreparation>;
  /** By what tells speech from the rest. */
  readonly sounds: Map<SpeechMethod, Promise<AudioPreparation>>;
  retryAt?: number;
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
 * lease of its engine, taken when something is first inferred, and its text front end. A model that
 * turns out to be missing or broken is looked up anew after a moment, and one that was imported anew
 * takes the place of the old one, so neither needs a redeploy.
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
  infer<T>(
    requested: unknown,
    task: (engine: Engine, model: InstalledModel) => Promise<T>,
  ): Promise<T> {
    return this.#use(requested, (opened, model) => {
      opened.lease ??= this.#acquire(model);
      return task(opened.lease.engine, model);
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

  /** Draws faces on a picture: a JPEG file. */
  drawFaces(
    requested: unknown,
    picture: Picture,
    faces: readonly Marked[],
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return this.#use(requested, (opened, model) => {
      const [any] = opened.faces.values();
      return (any ?? this.#faces(opened, model, 'onnxruntime')).draw(picture, faces, signal);
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

  async #use<T>(
    requested: unknown,
    task: (opened: Opened, model: InstalledModel) => Promise<T>,
  ): Promise<T> {
    const reference = await this.#reference(requested);
    const opened = this.#open(reference);
    const model = await opened.model;
    if (this.#closed) throw new EmotionError('engine.closed', 'The model configuration was closed');
    if (model.manifest.weights !== undefined) throw fallbackOnly(model);
    opened.users += 1;
    try {
      const result = await task(opened, model);
      opened.failures = 0;
      return result;
    } catch (error) {
      if (isModelError(error)) this.#discard(reference, opened, error);
      throw error;
    } finally {
      opened.users -= 1;
      this.#releaseUnused(opened);
    }
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
      opened.lease?.engine.off('status', this.#tell);
      opened.retired = true;
      this.#retired.add(opened);
      this.#releaseUnused(opened);
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
    const opened: Opened = {
      model: this.services.registry.resolve(reference),
      faces: new Map(),
      users: 0,
      sounds: new Map(),
      failures: known?.failures ?? 0,
    };
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
    const rest = Math.min(LONGEST_REST_MS, RETRY_AFTER_MS * 2 ** (failures - 1));
    this.#opened.set(reference, {
      model,
      faces: new Map(),
      users: 0,
      sounds: new Map(),
      failures,
      retryAt: performance.now() + rest,
    });
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
  drawFaces: () => Promise.reject(notConfigured()),
  prepareSound: () => Promise.reject(notConfigured()),
  list: () => Promise.reject(notConfigured()),
  watch: () => () => undefined,
};

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
