import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { connectAsync, type MqttClient } from 'mqtt';
import type { Result } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { parsePost } from '../../lib/opinion/post';
import { Mosquitto } from '../flow/mosquitto';
import { until } from '../media/fixtures';
import { NodeRed } from './node-red';

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  readonly z?: string;
  readonly info?: string;
  readonly wires?: string[][];
}

interface EdgePost {
  readonly id: string;
  readonly source: string;
  readonly result: Result;
}

describe('the flow of an edge gateway', function () {
  this.timeout(300_000);
  const file = join(packageRoot(), 'examples/flows/12-edge-gateway.json');
  const flow = JSON.parse(readFileSync(file, 'utf8')) as FlowNode[];
  let nodeRed: NodeRed;
  let mosquitto: Mosquitto;
  let central: MqttClient;
  const posts: EdgePost[] = [];
  const raw: string[] = [];

  before(async () => {
    mosquitto = await Mosquitto.start();
    central = await connectAsync(`mqtt://127.0.0.1:${mosquitto.port}`, {
      clientId: 'central',
      clean: false,
      reconnectPeriod: 200,
    });
    central.on('message', (_topic, payload) => {
      raw.push(payload.toString());
      posts.push(...(JSON.parse(payload.toString()) as EdgePost[]));
    });
    await central.subscribeAsync('opinion/edge/post', { qos: 1 });
    const { port } = mosquitto;
    const asked = flow.find(({ type, name }) => type === 'debug' && name === 'outbox')!;
    const ours = flow.map((node) => {
      if (node.type === 'mqtt-broker') return { ...node, broker: '127.0.0.1', port: String(port) };
      if (node.type === 'emotion-buffer') return { ...node, batchWait: 0.2, timeout: 2, longestDelay: 1 }; // prettier-ignore
      if (node.type === 'emotion-capture') return { ...node, windowMs: 500, hopMs: 500 };
      // None may be left out on a busy machine, since the test counts them.
      if (/^emotion-(?:preprocess-audio|infer)$/.test(node.type)) return { ...node, queuePolicy: 'queue', queueLimit: 1000 }; // prettier-ignore
      return node.wires ? { ...node, wires: node.wires.map((to) => (to.includes(asked.id) ? [...to, 'told'] : to)) } : node; // prettier-ignore
    });
    const tab = flow.find(({ type }) => type === 'tab')!.id;
    const at = { z: tab, x: 1, y: 1 };
    nodeRed = await NodeRed.start({
      models: { 'speech-crnn': 'tiny-speech', 'face-cnn-lstm': 'tiny-face' },
      files: {
        'flows.json': JSON.stringify([
          ...ours,
          { ...at, id: 'alive', type: 'http in', url: '/emotion/models', method: 'get', wires: [['state']] },
          { ...at, id: 'asks', type: 'http in', url: '/outbox', method: 'get', wires: [['ask']] },
          { ...at, id: 'ask', type: 'change', rules: [{ t: 'set', p: 'action', pt: 'msg', to: 'status', tot: 'str' }], wires: [[flow.find(({ type }) => type === 'emotion-buffer')!.id]] },
          { ...at, id: 'told', type: 'switch', property: 'res', propertyType: 'msg', rules: [{ t: 'nnull' }], outputs: 1, wires: [['state']] },
          { ...at, id: 'state', type: 'http response', statusCode: '200', wires: [] },
        ]),
      },
    }); // prettier-ignore
  });
  after(async () => {
    await nodeRed?.stop();
    central?.end(true);
    await mosquitto?.stop();
  });

  const press = async (name: string) => {
    const button = flow.find((node) => node.type === 'inject' && node.name === name);
    const { status } = await fetch(`${nodeRed.url}/inject/${button?.id}`, { method: 'POST' });
    expect(status).to.equal(200);
  };
  const pending = async () => {
    const response = await fetch(`${nodeRed.url}/outbox`);
    return ((await response.json()) as { pending: number }).pending;
  };
  const windows = () =>
    posts
      .filter(({ id }) => id.startsWith('edge-1-audio-'))
      .map(({ id }) => Number(id.split('-').at(-1)));

  it('starts with a comment that says what to do', () => {
    const comment = flow.filter(({ z }) => z !== undefined)[0];
    expect(comment?.type).to.equal('comment');
    expect(comment?.info).to.match(/press \*\*start\*\*/);
    expect(comment?.info).to.match(/点击 \*\*start\*\*/);
  });

  it('sends emotions that a central flow takes for posts, and nothing of sound or picture', async () => {
    await press('start');
    await until(() => windows().length >= 3, 'three windows', 60_000);
    for (const post of posts) {
      expect(Object.keys(post).sort()).to.deep.equal(['id', 'received', 'result', 'source', 'text', 'time']); // prettier-ignore
      expect(parsePost(post)).to.deep.include({ id: post.id, source: 'edge-1', text: '' });
      expect(Object.keys(post.result)).to.include.members(['modality', 'label', 'score', 'scores', 'model']); // prettier-ignore
      expect(post.result).not.to.have.any.keys('segments', 'annotated', 'features', 'tensors');
    }
    expect(raw.every((text) => !/"type":"Buffer"|samples|base64/.test(text))).to.equal(true);
  });

  it('keeps results on disk while the broker is away, and sends them later, none missing', async () => {
    await mosquitto.pause();
    await until(async () => (await pending()) >= 4, 'results in the outbox', 60_000);
    const gone = Math.max(...windows());
    await mosquitto.startAgain();
    await until(() => Math.max(...windows()) > gone + 4, 'the results afterwards', 60_000);
    await press('stop');
    await until(async () => (await pending()) === 0, 'an empty outbox', 60_000);
    await until(() => {
      const seen = new Set(windows());
      return Array.from({ length: Math.max(...seen) + 1 }, (_unused, index) => index).every((index) => seen.has(index)); // prettier-ignore
    }, 'every window', 60_000); // prettier-ignore
  });
});
