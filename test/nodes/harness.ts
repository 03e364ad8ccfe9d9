import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { NodeAPI, NodeContext, NodeMessage } from 'node-red';
import helper from 'node-red-node-test-helper';
import type { EmotionError } from '../../lib/emotion/error';
import { packageRoot } from '../../lib/models/package-root';
import registerBatch from '../../nodes/batch/batch';
import registerBuffer from '../../nodes/buffer/buffer';
import registerAlert from '../../nodes/alert/alert';
import registerBriefing from '../../nodes/briefing/briefing';
import registerCapture from '../../nodes/capture/capture';
import registerDuplicate from '../../nodes/duplicate/duplicate';
import { registerShaky } from './shaky-node';
import registerFallback from '../../nodes/fallback/fallback';
import registerFuse from '../../nodes/fuse/fuse';
import registerInfer from '../../nodes/infer/infer';
import registerModel from '../../nodes/model/model';
import registerPreprocessAudio from '../../nodes/preprocess-audio/preprocess-audio';
import registerPreprocessText from '../../nodes/preprocess-text/preprocess-text';
import registerPreprocessVideo from '../../nodes/preprocess-video/preprocess-video';
import registerTopic from '../../nodes/topic/topic';

/** Folder of fixture models; each is found under its id. */
export const MODELS = join(packageRoot(), 'test/fixtures/models');

export const NODE_RED =
  process.env.NODE_RED_PACKAGE ?? join(packageRoot(), 'node_modules/node-red');

const load = createRequire(__filename);
helper.init(load.resolve(NODE_RED));

/** The core nodes for MQTT, which the helper does not know. */
const registerMqtt = createRequire(join(NODE_RED, 'package.json'))(
  '@node-red/nodes/core/network/10-mqtt.js',
) as (RED: NodeAPI) => void;

const { _events: runtimeEvents } = helper as unknown as { _events: EventEmitter };

// The helper registers a core node anew for each of its uses in a flow, which fails the second time.
const { _nodeModules: core } = helper as unknown as {
  _nodeModules: Record<string, (RED: NodeAPI) => unknown>;
};
/** Of the very runtime that the helper runs. */
const runtime = createRequire(join(NODE_RED, 'package.json'));
core['http request'] = runtime('@node-red/nodes/core/network/21-httprequest.js') as (
  RED: NodeAPI,
) => Promise<void>;
for (const type of ['catch', 'http request']) {
  const register = core[type]!;
  core[type] = async (RED) => {
    try {
      await register(RED);
    } catch (error) {
      if (!/already registered/.test(String(error))) throw error;
    }
  };
}

export interface FlowNodeDefinition {
  readonly id: string;
  readonly type: string;
  readonly wires?: string[][];
  readonly [setting: string]: unknown;
}

/** What a Catch node sees. */
export interface CaughtMessage extends NodeMessage {
  readonly error: {
    readonly message: string;
    readonly code?: string;
    readonly cause?: EmotionError;
    readonly source: { readonly id: string };
  };
}

/** What became of one message. */
export interface Outcome {
  /** What left the last node. */
  readonly sent: NodeMessage[];
  readonly caught: CaughtMessage[];
  /** The nodes that called `done` without an error, each time that they did. */
  readonly completed: string[];
}

/**
 * Runs nodes on Node-RED's own runtime. What the last one sends is collected; a Catch and a
 * Complete node watch all of them.
 */
export class Flow {
  readonly #events = new EventEmitter().setMaxListeners(0);
  readonly #outcomes = new Map<string, Outcome>();
  #sequence = 0;

