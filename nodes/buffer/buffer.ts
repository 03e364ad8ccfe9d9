import { join, resolve } from 'node:path';
import type { Node, NodeAPI, NodeAPISettingsWithData, NodeDef } from 'node-red';
import { EmotionError } from '../../lib/emotion/error';
import { acceptBufferedInput, type BufferNode } from '../../lib/flow/buffered-input';
import { toFlowError } from '../../lib/flow/failure';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import type { BrokerNode } from '../../lib/flow/mqtt-intake';
import { Property } from '../../lib/flow/property';
import { choiceSetting, numberSetting } from '../../lib/flow/settings';

interface BufferDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  batchItems?: number | string;
  batchWait?: number | string;
  inFlight?: number | string;
  timeout?: number | string;
  firstDelay?: number | string;
  longestDelay?: number | string;
  giveUpAfter?: number | string;
  folder?: string;
  maxItems?: number | string;
  maxMegabytes?: number | string;
  maxItemKilobytes?: number | string;
  mqtt?: boolean;
  broker?: string;
  topic?: string;
  qos?: string;
}

/** Registers the node type `emotion-buffer`: items in, on disk, out in batches until acknowledged. */
export default function register(RED: NodeAPI<NodeAPISettingsWithData>): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionBuffer(this: Node, definition: BufferDefinition): void {
    RED.nodes.createNode(this, definition);
    const whole = (value: unknown, least: number, most: number, otherwise: number) =>
      Math.round(numberSetting(value, { least, most, otherwise }));
    const seconds = (value: unknown, least: number, most: number, otherwise: number) =>
      1000 * numberSetting(value, { least, most, otherwise });
    const path = definition.property?.trim() || 'posts';
    const mqtt = mqttOf(RED, definition);
    if (mqtt instanceof EmotionError) this.error(toFlowError(mqtt, catalogue), {});

    acceptBufferedInput({
      node: this as unknown as BufferNode,
      property: new Property({ type: 'msg', path }, propertyHost(RED.util, this)),
      catalogue,
      journal: {
        folder: folderOf(definition, RED.settings.userDir),
        maxRecords: whole(definition.maxItems, 1, 10_000_000, 500_000),
        maxBytes: 1e6 * numberSetting(definition.maxMegabytes, { least: 1, most: 1e6, otherwise: 1000 }), // prettier-ignore
      },
      forward: {
        batchItems: whole(definition.batchItems, 1, 10_000, 64),
        batchWaitMs: seconds(definition.batchWait, 0, 3600, 0.2),
        inFlight: whole(definition.inFlight, 1, 1000, 4),
        acknowledgeMs: seconds(definition.timeout, 0.1, 86_400, 60),
        firstDelayMs: seconds(definition.firstDelay, 0.01, 3600, 1),
        longestDelayMs: seconds(definition.longestDelay, 0.01, 86_400, 60),
        giveUpAfter: whole(definition.giveUpAfter, 0, 1_000_000, 0),
      },
      mostItemBytes: 1000 * numberSetting(definition.maxItemKilobytes, { least: 1, most: 1e6, otherwise: 1000 }), // prettier-ignore
      ...(mqtt && !(mqtt instanceof EmotionError) && { mqtt }),
      newId: () => RED.util.generateId(),
    });
  }

  RED.nodes.registerType('emotion-buffer', EmotionBuffer);
}

/** The folder of a buffer; a relative one lies in the user directory, none is named after the node. */
function folderOf({ id, folder }: BufferDefinition, userDir = process.cwd()): string {
  const named = typeof folder === 'string' ? folder.trim() : '';
  const own = named === '' ? id.replace(/\W/g, '_') : named;
  return resolve(join(userDir, 'emotion-buffers'), own);
}

function mqttOf(RED: NodeAPI, { mqtt, broker, topic, qos }: BufferDefinition) {
  if (mqtt !== true) return undefined;
  const node = RED.nodes.getNode(broker ?? '') as unknown as Partial<BrokerNode> | null;
  const name = topic?.trim() ?? '';
  if (typeof node?.subscribe !== 'function' || typeof node.register !== 'function' || name === '') {
    return new EmotionError(
      'input.property-missing',
      'Taking posts from MQTT needs a broker and a topic: choose both in the buffer',
      { property: name === '' ? 'topic' : 'broker' },
    );
  }
  return {
    broker: node as BrokerNode,
    topic: name,
    qos: Number(choiceSetting(qos, ['1', '0', '2'])),
  };
}
