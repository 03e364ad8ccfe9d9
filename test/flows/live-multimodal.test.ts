import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Fused } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { NodeRed } from './node-red';

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  readonly info?: string;
}

interface Step {
  readonly payload: Fused;
  readonly parts: { readonly index: number };
}

describe('the flow for a live source with sound and pictures', function () {
  this.timeout(300_000);
  let nodeRed: NodeRed;
  let flow: FlowNode[];
  before(async () => {
    const file = join(packageRoot(), 'examples/flows/08-live-multimodal.json');
    flow = JSON.parse(await readFile(file, 'utf8')) as FlowNode[];
    nodeRed = await NodeRed.start();
    const { flows } = await nodeRed.flows();
    const z = flow.find(({ type }) => type === 'tab')!.id;
    const place = { z, x: 1, y: 1 };
    const kept = flows.map((node) =>
      flow.some(({ id, type }) => id === node.id && type === 'emotion-fuse')
        ? { ...node, wires: [['keep']] }
        : node,
    );
    const func = `const steps = flow.get('steps') || [];
steps.push({ payload: msg.payload, parts: msg.parts });
flow.set('steps', steps);`;
    await nodeRed.deploy([
      ...kept,
      { ...place, id: 'keep', type: 'function', func, outputs: 0, wires: [] },
      { ...place, id: 'ask', type: 'http in', url: '/steps', method: 'get', wires: [['take']] },
      {
        ...place,
        id: 'take',
        type: 'function',
        func: `msg.payload = flow.get('steps') || []; return msg;`,
        outputs: 1,
        wires: [['give']],
      },
      { ...place, id: 'give', type: 'http response', wires: [] },
    ]);
    await nodeRed.ready();
  });
  after(() => nodeRed.stop());

  async function press(name: string): Promise<void> {
    const { id } = flow.find((node) => node.type === 'inject' && node.name === name)!;
    expect((await fetch(`${nodeRed.url}/inject/${id}`, { method: 'POST' })).status).to.equal(200);
  }

  it('starts with a comment that says what to do', () => {
    expect(flow.find(({ type }) => type === 'comment')!.info).to.match(/Press \*\*start\*\*/);
  });

  it('gives one answer a step, in order, with what was said in it', async () => {
    await press('start');
    let steps: Step[] = [];
    const said = () => steps.filter(({ payload }) => payload.modalities.text !== undefined);
    const until = Date.now() + 90_000;
    const seen = () => steps.filter(({ payload }) => payload.modalities.video !== undefined);
    const isOver = () => steps.length >= 4 && said().length > 0 && seen().length > 0;
    while (!isOver() && Date.now() < until) {
      if (steps.length >= 1 && said().length === 0) await press('someone says');
      await new Promise((resolve) => setTimeout(resolve, 500));
      steps = (await (await fetch(`${nodeRed.url}/steps`)).json()) as Step[];
    }
    await press('stop');
    expect(said().length).to.be.above(0);
    expect(said()[0]!.payload.label).to.equal('happy');
    const indices = steps.map(({ parts }) => parts.index);
    expect(indices).to.deep.equal([...new Set(indices)].sort((a, b) => a - b));
    expect(steps.length).to.be.at.least(4);
    expect(seen().length).to.be.above(0);
  });
});