  /**
   * @param nodes the nodes under test in the order of the wire; the last one has no `wires`
   * @param watched those whose errors end a message; all where left out
   */
  static async start(
    nodes: readonly FlowNodeDefinition[],
    settings: Record<string, unknown> = {},
    locale: 'en-US' | 'zh-CN' = 'en-US',
    watched?: readonly string[],
  ): Promise<Flow> {
    helper.settings({ emotionModelFolder: MODELS, ...settings });
    const registers = [
      registerModel,
      registerCapture,
      registerPreprocessText,
      registerPreprocessVideo,
      registerPreprocessAudio,
      registerInfer,
      registerFuse,
      registerFallback,
      registerTopic,
      registerBuffer,
      registerBatch,
      registerAlert,
      registerDuplicate,
      registerBriefing,
      registerShaky,
      ...(nodes.some(({ type }) => type === 'mqtt-broker') ? [registerMqtt] : []),
    ];
    await helper.load(
      registers.map((register) => (RED: NodeAPI) => register(speaking(locale, RED))),
      wired(nodes, watched),
      credentialsOf(nodes),
    );
    return new Flow(nodes.at(-1)?.id, watched);
  }

  private constructor(
    private readonly last: string | undefined,
    private readonly watched: readonly string[] | undefined,
  ) {
    this.#collect();
  }

  /** Deploys other nodes in place of those that run. */
  async deploy(nodes: readonly FlowNodeDefinition[]): Promise<void> {
    const started = once(runtimeEvents, 'flows:started', { signal: AbortSignal.timeout(60_000) });
    started.catch(() => undefined);
    await helper.setFlows(wired(nodes, this.watched), 'full').catch((error: unknown) => {
      // The helper gives the new flow 300 ms to start, which a busy machine may need.
      if (!/timeout waiting event/.test(String(error))) throw error;
    });
    // Not looked at from time to time: a node may send something soon after the start.
    await started;
    this.#collect();
  }

