import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { ffmpegChildren, scratchFolder, until } from '../media/fixtures';
import { film, portrait } from '../video/face-files';
import { NodeRed } from './node-red';

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly z?: string;
  readonly info?: string;
}

describe('the flow for a live camera', function () {
  this.timeout(300_000);
  const folder = scratchFolder();
  const file = join(packageRoot(), 'examples/flows/06-live-camera.json');
  const flow = JSON.parse(readFileSync(file, 'utf8')) as FlowNode[];
  const find = (type: string, name = '') =>
    flow.find((node) => node.type === type && node.name === name)!;
  let nodeRed: NodeRed;
  let runs = 0;
  before(async () => {
    nodeRed = await NodeRed.start();
  });
  after(async () => {
    await nodeRed.stop();
  });

  const press = (name: string) =>
    fetch(`${nodeRed.url}/inject/${find('inject', name).id}`, { method: 'POST' });

  /** Runs the flow with other settings of its source until an answer has come. */
  async function answer(settings: object): Promise<Result> {
    const { z } = find('emotion-infer');
    // An answer over HTTP for whoever looks: the flow itself ends in debug nodes.
    const changed = flow.map((node) => {
      if (node.type === 'emotion-capture') return { ...node, ...settings };
      return node.type === 'emotion-infer' ? { ...node, wires: [['keep']] } : node;
    });
    // The context of a flow outlives a deploy.
    const seen = `seen${(runs += 1)}`;
    const keep = `flow.set('${seen}', (flow.get('${seen}') ?? 0) + 1); flow.set('last', msg.payload);`;
    const tell = `msg.payload = { seen: flow.get('${seen}') ?? 0, last: flow.get('last') }; return msg;`;
    await nodeRed.deploy([
      ...changed,
      { id: 'keep', type: 'function', z, func: keep, wires: [[]] },
      { id: 'ask', type: 'http in', z, url: '/seen', method: 'get', wires: [['tell']] },
      { id: 'tell', type: 'function', z, func: tell, wires: [['answer']] },
      { id: 'answer', type: 'http response', z, wires: [] },
    ]);
    const look = async (): Promise<{ seen: number; last: Result }> => {
      const response = await fetch(`${nodeRed.url}/seen`);
      return response.ok
        ? ((await response.json()) as { seen: number; last: Result })
        : { seen: 0, last: {} as Result };
    };
    await until(async () => (await fetch(`${nodeRed.url}/seen`)).ok, 'the flow', 60_000);
    expect((await press('start')).status).to.equal(200);
    await until(async () => (await look()).seen >= 3, 'three answers', 60_000);
    const { last } = await look();
    const running = () => ffmpegChildren(nodeRed.process.pid);
    await until(async () => (await running()).length === 1, 'one FFmpeg');
    expect((await press('stop')).status).to.equal(200);
    await until(async () => (await running()).length === 0, 'the end of FFmpeg');
    return last;
  }

  it('starts with a comment that says what to do', () => {
    expect(flow.find(({ type }) => type === 'comment')!.info).to.match(/press \*\*start\*\*/);
  });

  it('works without a camera: nobody is in the test picture', async () => {
    expect(await answer({})).to.include({ label: null, reason: 'no-face' });
  });

  it('works with a film as its source', async () => {
    const path = await film(folder, 20, () => portrait(240, 200, { mouth: 0.9 }));
    const result = await answer({ source: 'file', path, loop: true });
    expect(result).to.include({ label: 'surprise', model: 'face-cnn-lstm' });
    expect(result.segments![0]!.landmarks).to.have.length(68);
    expect(nodeRed.log).not.to.match(/TypeError|ReferenceError|unhandled/i);
  });
});
