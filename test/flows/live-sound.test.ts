import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { packageRoot } from '../../lib/models/package-root';
import { ffmpegChildren, until } from '../media/fixtures';
import { NodeRed } from './node-red';

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly info?: string;
}

describe('the flow for live sound', function () {
  this.timeout(300_000);
  const file = join(packageRoot(), 'examples/flows/04-live-microphone.json');
  const flow = JSON.parse(readFileSync(file, 'utf8')) as FlowNode[];
  let nodeRed: NodeRed;
  before(async () => {
    nodeRed = await NodeRed.start();
  });
  after(async () => {
    await nodeRed.stop();
  });

  const press = (name: string) => {
    const button = flow.find((node) => node.type === 'inject' && node.name === name);
    return fetch(`${nodeRed.url}/inject/${button?.id}`, { method: 'POST' });
  };

  it('starts with a comment that says what to do', () => {
    expect(flow.find(({ type }) => type === 'comment')?.info).to.match(/press \*\*start\*\*/);
  });

  it('hears the test tone without a microphone, answers window by window, and stops', async () => {
    // An answer over HTTP for whoever looks: the flow itself ends in debug nodes.
    const { flows } = await nodeRed.flows();
    const emotion = flow.find(({ name }) => name === 'emotion')!;
    // On a busy machine no window may be left out in favour of a newer one, since the test looks at neighbours.
    const all = { queuePolicy: 'queue', queueLimit: 1000 };
    await nodeRed.deploy([
      ...flows.map((node) => {
        if (!flow.some(({ id }) => id === node.id)) return node;
        if (node.type === 'emotion-preprocess-audio') return { ...node, ...all };
        return node.type === 'emotion-infer' ? { ...node, ...all, wires: [[emotion.id, 'keep']] } : node;
      }),
      { id: 'keep', type: 'function', z: (emotion as { z?: string }).z, func: "flow.set('seen', [...(flow.get('seen') ?? []), msg]);", wires: [[]] },
      { id: 'ask', type: 'http in', z: (emotion as { z?: string }).z, url: '/seen', method: 'get', wires: [['tell']] },
      { id: 'tell', type: 'function', z: (emotion as { z?: string }).z, func: "msg.payload = (flow.get('seen') ?? []).map(({ payload, parts }) => ({ payload, parts })); return msg;", wires: [['answer']] },
      { id: 'answer', type: 'http response', z: (emotion as { z?: string }).z, wires: [] },
    ]); // prettier-ignore
    await nodeRed.ready();
    expect((await press('start')).status).to.equal(200);
    let seen: { payload: { label: null; reason: string; segments: { start: number }[] } }[] = [];
    await until(
      async () => {
        const response = await fetch(`${nodeRed.url}/seen`);
        seen = response.ok ? ((await response.json()) as typeof seen) : [];
        return seen.length >= 2;
      },
      'two windows',
      60_000,
    );
    expect(seen[0]?.payload).to.include({ label: null, reason: 'no-speech' });
    const [first = 0, second = 0] = seen.map(({ payload }) => payload.segments[0]?.start);
    expect(second - first).to.be.closeTo(1.3, 0.01);
    const running = () => ffmpegChildren(nodeRed.process.pid);
    await until(async () => (await running()).length === 1, 'one FFmpeg');
    expect((await press('stop')).status).to.equal(200);
    await until(async () => (await running()).length === 0, 'the end of FFmpeg');
    expect(nodeRed.log).not.to.match(/TypeError|ReferenceError|unhandled/i);
  });
});
