import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { NodeRed } from './node-red';

const at = { z: 'tab', x: 100, y: 100 };
const route = { ...at, type: 'http in', upload: false };
const FLOWS = [
  { id: 'tab', type: 'tab', label: 'state' },
  { ...route, id: 'models', method: 'get', url: '/emotion/models', wires: [['answer']] },
  { ...route, id: 'post', method: 'post', url: '/topics', wires: [['command']] },
  {
    ...at,
    id: 'command',
    type: 'function',
    func: 'msg.action = msg.req.query.action; return msg;',
    outputs: 1,
    wires: [['topic']],
  },
  {
    ...at,
    id: 'topic',
    type: 'emotion-topic',
    version: 1,
    property: 'payload',
    propertyType: 'msg',
    rules: [{ id: 'set', rule: '公交' }],
    wires: [['answer'], ['answer']],
  },
  { ...at, id: 'answer', type: 'http response', wires: [] },
];

describe('what the nodes for public opinion remember', function () {
  this.timeout(300_000);
  let userDir: string;
  before(async () => {
    userDir = await mkdtemp(join(tmpdir(), 'emotion-state-'));
  });
  after(() => rm(userDir, { recursive: true, force: true }));

  const send = async (nodeRed: NodeRed, body: object, action = '') => {
    const response = await fetch(`${nodeRed.url}/topics?action=${action}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return (await response.json()) as unknown;
  };

  it('outlives a restart with the settings of the first start', async () => {
    const rules = [{ id: 'own', rule: '地铁 AND 涨价' }];
    const files = { 'flows.json': JSON.stringify(FLOWS) };
    const first = await NodeRed.start({ userDir, files, models: {} });
    expect(await send(first, { text: '公交' })).to.deep.include({ topics: ['set'] });
    expect(await send(first, rules, 'replace')).to.deep.equal(rules);
    expect(await first.stop()).to.equal(0);

    const second = await NodeRed.start({ userDir, models: {} });
    expect(await send(second, { text: '地铁又涨价了，公交没有' })).to.deep.include({
      topics: ['own'],
    });
    expect(await send(second, {}, 'list')).to.deep.equal(rules);
    await second.stop();
  });
});
