import { join } from 'node:path';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { fillTemplate } from '../../lib/flow/failure';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptInput } from '../../lib/flow/input';
import { Property } from '../../lib/flow/property';
import {
  choiceSetting,
  numberSetting,
  propertySetting,
  queueLimitSetting,
} from '../../lib/flow/settings';
import { TimeSlice } from '../../lib/flow/time-slice';
import { GroupLog } from '../../lib/opinion/group-log';
import { NearDuplicates, type NearDuplicateOptions } from '../../lib/opinion/near-duplicate';
import { readPosts, type Post } from '../../lib/opinion/post';

interface DuplicateDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  threshold?: number | string;
  window?: number | string;
  maxGroups?: number | string;
  weight?: string;
}

const QUEUE_LIMIT = 10_000;

/** Registers the node type `emotion-duplicate`: posts in, posts with their groups out. */
export default function register(RED: NodeAPI): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionDuplicate(this: Node, definition: DuplicateDefinition): void {
    RED.nodes.createNode(this, definition);
    const options = duplicateOptions(definition);
    let duplicates = new NearDuplicates(options);
    let told = false;
    const tellOnce = (error: unknown): void => {
      if (!told) this.error(error);
      told = true;
    };
    const { userDir } = RED.settings;
    const ready =
      userDir === undefined
        ? Promise.resolve(undefined)
        : GroupLog.open(fileOf(userDir, this.id), { onError: tellOnce }).then(({ log, state }) => {
            duplicates = new NearDuplicates(options, state);
            return log;
          });

    acceptInput({
      node: this,
      property: new Property(
        propertySetting(definition.property || 'posts', definition.propertyType),
        propertyHost(RED.util, this),
      ),
      catalogue,
      // One message after the other: the order of posts decides which is the first.
      queue: {
        concurrency: 1,
        limit: queueLimitSetting(undefined, RED.settings, QUEUE_LIMIT),
        policy: 'queue',
      },
      process: async (value, _message, signal) => {
        const log = await ready;
        const { posts, many } = readPosts(value);
        const slice = new TimeSlice();
        const grouped: Post[] = [];
        for (const post of posts) {
          grouped.push({ ...post, ...duplicates.add(post) });
          if (!slice.over) continue;
          await slice.pause();
          signal.throwIfAborted();
        }
        const current = duplicates;
        log?.append(current.takeChanges(), () => current.toJSON());
        return many ? grouped : grouped[0];
      },
      reset: () => {
        duplicates = new NearDuplicates(options);
        void ready.then((log) => log?.clear());
      },
      describe: () => {
        const count = duplicates.size;
        const text = fillTemplate(catalogue('status.groups') ?? '__count__', { count });
        return { fill: 'green', shape: 'dot', text: text ?? String(count) };
      },
    });
    this.on('close', (removed: boolean, done: () => void) => {
      ready
        .then((log) => log?.close(removed))
        .catch(tellOnce)
        .finally(done);
    });
  }

  RED.nodes.registerType('emotion-duplicate', EmotionDuplicate);
}

function fileOf(userDir: string, id: string): string {
  return join(userDir, 'emotion-duplicates', `${id.replace(/\W/g, '_')}.jsonl`);
}

function duplicateOptions(definition: DuplicateDefinition): NearDuplicateOptions {
  return {
    threshold: numberSetting(definition.threshold, { least: 0.3, most: 1, otherwise: 0.7 }),
    windowMs:
      3_600_000 * numberSetting(definition.window, { least: 0.1, most: 720, otherwise: 24 }),
    maxGroups: Math.round(
      numberSetting(definition.maxGroups, { least: 100, most: 200_000, otherwise: 20_000 }),
    ),
    weight: choiceSetting(definition.weight, ['all', 'first', 'log']),
  };
}
