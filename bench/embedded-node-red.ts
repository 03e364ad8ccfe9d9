import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../lib/models/package-root';

/** The first node of a flow: the suite's nodes, or one Function node that does it all by itself. */
export type FlowStart = 'bench-suite' | 'bench-function';

interface Runtime {
  init(server: Server, settings: object): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly events: NodeJS.EventEmitter;
  readonly nodes: { getNode(id: string): { receive(message: object): void } | null };
}

/** Real Node-RED in this very process, so that its event loop is the one that is measured. */
export class EmbeddedNodeRed {
  readonly #waiting = new Map<string, (payload: unknown) => void>();
  #messages = 0;

  private constructor(
    private readonly runtime: Runtime,
    private readonly userDir: string,
  ) {}

  /**
   * @param model folder of the model that the flows run
   * @param globals what Function nodes find with `global.get`
   */
  static async start(model: string, globals: object): Promise<EmbeddedNodeRed> {
    const runtime = ((await import('node-red')) as unknown as { default: Runtime }).default;
    const userDir = await mkdtemp(join(tmpdir(), 'emotion-bench-'));
    const installed = join(userDir, 'node_modules', '@emowire', 'node-red-emotion');
    await mkdir(dirname(installed), { recursive: true });
    await symlink(packageRoot(), installed, 'junction');
    await writeFile(join(userDir, 'package.json'), PACKAGE);
    await writeFile(join(userDir, 'flows.json'), JSON.stringify(flows(model)));
    const embedded = new EmbeddedNodeRed(runtime, userDir);
    runtime.init(createServer(), {
      userDir,
      flowFile: 'flows.json',
      httpAdminRoot: false,
      httpNodeRoot: false,
      logging: { console: { level: 'error', metrics: false, audit: false } },
      functionGlobalContext: { ...globals, answer: embedded.#answer },
    });
    const started = new Promise<void>((resolve) => runtime.events.once('flows:started', resolve));
    await runtime.start();
    await started;
    return embedded;
  }

  /** Sends a message into a flow; resolves with the payload that leaves it. */
  send(first: FlowStart, payload: unknown): Promise<unknown> {
    const node = this.runtime.nodes.getNode(first);
    if (node === null) throw new Error(`no node ${first}: the suite did not load in Node-RED`);
    return new Promise((resolve, reject) => {
      const id = `bench-${(this.#messages += 1)}`;
      this.#waiting.set(id, (answer) => {
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      });
      node.receive({ _msgid: id, payload });
    });
  }

  async stop(): Promise<void> {
    await this.runtime.stop();
    await rm(this.userDir, { recursive: true, force: true });
  }

  readonly #answer = (id: string, payload: unknown, error?: { message: string }): void => {
    this.#waiting.get(id)?.(error === undefined ? payload : new Error(error.message));
    this.#waiting.delete(id);
  };
}

const PACKAGE = JSON.stringify({
  name: 'bench',
  private: true,
  dependencies: { '@emowire/node-red-emotion': '*' },
});

/** What people write in a Function node: tokenise, run a session that stands in the global context, softmax. */
const FUNCTION = `
const { session, Tensor, tokenizer } = global.get('bare');
const { ids } = tokenizer.encode(msg.payload);
const feeds = { input_ids: new Tensor('int64', ids, [1, ids.length]) };
if (session.inputNames.includes('attention_mask')) {
    feeds.attention_mask = new Tensor('int64', ids.map(() => 1), [1, ids.length]);
}
const { logits } = await session.run(feeds);
const powers = Array.from(logits.data, Math.exp);
const sum = powers.reduce((a, b) => a + b);
msg.payload = powers.map((power) => power / sum);
return msg;`;

function flows(model: string): object[] {
  const z = 'bench-tab';
  const input = { property: 'payload', propertyType: 'msg', model: 'bench-model' };
  const end = [['bench-end']];
  return [
    { id: z, type: 'tab', label: 'bench' },
    {
      id: 'bench-model',
      type: 'emotion-model',
      source: 'folder',
      folder: model,
      maxBatch: 32,
      cacheEntries: 0,
      timeoutMs: 120_000,
    },
    { id: 'bench-suite', type: 'emotion-preprocess-text', z, ...input, wires: [['bench-infer']] },
    {
      id: 'bench-infer',
      type: 'emotion-infer',
      z,
      ...input,
      queuePolicy: 'queue',
      queueLimit: 100_000,
      wires: end,
    },
    { id: 'bench-function', type: 'function', z, func: FUNCTION, outputs: 1, wires: end },
    { id: 'bench-catch', type: 'catch', z, scope: null, uncaught: false, wires: end },
    {
      id: 'bench-end',
      type: 'function',
      z,
      func: "global.get('answer')(msg._msgid, msg.payload, msg.error);",
      outputs: 0,
      wires: [],
    },
  ];
}
