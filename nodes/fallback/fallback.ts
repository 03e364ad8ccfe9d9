import type { Node, NodeAPI, NodeAPISettingsWithData, NodeDef } from 'node-red';
import { EmotionError } from '../../lib/emotion/error';
import { isSample, type Sample } from '../../lib/emotion/sample';
import { acceptCaughtInput } from '../../lib/flow/caught-input';
import { describeResults, describeValue } from '../../lib/flow/describe';
import { FallbackModels } from '../../lib/flow/fallback-models';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { modelFolders, type ModelFolderSettings } from '../../lib/flow/model-folders';
import { Property } from '../../lib/flow/property';
import { Resender, type Completion } from '../../lib/flow/resend';
import { choiceSetting, numberSetting, propertySetting } from '../../lib/flow/settings';
import { readTexts } from '../../lib/flow/text-input';
import { ModelRegistry } from '../../lib/models/registry';
import { CircuitBreakers } from '../../lib/resilience/circuit-breakers';
import { FallbackChain } from '../../lib/resilience/fallback-chain';

interface FallbackDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  attempts?: number | string;
  firstDelay?: number | string;
  longestDelay?: number | string;
  timeout?: number | string;
  threshold?: number | string;
  openFor?: number | string;
  keep?: boolean;
  state?: string;
  stateType?: string;
  answer?: boolean;
  textModel?: string;
  audioModel?: string;
  videoModel?: string;
  uncertain?: number | string;
  maxPending?: number | string;
}

interface CompleteEvent {
  readonly msg: object;
  readonly error?: unknown;
  readonly node: { readonly id: string };
}

interface SendEvent {
  readonly msg: object;
  readonly source: { readonly id: string };
}

/** The part of `RED.hooks` that is needed; its types are not published. */
interface Hooks {
  add(name: string, listener: (event: CompleteEvent) => void): void;
  /** What returns false keeps the messages from leaving. */
  add(name: string, listener: (events: readonly SendEvent[]) => false | undefined): void;
  remove(name: string): void;
}

type Runtime = NodeAPI<NodeAPISettingsWithData & ModelFolderSettings> & { readonly hooks: Hooks };

/** Distinguishes the lives of a node: what one sent again is nothing to the next one. */
let lives = 0;

/** Registers the node type `emotion-fallback`: a message from a Catch node in, Result out. */
export default function register(RED: Runtime): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));
  const registry = new ModelRegistry(modelFolders(RED.settings));

  function EmotionFallback(this: Node, definition: FallbackDefinition): void {
    RED.nodes.createNode(this, definition);
    const host = propertyHost(RED.util, this);
    const life = `${this.id.replace(/\W/g, '-')}-${(lives += 1)}`;
    const models = new FallbackModels(registry, {
      text: modelId(definition.textModel, 'fallback-text'),
      audio: modelId(definition.audioModel, 'fallback-audio'),
      video: modelId(definition.videoModel, 'fallback-video'),
    });
    const threshold = numberSetting(definition.uncertain, { least: 0, most: 1, otherwise: 0.5 });

    const state = definition.keep === true ? stateProperty(definition, host) : undefined;
    const saved = state?.read({}).catch(() => undefined) ?? Promise.resolve(undefined);
    const breakers = new CircuitBreakers({
      threshold: whole(definition.threshold, 1, 1000, 5),
      halfOpenAfterMs: seconds(definition.openFor, 0.01, 3600, 30),
      onChange: () => save(),
    });
    const save = (): void => {
      state?.write({}, breakers.toJSON()).catch((error: unknown) => this.error(error));
    };
    const restored = saved.then((value) => breakers.restore(value));

    acceptCaughtInput({
      node: this,
      property: new Property(propertySetting(definition.property, definition.propertyType), host),
      catalogue,
      ready: restored,
      chain: new FallbackChain({
        breakers,
        attempts: whole(definition.attempts, 0, 20, 3),
        initialDelayMs: seconds(definition.firstDelay, 0, 600, 0.5),
        maxDelayMs: seconds(definition.longestDelay, 0, 3600, 10),
        attemptTimeoutMs: seconds(definition.timeout, 0.1, 3600, 60),
      }),
      resender: new Resender(
        {
          nodeOf: (id) => RED.nodes.getNode(id),
          onComplete: (listener) => watchCompletions(RED.hooks, life, listener),
          onSend: (maySend) => watchSends(RED.hooks, life, maySend),
          clone: (message) => RED.util.cloneMessage(message),
        },
        life,
      ),
      ...(definition.answer !== false && {
        answer: async (value, fallback) => {
          const { inputs, many } = readInputs(value);
          const results = await Promise.all(
            inputs.map((input) => models.answer(input, fallback, threshold)),
          );
          return many ? results : results[0];
        },
      }),
      maxPending: whole(definition.maxPending, 1, 100_000, 1000),
      describe: (result) => describeResults(result, catalogue),
      close: async () => {
        await restored;
        await state?.write({}, breakers.toJSON());
      },
    });
    if (definition.answer !== false) void models.preload();
  }

  RED.nodes.registerType('emotion-fallback', EmotionFallback);
}

function watchCompletions(
  hooks: Hooks,
  life: string,
  listener: (completion: Completion) => void,
): () => void {
  const name = `onComplete.emotion-fallback-${life}`;
  hooks.add(name, ({ msg, error, node }: CompleteEvent) => {
    listener({ message: msg, error, node: node.id });
  });
  return () => hooks.remove(name);
}

function watchSends(
  hooks: Hooks,
  life: string,
  maySend: (message: object, node: string) => boolean,
): () => void {
  const name = `onSend.emotion-fallback-${life}`;
  hooks.add(name, (events: readonly SendEvent[]) =>
    events.every(({ msg, source }) => maySend(msg, source.id)) ? undefined : false,
  );
  return () => hooks.remove(name);
}

/** Samples, or texts that were not prepared yet; what else there is cannot be answered for. */
function readInputs(value: unknown): { inputs: readonly (Sample | string)[]; many: boolean } {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (items.every((item) => isSample(item))) {
    return { inputs: items, many: Array.isArray(value) };
  }
  try {
    const { texts, many } = readTexts(value);
    return { inputs: texts, many };
  } catch (cause) {
    throw new EmotionError(
      'input.not-a-sample',
      `The fallback answers for samples and texts, got ${describeValue(value)}: catch the errors of emotion-infer or emotion-preprocess-text`,
      { expected: 'sample', got: describeValue(value) },
      { cause },
    );
  }
}

function stateProperty(
  { id, state, stateType }: FallbackDefinition,
  host: ConstructorParameters<typeof Property>[1],
): Property {
  const own = `emotionFallback_${id.replace(/\W/g, '_')}`;
  const path = typeof state === 'string' && state.trim() !== '' ? state : own;
  return new Property({ type: choiceSetting(stateType, ['flow', 'global']), path }, host);
}

function modelId(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value.trim() : otherwise;
}

function whole(value: unknown, least: number, most: number, otherwise: number): number {
  return Math.round(numberSetting(value, { least, most, otherwise }));
}

function seconds(value: unknown, least: number, most: number, otherwise: number): number {
  return 1000 * numberSetting(value, { least, most, otherwise });
}