  /**
   * Sends a message to a node and waits until it has left the last node, was caught, or, being a
   * `reset`, was done.
   */
  async send(id: string, message: NodeMessage): Promise<Outcome> {
    const _msgid = `message-${(this.#sequence += 1)}`;
    const outcome: Outcome = { sent: [], caught: [], completed: [] };
    this.#outcomes.set(_msgid, outcome);
    const finished = once(this.#events, _msgid);
    helper.getNode(id).receive({ ...message, _msgid });
    await finished;
    // What came twice would have come by then.
    await new Promise((resolve) => setTimeout(resolve, 10));
    return outcome;
  }

  /** Sends a message that may fail and come back, and waits until it has left or was caught. */
  async sendUntilAnswered(id: string, message: NodeMessage): Promise<Outcome> {
    const _msgid = `message-${(this.#sequence += 1)}`;
    const outcome: Outcome = { sent: [], caught: [], completed: [] };
    this.#outcomes.set(_msgid, outcome);
    helper.getNode(id).receive({ ...message, _msgid });
    while (outcome.sent.length + outcome.caught.length === 0) {
      await once(this.#events, `${_msgid} answered`);
    }
    // What came twice would have come by then.
    await new Promise((resolve) => setTimeout(resolve, 60));
    return outcome;
  }

  /** Sends the branches of one message to a node and waits until all of them were done. */
  async sendTogether(id: string, messages: readonly NodeMessage[]): Promise<Outcome> {
    const _msgid = `message-${(this.#sequence += 1)}`;
    const outcome: Outcome = { sent: [], caught: [], completed: [] };
    this.#outcomes.set(_msgid, outcome);
    for (const message of messages) helper.getNode(id).receive({ ...message, _msgid });
    const finished = () => outcome.completed.length + outcome.caught.length >= messages.length;
    while (!finished()) await once(this.#events, _msgid);
    return outcome;
  }

  /** Sends a message to a node that is wired to `aside` and gives what comes out there. */
  async node(id: string, message: NodeMessage): Promise<NodeMessage> {
    const came = once(helper.getNode('aside'), 'input') as Promise<[NodeMessage]>;
    helper.getNode(id).receive({ ...message, _msgid: 'aside' });
    return (await came)[0];
  }

  /** What a helper node (`out`, `aside`) gets from now on, whichever message it answers. */
  messages(id: 'out' | 'aside'): NodeMessage[] {
    const messages: NodeMessage[] = [];
    helper.getNode(id).on('input', (message: NodeMessage) => {
      messages.push(message);
    });
    return messages;
  }

  /** What Catch gets from now on. */
  caught(): CaughtMessage[] {
    const messages: CaughtMessage[] = [];
    helper.getNode('caught').on('input', (message: NodeMessage) => {
      messages.push(message as CaughtMessage);
    });
    return messages;
  }

  /** Hands a message to a node without waiting for anything. */
  give(id: string, message: NodeMessage & Record<string, unknown>): void {
    helper.getNode(id).receive(message);
  }

  context(id: string): NodeContext {
    return helper.getNode(id).context();
  }

  /** The statuses of a node from now on. */
  statuses(id: string): string[] {
    const texts: string[] = [];
    helper.getNode(id).on(
      'call:status' as 'close',
      ((call: { args: [{ text?: string }] }) => {
        texts.push(call.args[0].text ?? '');
      }) as unknown as () => void,
    );
    return texts;
  }

  async stop(): Promise<void> {
    await helper.unload();
  }

  #collect(): void {
    const on = (id: string, keep: (outcome: Outcome, message: NodeMessage) => boolean) => {
      helper.getNode(id).on('input', (message: NodeMessage) => {
        const _msgid = String(message._msgid);
        const outcome = this.#outcomes.get(_msgid);
        if (!outcome) return;
        if (keep(outcome, message)) this.#events.emit(_msgid);
        if (id !== 'completed') this.#events.emit(`${_msgid} answered`);
      });
    };
    on('out', ({ sent }, message) => sent.push(message) < 0);
    on('caught', ({ caught }, message) => caught.push(message as CaughtMessage) > 0);
    on('completed', ({ completed }, message) => {
      const { source } = message.complete as { source: { id: string } };
      completed.push(source.id);
      return source.id === this.last || 'reset' in message;
    });
  }
}

/** Those of the runtime, which the helper does not hand to nodes. */
const { hooks } = runtime('@node-red/util') as { hooks: unknown };

/** The helper has no message catalogues: this looks texts up in ours, as Node-RED does. */
function speaking(locale: string, RED: NodeAPI): NodeAPI {
  const file = join(packageRoot(), 'nodes/model/locales', locale, 'model.json');
  const catalogue = JSON.parse(readFileSync(file, 'utf8')) as object;
  const lookUp = (full: string): string => {
    const key = full.replace(/^.*:/, '');
    const text = key
      .split('.')
      .reduce<unknown>(
        (level, name) => (level as Record<string, unknown> | undefined)?.[name],
        catalogue,
      );
    return typeof text === 'string' ? text : key;
  };
  return Object.assign(Object.create(RED) as NodeAPI, { _: lookUp, hooks });
}

function isConfiguration({ type }: FlowNodeDefinition): boolean {
  return type === 'emotion-model' || type === 'mqtt-broker';
}

/** What Node-RED keeps apart from the flow: `credentials` of a node here. */
function credentialsOf(nodes: readonly FlowNodeDefinition[]): Record<string, unknown> {
  return Object.fromEntries(
    nodes.flatMap(({ id, credentials }) => (credentials === undefined ? [] : [[id, credentials]])),
  );
}

function wired(
  nodes: readonly FlowNodeDefinition[],
  watched?: readonly string[],
): FlowNodeDefinition[] {
  const tested = nodes.filter((node) => !isConfiguration(node)).map(({ id }) => id);
  return [
    { id: 'tab', type: 'tab', label: 'test' },
    ...nodes.map((node) =>
      isConfiguration(node) ? node : { z: 'tab', x: 1, y: 1, wires: [['out']], ...node },
    ),
    { id: 'out', z: 'tab', x: 1, y: 1, type: 'helper', wires: [] },
    { id: 'aside', z: 'tab', x: 1, y: 1, type: 'helper', wires: [] },
    {
      id: 'watch-errors',
      z: 'tab',
      x: 1,
      y: 1,
      type: 'catch',
      scope: watched ?? tested,
      wires: [['caught']],
    },
    { id: 'caught', z: 'tab', x: 1, y: 1, type: 'helper', wires: [] },
    {
      id: 'watch-done',
      z: 'tab',
      x: 1,
      y: 1,
      type: 'complete',
      scope: tested,
      wires: [['completed']],
    },
    { id: 'completed', z: 'tab', x: 1, y: 1, type: 'helper', wires: [] },
  ];
}
