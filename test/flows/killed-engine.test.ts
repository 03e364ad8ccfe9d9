import { expect } from 'chai';
import { until } from '../media/fixtures';
import { NodeRed } from './node-red';

/** `EMOTION_KILLS=20 EMOTION_MESSAGES=2000 npx mocha dist/test/flows/killed-engine.test.js` is the full size. */
const KILLS = Number(process.env.EMOTION_KILLS ?? 3);
const MESSAGES = Number(process.env.EMOTION_MESSAGES ?? 300);

/** Messages on their way until all kills are done, so that each finds the engine at work however fast it is. */
const ON_THEIR_WAY = 100;

const SETTINGS = `module.exports = {
  flowFile: 'flows.json',
  uiHost: '127.0.0.1',
  functionGlobalContext: { process, gc: global.gc },
};`;

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

/**
 * POST /load sends messages with a number and a text of their own until POST /enough; GET /count says what
 * came back.
 */
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
    func: `let sent = 0;
while (sent < ${MESSAGES} || !flow.get('enough')) {
    const { results, errors } = flow.get('seen') || { results: {}, errors: {} };
    const answered = Object.keys(results).length + Object.keys(errors).length;
    for (; sent - answered < ${ON_THEIR_WAY}; sent += 1) node.send({ number: sent, payload: 'word '.repeat(100) + sent });
    await new Promise((resolve) => setTimeout(resolve, 5));
}
flow.set('sent', sent);`,
    outputs: 1,
  }),
  node('04', 'emotion-preprocess-text', ['05'], { model: 'killed00000000c1' }),
  node('05', 'emotion-infer', ['06'], { model: 'killed00000000c1', queueLimit: 1_000_000 }),
  node('06', 'function', [], { func: count('results'), outputs: 0 }),
  node('07', 'catch', ['08'], { scope: null, uncaught: false }),
  node('08', 'function', [], { func: count('errors'), outputs: 0 }),
  node('09', 'http in', ['10'], { url: '/count', method: 'get' }),
  node('10', 'function', ['11'], {
    func: `const process = global.get('process');
for (let turn = 0; msg.req.query.heap && turn < 4; turn += 1) {
    global.get('gc')();
    await new Promise((resolve) => setTimeout(resolve, 20));
}
const heapMb = process.memoryUsage().heapUsed / 1e6;
msg.payload = { results: {}, errors: {}, ...flow.get('seen'), sent: flow.get('sent'), heapMb };
return msg;`,
    outputs: 1,
  }),
  node('11', 'http response', []),
  node('12', 'http in', ['13'], { url: '/enough', method: 'post' }),
  node('13', 'function', ['14'], { func: "flow.set('enough', true); return msg;", outputs: 1 }),
  node('14', 'http response', []),
];

function count(kind: 'results' | 'errors'): string {
  return `const seen = flow.get('seen') || { results: {}, errors: {} };
seen.${kind}[msg.number] = (seen.${kind}[msg.number] || 0) + 1;
flow.set('seen', seen);`;
}

interface Seen {
  readonly results: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
  /** How many messages there were, once no more are sent. */
  readonly sent?: number;
  /** Of Node-RED, without what nobody holds; only where it was asked for. */
  readonly heapMb: number;
}

describe('an engine that is killed again and again', function () {
  this.timeout(240_000 + MESSAGES * 100 + KILLS * 5_000);
  let nodeRed: NodeRed;
  before(async () => {
    nodeRed = await NodeRed.start({
      models: { 'bench-encoder': 'bench-encoder', 'text-bilstm': 'tiny-text' },
      files: { 'settings.js': SETTINGS },
      environment: { NODE_OPTIONS: '--expose-gc' },
    });
    const { flows } = await nodeRed.flows();
    await nodeRed.deploy([...flows, ...FLOW]);
    await nodeRed.ready();
  });
  after(() => nodeRed.stop());

  const seen = async (query = ''): Promise<Seen> =>
    (await (await fetch(`${nodeRed.url}/count${query}`)).json()) as Seen;
  const answered = ({ results, errors }: Seen) =>
    Object.keys(results).length + Object.keys(errors).length;

  /** Kills the children that run a model; resolves with how many there were. */
  async function kill(): Promise<number> {
    const children = await nodeRed.children();
    for (const pid of children) process.kill(pid, 'SIGKILL');
    return children.length;
  }

  it(`answers each of ${MESSAGES} messages or more once over ${KILLS} kills`, async () => {
    const load = await fetch(`${nodeRed.url}/load`, { method: 'POST' });
    expect(load.status).to.equal(200);
    const heap: number[] = [];
    let kills = 0;
    while (kills < KILLS) {
      const before = answered(await seen());
      // A kill counts when the engine had something to do: it has answered since the last one.
      await until(async () => answered(await seen()) > before, 'an answer', 60_000);
      kills += Math.min(1, await kill());
      heap.push((await seen('?heap=1')).heapMb);
    }
    await fetch(`${nodeRed.url}/enough`, { method: 'POST' });
    let last = await seen();
    const isOver = async () => {
      last = await seen('?heap=1');
      return answered(last) === last.sent;
    };
    await until(isOver, 'every answer', 60_000 + MESSAGES * 100);
    heap.push(last.heapMb);

    const numbers = [...Object.keys(last.results), ...Object.keys(last.errors)];
    console.log(
      `    ${Object.keys(last.results).length} results, ${Object.keys(last.errors).length} errors, ` +
        `heap of Node-RED ${heap.map((value) => value.toFixed(0)).join(' ')} MB`,
    );
    expect(last.sent).to.be.at.least(MESSAGES);
    expect(new Set(numbers).size, 'messages answered').to.equal(last.sent);
    expect(numbers.length, 'answers, a result and an error counting as two').to.equal(last.sent);
    expect(Object.values(last.results).filter((times) => times > 1)).to.deep.equal([]);
    expect(Object.values(last.errors).filter((times) => times > 1)).to.deep.equal([]);
    expect(heap.at(-1)! - heap[0]!, 'growth of the heap in MB').to.be.below(10 + KILLS);
    await until(async () => (await nodeRed.children()).length === 1, 'one engine');
  });
});
