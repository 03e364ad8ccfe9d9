import { isAbsolute } from 'node:path';
import type { RequestHandler } from 'express';
import type { Node, NodeAPI, NodeAPISettingsWithData, NodeDef } from 'node-red';
import { EmotionError } from '../../lib/emotion/error';
import type { LocalEngineOptions } from '../../lib/engine/engine';
import { EnginePool } from '../../lib/engine/engine-pool';
import { EXECUTION_PROVIDERS, executionProvidersFor } from '../../lib/engine/execution-providers';
import { LocalEngine } from '../../lib/engine/local-engine';
import { RoutingEngine } from '../../lib/engine/routing-engine';
import { toFlowError } from '../../lib/flow/failure';
import { sharedCatalogue } from '../../lib/flow/host';
import { ImportJobs } from '../../lib/flow/import-jobs';
import { ModelAccess, type ModelServices } from '../../lib/flow/model-access';
import { modelFolders } from '../../lib/flow/model-folders';
import { choiceSetting, numberSetting } from '../../lib/flow/settings';
import { tryTextModel } from '../../lib/flow/try-model';
import { modelCard } from '../../lib/models/card';
import { importModel } from '../../lib/models/import/import-model';
import {
  ModelRegistry,
  summarise,
  type BrokenModel,
  type ModelSummary,
} from '../../lib/models/registry';
import { FacePool } from '../../lib/workers/face-pool';
import { AudioPool } from '../../lib/workers/audio-pool';
import { TextPool } from '../../lib/workers/text-pool';
import { addImportEndpoints } from './import-endpoints';

interface ModelDefinition extends NodeDef {
  version?: number;
  source?: string;
  model?: string;
  folder?: string;
  precision?: string;
  provider?: string;
  threads?: number | string;
  maxBatch?: number | string;
  maxWaitMs?: number | string;
  cacheEntries?: number | string;
  timeoutMs?: number | string;
  allowOverride?: boolean;
}

interface Credentials {
  hubToken?: string;
}

/** What the other nodes of the suite see of a model configuration. */
export interface EmotionModelNode extends Node<Credentials> {
  readonly access: ModelAccess;
}

interface Settings extends NodeAPISettingsWithData {
  emotionModelFolder?: string;
}

/** Registers the node type `emotion-model` and the admin end points of its dialog. */
export default function register(RED: NodeAPI<Settings>): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));
  const folders = modelFolders(RED.settings);
  const registry = new ModelRegistry(folders);
  // The first is the user's.
  const models = folders[0]!;
  const engines: EnginePool<Partial<LocalEngineOptions>> = new EnginePool((model, options) =>
    model.routes === undefined
      ? new LocalEngine(model, options)
      : new RoutingEngine(model, model.routes, (target) => engines.acquire(target, options)),
  );
  const texts = new TextPool();
  const imports = new ImportJobs({
    run: importModel,
    models,
    verify: (model) => tryTextModel({ engines, texts }, model),
  });
  const services: ModelServices = {
    registry,
    engines,
    texts,
    faces: new FacePool(),
    sounds: new AudioPool(),
    imports,
  };

  function EmotionModel(this: EmotionModelNode, definition: ModelDefinition): void {
    RED.nodes.createNode(this, definition);
    const access = new ModelAccess(services, {
      reference: chosenModel(definition),
      engine: engineOptions(definition),
      configuration: this.id,
      allowOverride: definition.allowOverride === true,
    });
    Object.assign(this, { access });
    this.on('close', (done: () => void) => {
      access
        .close()
        .catch((error: unknown) => this.error(error))
        .finally(done);
    });
  }

  RED.nodes.registerType<EmotionModelNode, ModelDefinition, object, Credentials>(
    'emotion-model',
    EmotionModel,
    {
      settings: { emotionModelFolder: { value: '', exportable: false } },
      credentials: { hubToken: { type: 'password' } },
    },
  );

  const mayRead = RED.auth.needsPermission('emotion-model.read');
  const mayWrite = RED.auth.needsPermission('emotion-model.write');

  const problem = (error: unknown) => {
    const { message } = toFlowError(error, catalogue);
    return error instanceof EmotionError ? { code: error.code, message } : { message };
  };
  const pickerEntry = (model: ModelSummary | BrokenModel) =>
    model.error ? { id: model.id, error: problem(model.error) } : model;

  RED.httpAdmin.get('/emotion-model/models', mayRead, (_request, response) => {
    registry.list().then(
      (models) => response.json(models.map(pickerEntry)),
      (error: unknown) => response.status(500).json(problem(error)),
    );
  });

  RED.httpAdmin.get('/emotion-model/providers', mayRead, (_request, response) => {
    response.json(executionProvidersFor(process.platform, process.arch));
  });

  // A folder may be anywhere on the disk, so looking into one is for those who may change flows.
  RED.httpAdmin.get('/emotion-model/inspect', mayWrite, (request, response) => {
    loadFolder(request.query.folder).then(
      (model) => response.json(summarise(model)),
      (error: unknown) => response.status(422).json(problem(error)),
    );
  });

  const mayReadCard: RequestHandler = (request, response, next) => {
    const { model } = request.query;
    const isFolder = typeof model === 'string' && isAbsolute(model);
    (isFolder ? mayWrite : mayRead)(request, response, next);
  };
  RED.httpAdmin.get('/emotion-model/card', mayReadCard, (request, response) => {
    const { model } = request.query;
    registry
      .resolve(typeof model === 'string' ? model : '')
      .then(modelCard)
      .then(
        (card) => response.type('text/markdown').send(card),
        (error: unknown) => response.status(422).json(problem(error)),
      );
  });

  addImportEndpoints({
    router: RED.httpAdmin,
    mayImport: RED.auth.needsPermission('flows.write'),
    jobs: imports,
    registry,
    models,
    problem,
    tokenOf: (configuration) =>
      (RED.nodes.getCredentials(configuration) as Credentials | undefined)?.hubToken,
  });

  function loadFolder(folder: unknown) {
    const path = typeof folder === 'string' ? folder.trim() : '';
    return isAbsolute(path)
      ? registry.resolve(path)
      : Promise.reject(new EmotionError('model.not-found', `"${path}" is no absolute path`));
  }
}

function chosenModel({ source, model, folder }: ModelDefinition): string {
  return (source === 'folder' ? folder?.trim() : model) ?? '';
}

function engineOptions(definition: ModelDefinition): Partial<LocalEngineOptions> {
  const precision = choiceSetting(definition.precision, ['default', 'fp32', 'fp16', 'int8']);
  const provider = choiceSetting(definition.provider, EXECUTION_PROVIDERS);
  return {
    ...(precision !== 'default' && { precision }),
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    intraOpThreads: whole(definition.threads, 0, 256, 0),
    maxBatch: whole(definition.maxBatch, 1, 256, 32),
    maxWaitMs: whole(definition.maxWaitMs, 0, 10_000, 0),
    cacheEntries: whole(definition.cacheEntries, 0, 1_000_000, 2_000),
    timeoutMs: whole(definition.timeoutMs, 100, 600_000, 30_000),
  };
}

function whole(value: unknown, least: number, most: number, otherwise: number): number {
  return Math.round(numberSetting(value, { least, most, otherwise }));
}
