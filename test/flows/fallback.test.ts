import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { NodeRed } from './node-red';

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  readonly z?: string;
  readonly info?: string;
  readonly wires?: string[][];
  readonly [setting: string]: unknown;
}

interface Kept {
  readonly payload: Result;
  readonly error?: { readonly code?: string };
}

/** What reaches the two debug nodes also goes here, to be asked for. */
function watched(flow: readonly FlowNode[]): object[] {
  const tab = flow.find(({ type }) => type === 'tab')!.id;
  const ends = flow.filter(({ type }) => type === 'debug').map(({ id }) => id);
  const tapped = flow.map((node) =>
    node.wires
      ? {
          ...node,
          wires: node.wires.map((to) =>
            to.some((id) => ends.includes(id)) ? [...to, 'keep'] : to,
          ),
        }
      : node,
  );
  const place = { z: tab, x: 1, y: 1 };
  return [
    ...tapped,
    {
      ...place,
      id: 'keep',
      type: 'function',
      func: `const kept = flow.get('kept') || [];
kept.push({ payload: msg.payload, error: msg.error && { code: msg.error.code } });
flow.set('kept', kept);`,
      outputs: 0,
      wires: [],
    },
    { ...place, id: 'ask', type: 'http in', url: '/kept', method: 'get', wires: [['take']] },
    {
      ...place,
      id: 'take',
      type: 'function',
      func: `msg.payload = flow.get('kept') || []; flow.set('kept', []); return msg;`,
      outputs: 1,
      wires: [['give']],
    },
    { ...place, id: 'give', type: 'http response', wires: [] },
  ];
}

describe('the flow that breaks things on purpose', function () {
  this.timeout(300_000);
  let nodeRed: NodeRed;
  let flow: FlowNode[];
  before(async () => {
    const file = join(packageRoot(), 'examples/flows/09-fallback.json');
    flow = JSON.parse(await readFile(file, 'utf8')) as FlowNode[];
    nodeRed = await NodeRed.start();
    const { flows } = await nodeRed.flows();
    const others = flows.filter(({ id }) => !flow.some((node) => node.id === id));
    // Quick, so that three attempts do not take seconds.
    const quick = flow.map((node) =>
      node.type === 'emotion-fallback' ? { ...node, firstDelay: 0.05, longestDelay: 0.1 } : node,
    );
    await nodeRed.deploy([...others, ...watched(quick)]);
    await nodeRed.ready();
  });
  after(() => nodeRed.stop());

  async function press(name: string): Promise<void> {
    const { id } = flow.find((node) => node.type === 'inject' && node.name === name)!;
    expect((await fetch(`${nodeRed.url}/inject/${id}`, { method: 'POST' })).status).to.equal(200);
  }

  async function answers(count: number): Promise<Kept[]> {
    const kept: Kept[] = [];
    const until = Date.now() + 60_000;
    while (kept.length < count && Date.now() < until) {
      kept.push(...((await (await fetch(`${nodeRed.url}/kept`)).json()) as Kept[]));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(kept).to.have.length(count);
    return kept;
  }

  it('starts with a comment that says what to do', () => {
    expect(flow.find(({ type }) => type === 'comment')!.info).to.match(/press \*a text\*/);
  });

  it('answers a text', async () => {
    await press('a text');
    expect((await answers(1))[0]!.payload).to.include({ model: 'text-bilstm' });
  });

  it('answers fifty texts while the engine is killed', async () => {
    await press('fifty texts');
    await press('kill the engine');
    const kept = await answers(50);
    for (const { payload } of kept) expect(payload.label).to.be.a('string');
  });

  it('answers at once for a model that is not there', async () => {
    await press('a model that is not there');
    const [{ payload }] = (await answers(1)) as [Kept];
    expect(payload).to.deep.include({
      model: 'fallback-text',
      runtime: 'logistic',
      fallback: { reason: 'input.wrong-model', attempts: 0 },
    });
  });

  it('lets through what fails twice, and answers for what fails for ever', async () => {
    await press('fails twice');
    const [{ payload: through }] = (await answers(1)) as [Kept];
    expect(through.fallback).to.equal(undefined);
    await press('fails for ever');
    const [{ payload }] = (await answers(1)) as [Kept];
    expect(payload).to.deep.include({ runtime: 'logistic' });
    expect(payload.fallback).to.deep.equal({ reason: 'engine.crashed', attempts: 3 });
  });

  it('leaves alone what keeps failing', async () => {
    await press('fails for ever');
    await answers(1);
    await press('fails for ever');
    expect((await answers(1))[0]!.payload.fallback).to.deep.equal({
      reason: 'circuit-open',
      attempts: 0,
    });
  });

  it('fails once where there is no answer', async () => {
    await press('no answer at all');
    expect((await answers(1))[0]!.error?.code).to.equal('fallback.exhausted');
  });
});
