import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { InferOptions } from '../../lib/engine/engine';
import type { InterpretOptions } from '../../lib/engine/interpret';
import { describeResults } from '../../lib/flow/describe';
import { RESULT_PICTURES } from '../../lib/flow/draw-result';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { inferAll } from '../../lib/flow/infer-all';
import { acceptInput } from '../../lib/flow/input';
import { modelAccessOf, publicSummary } from '../../lib/flow/model-access';
import { watchModel } from '../../lib/flow/model-status';
import { Property } from '../../lib/flow/property';
import { readSamples } from '../../lib/flow/sample-input';
import { choiceSetting, numberSetting, propertySetting } from '../../lib/flow/settings';
import { textRules } from '../../lib/flow/text-rules';

interface InferDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  model?: string;
  threshold?: number | string;
  topK?: number | string;
  rules?: boolean;
  picture?: string;
  queuePolicy?: string;
  queueLimit?: number | string;
}

/** Registers the node type `emotion-infer`: Sample in, Result out. */
export default function register(RED: NodeAPI): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionInfer(this: Node, definition: InferDefinition): void {
    RED.nodes.createNode(this, definition);
    const access = modelAccessOf(RED.nodes.getNode(definition.model ?? ''));
    const interpretation = interpretOptions(definition);
    const queue = queueOptions(definition, this.id);
    const picture = choiceSetting(definition.picture, RESULT_PICTURES);

    const status = acceptInput({
      node: this,
      property: new Property(
        propertySetting(definition.property, definition.propertyType),
        propertyHost(RED.util, this),
      ),
      catalogue,
      describe: (result) => describeResults(result, catalogue),
      actions: {
        getModels: async () => (await access.list()).flatMap(publicSummary),
      },
      process: async (value, _message, signal) => {
        const { samples, many } = readSamples(value);
        const options = { ...queue, signal };
        const results = await inferAll(access, samples, options, interpretation, picture);
        return many ? results : results[0];
      },
      close: () => {
        stopWatching();
        return Promise.resolve();
      },
    });
    const stopWatching = watchModel(access, status, catalogue);
  }

  RED.nodes.registerType('emotion-infer', EmotionInfer);
}

function interpretOptions({ threshold, topK, rules }: InferDefinition): InterpretOptions {
  const words = Math.round(numberSetting(topK, { least: 0, most: 1_000, otherwise: 0 }));
  return {
    threshold: numberSetting(threshold, { least: 0, most: 1, otherwise: 0.5 }),
    ...(words > 0 && { topK: words }),
    ...(rules !== false && { rules: textRules() }),
  };
}

function queueOptions({ queuePolicy, queueLimit }: InferDefinition, id: string): InferOptions {
  return {
    policy: choiceSetting(queuePolicy, ['queue', 'latest', 'reject']),
    queueLimit: numberSetting(queueLimit, { least: 1, most: 1_000_000, otherwise: 5_000 }),
    policyKey: id,
  };
}
