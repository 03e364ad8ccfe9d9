import { readdir } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { EmotionError } from '../emotion/error';
import { FileHashes } from './file-hashes';
import type { Manifest, Precision, Routes } from './manifest';
import { loadModel, MANIFEST_FILE, withRoutes, type InstalledModel } from './model';

/** A measurement; of a router, with the id of the model that was measured. */
export type SummaryMetric = Manifest['metrics'][number] & { readonly model?: string };

/** What a picker shows of an installed model. */
export interface ModelSummary {
  readonly id: string;
  readonly folder: string;
  readonly title: Manifest['title'];
  readonly version: string;
  readonly modality: Manifest['modality'];
  readonly architecture: string;
  readonly languages: readonly string[];
  readonly labels: readonly string[];
  /** The precisions that it has graphs of. */
  readonly precisions: readonly Precision[];
  /** Bytes of the default graph and the tokenizer. */
  readonly bytes: number;
  readonly licence: Manifest['licence'];
  /** Of a router without its own: those of its models. */
  readonly metrics: readonly SummaryMetric[];
  /** The metric that stands for the model; a router has one for each of its models, in `metrics`. */
  readonly headline?: SummaryMetric;
  /** Of a router: the ids of the models that it chooses from. */
  readonly routes?: Routes;
  readonly error?: never;
}

/** A folder that holds a model.yaml and is not usable. */
export interface BrokenModel {
  /** The folder's name. */
  readonly id: string;
  readonly folder: string;
  readonly error: EmotionError;
}

type Entry = { readonly id: string; readonly folder: string } & (
  | { readonly model: InstalledModel; readonly error?: never }
  | { readonly error: EmotionError; readonly model?: never }
);

/**
 * The models in some folders, one folder a model inside each. A model in an earlier folder hides
 * one with the same id in a later folder, so a user's own copy goes before the shipped one.
 *
 * @example
 * const registry = new ModelRegistry([userFolder, shippedModels()]);
 * const model = await registry.resolve('text-bilstm');
 */
export class ModelRegistry {
  readonly #hashes = new FileHashes();

  constructor(readonly folders: readonly string[]) {}

  /** All models, sorted by id; broken ones with what is wrong. */
  async list(): Promise<(ModelSummary | BrokenModel)[]> {
    const entries = await this.#scan();
    return entries.map(({ id, folder, model, error }) =>
      model === undefined ? { id, folder, error } : summarise(model),
    );
  }

  /**
   * The model with an id, or in an absolute folder.
   *
   * @throws EmotionError `model.not-found`, naming what is installed, or what {@link loadModel}
   * throws for a broken model
   */
  async resolve(idOrFolder: string): Promise<InstalledModel> {
    if (isAbsolute(idOrFolder)) {
      const model = await loadModel(idOrFolder, this.#hashes);
      return withRoutes(model, (id) => this.resolve(id));
    }

    const direct = await this.#direct(idOrFolder);
    if (direct !== undefined) return direct;

    const entries = await this.#scan();
    const found = entries.find(({ id }) => id === idOrFolder);
    if (found?.error) throw found.error;
    if (found?.model) return found.model;
    throw this.#notFound(
      idOrFolder,
      entries.map(({ id }) => id),
    );
  }

  /** The usual case without reading every other model: the first folder holds it under its id. */
  async #direct(id: string): Promise<InstalledModel | undefined> {
    const [first] = this.folders;
    if (first === undefined || !/^[a-z0-9][a-z0-9._-]*$/.test(id)) return undefined;
    const model = await loadModel(join(first, id), this.#hashes).catch(() => undefined);
    if (model?.manifest.id !== id) return undefined;
    return withRoutes(model, (target) => this.resolve(target));
  }

  async #scan(): Promise<Entry[]> {
    const byId = new Map<string, Entry>();
    for (const parent of this.folders) {
      for (const folder of await modelFolders(parent)) {
        const entry = await this.#read(folder);
        if (!byId.has(entry.id)) byId.set(entry.id, entry);
      }
    }
    const targets = new Map(byId);
    for (const { id, folder, model } of targets.values()) {
      if (model?.manifest.routes === undefined) continue;
      const entry = await withRoutes(model, (target) => this.#target(targets, target)).then(
        (routed): Entry => ({ id, folder, model: routed }),
        (error: EmotionError): Entry => ({ id, folder, error }),
      );
      byId.set(id, entry);
    }
    return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #target(entries: ReadonlyMap<string, Entry>, id: string): Promise<InstalledModel> {
    const found = entries.get(id);
    if (found?.model) return Promise.resolve(found.model);
    return Promise.reject(found?.error ?? this.#notFound(id, [...entries.keys()].sort()));
  }

  #notFound(id: string, ids: readonly string[]): EmotionError {
    const installed = ids.join(', ') || 'none';
    return new EmotionError(
      'model.not-found',
      `No model "${id}" in ${this.folders.join(', ')}; installed: ${installed}`,
      { model: id, installed },
    );
  }

  async #read(folder: string): Promise<Entry> {
    try {
      const model = await loadModel(folder, this.#hashes);
      return { id: model.manifest.id, folder, model };
    } catch (cause) {
      const error =
        cause instanceof EmotionError
          ? cause
          : new EmotionError(
              'model.file-missing',
              `${folder}: cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
              { file: folder },
              { cause },
            );
      return { id: basename(folder), folder, error };
    }
  }
}

async function modelFolders(parent: string): Promise<string[]> {
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
  const folders: string[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory() && !entry.isSymbolicLink()) continue;
    const folder = join(parent, entry.name);
    const files = await readdir(folder).catch((): string[] => []);
    if (files.includes(MANIFEST_FILE)) folders.push(folder);
  }
  return folders.sort();
}

/** What a picker shows of a model. */
export function summarise(model: InstalledModel): ModelSummary {
  const { manifest, folder } = model;
  const metrics = metricsOf(model);
  const headline = metrics.find((metric) => metric.headline && metric.model === undefined);
  return {
    id: manifest.id,
    folder,
    title: manifest.title,
    version: manifest.version,
    modality: manifest.modality,
    architecture: manifest.architecture,
    languages: manifest.languages,
    labels: manifest.labels,
    precisions: (['fp32', 'fp16', 'int8'] as const).filter((one) =>
      graphs(model).every(({ manifest: { files } }) => files[one]),
    ),
    bytes: graphs(model).reduce((sum, one) => sum + bytesOf(one), 0),
    licence: manifest.licence,
    metrics,
    ...(headline && { headline }),
    ...(manifest.routes && { routes: manifest.routes }),
  };
}

/** The models that have graphs: the model itself, or those that a router chooses from. */
function graphs(model: InstalledModel): InstalledModel[] {
  if (model.manifest.routes === undefined) return [model];
  const { zh, en } = model.routes ?? {};
  return [...new Set([zh, en])].filter((target) => target !== undefined);
}

function metricsOf(model: InstalledModel): readonly SummaryMetric[] {
  const { metrics, routes } = model.manifest;
  if (routes === undefined || metrics.length > 0) return metrics;
  return graphs(model).flatMap(({ manifest }) =>
    manifest.metrics.map((metric) => ({ ...metric, model: manifest.id })),
  );
}

function bytesOf({ manifest: { files, weights } }: InstalledModel): number {
  return ((files[files.default] ?? weights)?.bytes ?? 0) + (files.tokenizer?.bytes ?? 0);
}
