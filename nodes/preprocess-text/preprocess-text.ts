import type { Node, NodeAPI, NodeDef } from 'node-red';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptInput } from '../../lib/flow/input';
import { modelAccessOf } from '../../lib/flow/model-access';
import { watchModel } from '../../lib/flow/model-status';
import { Property } from '../../lib/flow/property';
import {
  choiceSetting,
  listSetting,
  numberSetting,
  propertySetting,
} from '../../lib/flow/settings';
import { readTexts, requestedLanguage } from '../../lib/flow/text-input';
import type { PrepareOptions } from '../../lib/text/prepare';

interface PreprocessTextDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  model?: string;
  language?: string;
  split?: string;
  stopWords?: string;
  customStopWords?: string;
}

/** Messages that are with the worker threads at a time, and those that may wait for them. */
const CONCURRENCY = 64;
const QUEUE_LIMIT = 10_000;

/** Registers the node type `emotion-preprocess-text`: string in, text Sample out. */
export default function register(RED: NodeAPI): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionPreprocessText(this: Node, definition: PreprocessTextDefinition): void {
    RED.nodes.createNode(this, definition);
    const access = modelAccessOf(RED.nodes.getNode(definition.model ?? ''));
    const options = prepareOptions(definition);

    const status = acceptInput({
      node: this,
      property: new Property(
        propertySetting(definition.property, definition.propertyType),
        propertyHost(RED.util, this),
      ),
      catalogue,
      queue: { concurrency: CONCURRENCY, limit: queueLimit(RED.settings), policy: 'queue' },
      process: async (value, message) => {
        const { texts, many } = readTexts(value);
        const language =
          options.language === 'auto'
            ? (requestedLanguage(message.language) ?? 'auto')
            : options.language;
        const samples = await access.prepareTexts(message.model, texts, { ...options, language });
        return many ? samples : samples[0];
      },
      close: () => {
        stopWatching();
        return Promise.resolve();
      },
    });
    const stopWatching = watchModel(access, status, catalogue);
  }

  RED.nodes.registerType('emotion-preprocess-text', EmotionPreprocessText);
}

function prepareOptions(definition: PreprocessTextDefinition): PrepareOptions {
  const stopWords = choiceSetting(definition.stopWords, ['default', 'none', 'custom']);
  return {
    language: choiceSetting(definition.language, ['auto', 'zh', 'en']),
    split: choiceSetting(definition.split, ['text', 'sentence']),
    stopWords: stopWords === 'custom' ? listSetting(definition.customStopWords) : stopWords,
  };
}

/** The administrator of Node-RED may hold all nodes to a shorter queue. */
function queueLimit(settings: { nodeMessageBufferMaxLength?: number | undefined }): number {
  return numberSetting(settings.nodeMessageBufferMaxLength || QUEUE_LIMIT, {
    least: 1,
    most: QUEUE_LIMIT,
    otherwise: QUEUE_LIMIT,
  });
}
