import type { Node, NodeAPI, NodeAPISettingsWithData, NodeDef } from 'node-red';
import { EmotionError } from '../../lib/emotion/error';
import { describeResults } from '../../lib/flow/describe';
import type { JoinLimits, JoinRule } from '../../lib/flow/event-joiner';
import { FUSION_METHODS, fusionMethod } from '../../lib/flow/fusion-method';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptJoinedInput } from '../../lib/flow/joined-input';
import type { FlowMessage } from '../../lib/flow/message';
import { modelAccessOf } from '../../lib/flow/model-access';
import { modelFolders, type ModelFolderSettings } from '../../lib/flow/model-folders';
import { watchModel } from '../../lib/flow/model-status';
import { Property } from '../../lib/flow/property';
import { choiceSetting, numberSetting, propertySetting } from '../../lib/flow/settings';
import { fuse } from '../../lib/fusion/fuse';
import { MODALITIES } from '../../lib/fusion/modalities';
import { ModelRegistry } from '../../lib/models/registry';

interface FuseDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  join?: string;
  key?: string;
  keyType?: string;
  reuseKeys?: boolean;
  stream?: string;
  streamType?: string;
  step?: number | string;
  outOfOrder?: number | string;
  clock?: string;
  text?: boolean;
  audio?: boolean;
  video?: boolean;
  wait?: number | string;
  maxOpen?: number | string;
  method?: string;
  textWeight?: number | string;
  audioWeight?: number | string;
  videoWeight?: number | string;
  model?: string;
  calibrate?: boolean;
  threshold?: number | string;
}

/** Registers the node type `emotion-fuse`: the Results of an event in, one Fused out. */
export default function register(
  RED: NodeAPI<NodeAPISettingsWithData & ModelFolderSettings>,
): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));
  const registry = new ModelRegistry(modelFolders(RED.settings));

  function EmotionFuse(this: Node, definition: FuseDefinition): void {
    RED.nodes.createNode(this, definition);
    const host = propertyHost(RED.util, this);
    const name = choiceSetting(definition.method, FUSION_METHODS);
    const access = modelAccessOf(RED.nodes.getNode(definition.model ?? ''));
    const weights = weightsOf(definition);
    const calibrate = definition.calibrate !== false;
    const methods = fusionMethod({ name, weights, access, registry, calibrate });
    const threshold = numberSetting(definition.threshold, { least: 0, most: 1, otherwise: 0.5 });

    const status = acceptJoinedInput({
      node: this,
      property: new Property(propertySetting(definition.property, definition.propertyType), host),
      catalogue,
      rule: joinRule(definition),
      limits: joinLimits(definition),
      nameOf: eventName(
        definition,
        (path, type) => new Property(propertySetting(path, type), host),
      ),
      fuse: (results, expected) => fuse(results, { ...methods, expected, threshold }),
      clone: (message) => RED.util.cloneMessage(message),
      describe: (fused) => describeResults(fused, catalogue),
    });
    if (name === 'attention') {
      const stopWatching = watchModel(access, status, catalogue);
      this.on('close', (done: () => void) => {
        stopWatching();
        done();
      });
    }
  }

  RED.nodes.registerType('emotion-fuse', EmotionFuse);
}

/** How long an answered event is remembered where keys belong to one event only. */
const REMEMBER_MS = 60_000;

function joinRule(definition: FuseDefinition): JoinRule {
  if (choiceSetting(definition.join, ['msgid', 'property', 'time']) === 'time') {
    return {
      by: 'time',
      stepMs: 1000 * numberSetting(definition.step, { least: 0.05, most: 3600, otherwise: 1 }),
      outOfOrderMs:
        1000 * numberSetting(definition.outOfOrder, { least: 0, most: 600, otherwise: 0 }),
      clock: choiceSetting(definition.clock, ['live', 'source']),
    };
  }
  const { waitMs } = joinLimits(definition);
  const remember = definition.join !== 'property' || definition.reuseKeys !== true;
  return { by: 'key', rememberMs: remember ? Math.max(REMEMBER_MS, 10 * waitMs) : 0 };
}

function joinLimits(definition: FuseDefinition): JoinLimits {
  const expected = MODALITIES.filter((modality) => definition[modality] !== false);
  return {
    expected,
    waitMs: 1000 * numberSetting(definition.wait, { least: 0.01, most: 86_400, otherwise: 5 }),
    maxOpen: Math.round(
      numberSetting(definition.maxOpen, { least: 1, most: 100_000, otherwise: 1000 }),
    ),
  };
}

function weightsOf({ textWeight, audioWeight, videoWeight }: FuseDefinition) {
  const weight = (value: unknown) => numberSetting(value, { least: 0, most: 1e6, otherwise: 1 });
  return { text: weight(textWeight), audio: weight(audioWeight), video: weight(videoWeight) };
}

/** What the messages of one event, or of one stream, have in common. */
function eventName(
  { join, key, keyType, stream, streamType }: FuseDefinition,
  propertyAt: (path: unknown, type: unknown) => Property,
): (message: FlowMessage) => Promise<string> {
  const rule = choiceSetting(join, ['msgid', 'property', 'time']);
  if (rule === 'msgid') return (message) => Promise.resolve(String(message._msgid ?? ''));
  if (rule === 'property') {
    const property = propertyAt(key || 'topic', keyType);
    return async (message) => asName(await property.read(message), property);
  }
  const property = propertyAt(stream || 'topic', streamType);
  return async (message) => {
    const value = await property.read(message).catch(() => '');
    return asName(value, property);
  };
}

function asName(value: unknown, { name }: Property): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new EmotionError(
    'input.wrong-type',
    `${name} must name the event with a string or a number`,
    { property: name },
  );
}
