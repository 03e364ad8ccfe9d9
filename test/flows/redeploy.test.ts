import { readdir, readFile, readlink } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import { until } from '../media/fixtures';
import { NodeRed } from './node-red';

/** `EMOTION_REDEPLOYS=500 npm run test:flows` repeats the figure of the README. */
const REDEPLOYS = Number(process.env.EMOTION_REDEPLOYS ?? 12);
/** Until caches, pools and the just-in-time compiler have settled. */
const WARM_UP = 5;

/** A file that is just being written and a module that is just being read, however many deploys there were. */
const SPARE_FILES = 3;

const SETTINGS = `module.exports = {
  flowFile: 'flows.json',
  uiHost: '127.0.0.1',
  functionGlobalContext: { process, gc: global.gc },
};`;

/** Answers with what the process holds, without what ends by itself: timers and requests to the system. */
const PROBE = [
  { id: 'probe0000000tab1', type: 'tab', label: 'probe' },
  {
    id: 'probe00000000001',
    type: 'http in',
    z: 'probe0000000tab1',
    url: '/probe',
    method: 'get',
    x: 100,
    y: 100,
    wires: [['probe00000000002']],
  },
  {
    id: 'probe00000000002',
    type: 'function',
    z: 'probe0000000tab1',
    func: `const process = global.get('process');
for (let turn = 0; turn < 4; turn += 1) {
    global.get('gc')();
    await new Promise((resolve) => setTimeout(resolve, 20));
}
msg.payload = {
    heapMb: process.memoryUsage().heapUsed / 1e6,
    rssMb: process.memoryUsage().rss / 1e6,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    resources: process.getActiveResourcesInfo().filter((name) => !/Timeout|Immediate|TCP|Req|(Write|Shutdown)Wrap/.test(name)).sort()
};
return msg;`,
    outputs: 1,
    x: 300,
    y: 100,
    wires: [['probe00000000003']],
  },
  {
    id: 'probe00000000003',
    type: 'http response',
    z: 'probe0000000tab1',
    x: 500,
    y: 100,
    wires: [],
  },
];

interface Probe {
  readonly heapMb: number;
  readonly rssMb: number;
  readonly listeners: number;
  readonly resources: readonly string[];
}

/** Open files, pipes and sockets but the TCP connections, which are those of the test itself. */
async function openFiles(pid: number): Promise<number> {
  const connections = (await readFile(`/proc/${pid}/net/tcp`, 'utf8'))
    .split('\n')
    .map((line) => `socket:[${line.trim().split(/\s+/)[9]}]`);
  const files = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => undefined)),
  );
  return targets.filter((target) => target !== undefined && !connections.includes(target)).length;
}

describe('deploying again and again', function () {
  this.timeout(REDEPLOYS * 10_000 + 240_000);
  let nodeRed: NodeRed;
  before(async () => {
    nodeRed = await NodeRed.start({
      files: { 'settings.js': SETTINGS },
      environment: { NODE_OPTIONS: '--expose-gc' },
    });
  });
  after(() => nodeRed.stop());

  async function holds(children: number) {
    await until(async () => (await nodeRed.children()).length === children, `${children} children`);
    const probe = (await (await fetch(`${nodeRed.url}/probe`)).json()) as Probe;
    const { pid } = nodeRed.process;
    return {
      ...probe,
      files: await openFiles(pid!),
      threads: (await readdir(`/proc/${pid}/task`)).length,
    };
  }

  async function useOnce(): Promise<void> {
    const response = await fetch(`${nodeRed.url}/emotion/text`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ text: ['I am happy', 'so sad'] }),
    });
    expect(response.status).to.equal(200);
    await response.json();
  }

  it(`leaves nothing behind after ${REDEPLOYS} times`, async () => {
    const { flows } = await nodeRed.flows();
    const redeploy = async () => {
      await nodeRed.deploy([...flows, ...PROBE]);
      await nodeRed.ready();
      await useOnce();
    };
    for (let count = 0; count < WARM_UP; count += 1) await redeploy();
    const before = await holds(1);
    for (let count = 0; count < REDEPLOYS; count += 1) await redeploy();
    // A file that is just being read is no file that is left open: what is over soon is waited for.
    let after = await holds(1);
    await until(async () => {
      after = await holds(1);
      return (
        isDeepStrictEqual(after.resources, before.resources) &&
        after.files <= before.files + SPARE_FILES
      );
    }, 'the end of what the last deploy does').catch(() => undefined);

    console.log(
      `    ${REDEPLOYS} deploys: heap ${before.heapMb.toFixed(1)} → ${after.heapMb.toFixed(1)} MB, ` +
        `RSS ${before.rssMb.toFixed(0)} → ${after.rssMb.toFixed(0)} MB, ` +
        `files ${before.files} → ${after.files}, threads ${before.threads} → ${after.threads}`,
    );
    expect(after.listeners).to.equal(before.listeners);
    expect(after.resources).to.deep.equal(before.resources);
    expect(after.threads).to.be.at.most(before.threads + 1);
    expect(after.files, 'open files').to.be.at.most(before.files + SPARE_FILES);
    expect(after.heapMb - before.heapMb, 'heap in MB').to.be.below(2 + REDEPLOYS * 0.02);

    await nodeRed.deploy(PROBE);
    await until(async () => (await holds(0)).threads < after.threads, 'the end of the workers');
  });
});
