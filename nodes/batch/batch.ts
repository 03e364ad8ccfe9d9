import type { Node, NodeAPI, NodeAPISettingsWithData, NodeDef } from 'node-red';
import { acceptBatchInput, jobsFolder } from '../../lib/flow/batch-input';
import type { BufferNode } from '../../lib/flow/buffered-input';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { Property } from '../../lib/flow/property';
import { linesSetting, numberSetting } from '../../lib/flow/settings';

interface BatchDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  chunkRows?: number | string;
  inFlight?: number | string;
  timeout?: number | string;
  attempts?: number | string;
  folders?: string;
}

/** Registers the node type `emotion-batch`: files of texts in, files with emotions out. */
export default function register(RED: NodeAPI<NodeAPISettingsWithData>): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionBatch(this: Node, definition: BatchDefinition): void {
    RED.nodes.createNode(this, definition);
    const whole = (value: unknown, least: number, most: number, otherwise: number) =>
      Math.round(numberSetting(value, { least, most, otherwise }));
    const path = definition.property?.trim() || 'payload';

    acceptBatchInput({
      node: this as unknown as BufferNode,
      property: new Property({ type: 'msg', path }, propertyHost(RED.util, this)),
      catalogue,
      jobs: {
        folder: jobsFolder(RED.settings.userDir ?? process.cwd(), this.id),
        chunkRows: whole(definition.chunkRows, 1, 10_000, 64),
        inFlight: whole(definition.inFlight, 1, 100, 4),
        answerMs: 1000 * numberSetting(definition.timeout, { least: 0.1, most: 86_400, otherwise: 120 }), // prettier-ignore
        attempts: whole(definition.attempts, 1, 100, 3),
      },
      folders: linesSetting(definition.folders),
      newId: () => RED.util.generateId(),
    });
  }

  RED.nodes.registerType('emotion-batch', EmotionBatch);
}
