import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import util from 'node:util';
import vm from 'node:vm';
import { expect } from 'chai';
import { packageRoot } from '../../lib/models/package-root';

interface FunctionNode {
  readonly name?: string;
  readonly initialize: string;
  readonly func: string;
  readonly finalize: string;
}
interface Packet {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly messageId?: number;
}
type Answer = (error?: Error | null) => void;
interface Broker {
  authorizePublish(client: object, packet: Packet, answer: Answer): void;
}
interface Sent {
  readonly held: number;
  readonly posts: readonly { readonly topic: string; readonly text: string }[];
}

let lastId = 0;
const packet = (text: string, qos = 1, topic = 'opinion/metro/post'): Packet => ({
  topic,
  payload: Buffer.from(text),
  qos,
  ...(qos > 0 && { messageId: (lastId += 1) }),
});
/** What was planned with promises. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the node "hold until stored" between the embedded broker and the inbox', () => {
  let code: FunctionNode;
  let broker: Broker;
  let original: Broker['authorizePublish'];
  let client: object;
  let node: ReturnType<typeof start>;
  before(async () => {
    const flow = join(packageRoot(), 'examples/flows/10-public-opinion.json');
    const nodes = JSON.parse(await readFile(flow, 'utf8')) as FunctionNode[];
    code = nodes.find(({ name }) => name === 'hold until stored')!;
  });
  beforeEach(() => {
    original = (_client, { topic }, answer) =>
      answer(topic.startsWith('$SYS') ? new Error('reserved') : null);
    broker = { authorizePublish: original };
    client = { id: 'device', broker };
    node = start();
    node.receive({ topic: 'client', payload: { client } });
  });

  /** The node with what Node-RED puts around it, but a clock. */
  function start() {
    const sent: Sent[] = [];
    const errors: string[] = [];
    const timers = new Map<number, () => void>();
    const context = vm.createContext({
      util,
      Buffer,
      node: {
        send: (message: Sent) => sent.push(message),
        error: (text: string) => errors.push(text),
        status: () => undefined,
      },
      setTimeout: (act: () => void) => {
        timers.set((lastId += 1), act);
        return lastId;
      },
      clearTimeout: (timer: number) => timers.delete(timer),
    });
    vm.runInContext(`(() => { ${code.initialize} })()`, context);
    return {
      sent,
      errors,
      timePasses: () => {
        const due = [...timers.values()];
        timers.clear();
        for (const act of due) act();
      },
      receive: (msg: object) => {
        Object.assign(context, { msg });
        vm.runInContext(`(() => { ${code.func} })()`, context);
      },
      stop: () => void vm.runInContext(`(() => { ${code.finalize} })()`, context),
    };
  }

  /** What the broker does with a packet: asks, acknowledges, publishes. */
  function publish(sent: Packet) {
    const state: { error?: Error | null } = {};
    broker.authorizePublish(client, sent, (error = null) => {
      state.error = error;
      const published = sent.qos === 2 ? { ...sent, taken: undefined } : sent;
      if (!error) node.receive({ topic: 'publish', payload: { client, packet: published } });
    });
    return state;
  }
  const texts = () => node.sent.map(({ posts }) => posts.map(({ text }) => text));

  for (const qos of [1, 2]) {
    it(`has a packet of QoS ${qos} acknowledged when it is on disk, and takes it once`, async () => {
      const [one, two] = [publish(packet('one', qos)), publish(packet('two', qos))];
      await turn();
      expect(texts()).to.deep.equal([['one', 'two']]);
      expect([one, two]).to.deep.equal([{}, {}]);
      node.receive({ held: node.sent[0]!.held, stored: { count: 2 } });
      expect([one, two]).to.deep.equal([{ error: null }, { error: null }]);
      await turn();
      expect(node.sent).to.have.length(1);
    });
  }

  it('asks the inbox again, and acknowledges once', async () => {
    const state = publish(packet('again'));
    await turn();
    node.timePasses();
    expect(texts()).to.deep.equal([['again'], ['again']]);
    expect(state).to.deep.equal({});
    for (const { held } of node.sent) node.receive({ held });
    expect(state).to.deep.equal({ error: null });
    node.timePasses();
    expect(node.sent).to.have.length(2);
  });

  it('lets pass what is not for the inbox, and what has no acknowledgement', async () => {
    expect(publish(packet('x', 1, 'opinion/alerts/metro'))).to.deep.equal({ error: null });
    expect(publish(packet('zero', 0))).to.deep.equal({ error: null });
    expect(publish(packet('x', 1, '$SYS/x')).error!.message).to.equal('reserved');
    await turn();
    expect(texts()).to.deep.equal([['zero']]);
  });

  it('tells of packets that are of no use, and has them acknowledged', async () => {
    const long = publish(packet('x'.repeat(2_000_001)));
    const broken = publish({ ...packet(''), payload: Uint8Array.of(0xff, 0xfe) });
    expect([long, broken]).to.deep.equal([{ error: null }, { error: null }]);
    expect(node.errors.join()).to.match(/2000001 bytes.*is not UTF-8/s);
    await turn();
    expect(node.sent).to.deep.equal([]);
  });

  it('sends devices away whose packets it has not passed on when it ends, and leaves the broker as it was', async () => {
    const state = publish(packet('held'));
    await turn();
    const late = publish(packet('just come'));
    node.stop();
    expect(state.error).to.be.an('error');
    expect(late.error).to.be.an('error');
    expect(broker).to.have.property('authorizePublish', original);

    // The broker was not deployed again: the first that it tells of is enough.
    node = start();
    expect(publish(packet('before'))).to.deep.equal({ error: null });
    const after = publish(packet('after'));
    await turn();
    expect(texts()).to.deep.equal([['before', 'after']]);
    expect(after).to.deep.equal({});
  });
});
