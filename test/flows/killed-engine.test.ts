import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { NodeRed } from './node-red';

/** `EMOTION_KILLS=20 EMOTION_MESSAGES=2000 npx mocha dist/test/flows/killed-engine.test.js` is the full size. */
const KILLS = Number(process.env.EMOTION_KILLS ?? 3);
const MESSAGES = Number(process.env.EMOTION_MESSAGES ?? 300);

const TAB = 'killed0000000tab';
const node = (id: string, type: string, wires: string[], settings: object = {}) => ({
  id: `killed00000000${id}`,
  type,
  z: TAB,
  x: 100,
  y: 100,
  wires: wires.length > 0 ? [wires.map((to) => `killed00000000${to}`)] : [],
  ...settings,
});

/** POST /load sends messages with a number and a text of their own; GET /count says what came back. */
const FLOW = [
  { id: TAB, type: 'tab', label: 'load' },
  {
    id: 'killed00000000c1',
    type: 'emotion-model',
    source: 'installed',
    model: 'bench-encoder',
    maxBatch: 4,
    cacheEntries: 0,
    timeoutMs: 30_000,
  },
  node('01', 'http in', ['02', '03'], { url: '/load', method: 'post' }),
  node('02', 'http response', []),
  node('03', 'function', ['04'], {
    func: `for (let number = 0; number < ${MESSAGES}; number += 1) {
    node.send({ number, payload: 'word '.repeat(100) + number });
    if (number % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 5));
}`,
    outputs: 1,
  }),
  node('04', 'emotion-preprocess-text', ['05'], { model: 'killed00000000c1' }),
  node('05', 'emotion-infer', ['06'], { model: 'killed00000000c1', queueLimit: 1_000_000 }),
  node('06', 'function', [], { func: count('results'), outputs: 0 }),
  node('07', 'catch', ['08'], { scope: null, uncaught: false }),
  node('08', 'function', [], { func: count('errors'), outputs: 0 }),
  node('09', 'http in', ['10'], { url: '/count', method: 'get' }),
  node('10', 'function', ['11'], {
    func: "msg.payload = flow.get('seen') || { results: {}, errors: {} }; return msg;",
    outputs: 1,
  }),
  node('11', 'http response', []),
];

function count(kind: 'results' | 'errors'): string {
  return `const seen = flow.get('seen') || { results: {}, errors: {} };
seen.${kind}[msg.number] = (seen.${kind}[msg.number] || 0) + 1;
flow.set('seen', seen);`;
}

interface Seen {
  readonly results: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
}

describe('an engine that is killed again and again', function () {
  this.timeout(60_000 + MESSAGES * 100 + KILLS * 5_000);
  let nodeRed: NodeRed;
  before(async () => {
    nodeRed = await NodeRed.start({
      models: { 'bench-encoder': 'bench-encoder', 'text-bilstm': 'tiny-text' },
    });
    const { flows } = await nodeRed.flows();
    await nodeRed.deploy([...flows, ...FLOW]);
    await nodeRed.ready();
  });
  after(() => nodeRed.stop());

  const seen = async (): Promise<Seen> =>
    (await (await fetch(`${nodeRed.url}/count`)).json()) as Seen;
  const answered = ({ results, errors }: Seen) =>
    Object.keys(results).length + Object.keys(errors).length;

  /** Kills the children that run a model; resolves with how many there were. */
  async function kill(): Promise<number> {
    const children = await nodeRed.children();
    for (const pid of children) process.kill(pid, 'SIGKILL');
    return children.length;
  }

  async function rssMb(): Promise<number> {
    const status = await readFile(`/proc/${nodeRed.process.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1_024;
  }

  it(`answers each of ${MESSAGES} messages once over ${KILLS} kills`, async () => {
    const load = await fetch(`${nodeRed.url}/load`, { method: 'POST' });
    expect(load.status).to.equal(200);
    const rss: number[] = [];
    let kills = 0;
    while (kills < KILLS) {
      const before = answered(await seen());
      expect(before, 'answers before the last kill').to.be.below(MESSAGES);
      // A kill counts when the engine had something to do: it has answered since the last one.
      while (answered(await seen()) === before) await wait(20);
      kills += Math.min(1, await kill());
      rss.push(await rssMb());
    }
    let last = await seen();
    while (answered(last) < MESSAGES) {
      await wait(100);
      last = await seen();
    }

    const numbers = [...Object.keys(last.results), ...Object.keys(last.errors)];
    console.log(
      `    ${Object.keys(last.results).length} results, ${Object.keys(last.errors).length} errors, ` +
        `RSS of Node-RED ${rss.map((value) => value.toFixed(0)).join(' ')} MB`,
    );
    expect(new Set(numbers).size, 'messages answered').to.equal(MESSAGES);
    expect(numbers.length, 'answers, a result and an error counting as two').to.equal(MESSAGES);
    expect(Object.values(last.results).filter((times) => times > 1)).to.deep.equal([]);
    expect(Object.values(last.errors).filter((times) => times > 1)).to.deep.equal([]);
    const settled = rss.slice(Math.floor(rss.length / 3));
    expect(Math.max(...settled) - settled[0]!, 'growth of RSS in MB').to.be.below(40);
    expect(await nodeRed.children()).to.have.length(1);
  });
});
