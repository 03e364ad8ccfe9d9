import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { packageRoot } from '../../lib/models/package-root';
import { scratchFolder, until } from '../media/fixtures';
import { film, portrait } from '../video/face-files';
import { childrenOf, FIXTURE_MODELS, NodeRed } from './node-red';

/** `EMOTION_STREAM_MINUTES=10 npm run test:flows` repeats the figure of the README, with the shipped network. */
const MINUTES = Number(process.env.EMOTION_STREAM_MINUTES ?? 0);
const FPS = 25;
/** Pictures until caches, pools and the just-in-time compiler have settled, and how many are looked at then. */
const WARM_UP = MINUTES > 0 ? 60 * FPS : 2 * FPS;
const LOOKED_AT = Math.max(3 * FPS, MINUTES * 60 * FPS);

const SETTINGS = `const delay = require('node:perf_hooks').monitorEventLoopDelay({ resolution: 1 });
delay.enable();
module.exports = {
  flowFile: 'flows.json',
  uiHost: '127.0.0.1',
  functionGlobalContext: { process, gc: global.gc, delay },
};`;

/** What the process holds, and how long its event loop kept others waiting since the last time. */
const PROBE = `const [process, delay] = [global.get('process'), global.get('delay')];
const gap = { p99: delay.percentile(99) / 1e6 - 1, max: delay.max / 1e6 - 1 };
for (let turn = 0; turn < 4; turn += 1) {
    global.get('gc')();
    await new Promise((resolve) => setTimeout(resolve, 20));
}
const { heapUsed, external, rss } = process.memoryUsage();
msg.payload = { gap, heapMb: heapUsed / 1e6, outsideMb: external / 1e6, rssMb: rss / 1e6 };
delay.reset();
return msg;`;

const count = (name: string): string => `flow.set('${name}', (flow.get('${name}') ?? 0) + 1);`;
const TELL = `msg.payload = { pictures: flow.get('pictures') ?? 0, answers: flow.get('answers') ?? 0, label: flow.get('label') };
return msg;`;

interface Probe {
  readonly gap: { readonly p99: number; readonly max: number };
  readonly heapMb: number;
  readonly outsideMb: number;
  readonly rssMb: number;
}

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly wires?: readonly string[][];
}

describe(`a camera with ${FPS} pictures a second`, function () {
  this.timeout(MINUTES * 120_000 + 300_000);
  const folder = scratchFolder();
  const file = join(packageRoot(), 'examples/flows/06-live-camera.json');
  const flow = JSON.parse(readFileSync(file, 'utf8')) as FlowNode[];
  let nodeRed: NodeRed;
  before(async () => {
    nodeRed = await NodeRed.start({
      files: { 'settings.js': SETTINGS },
      environment: { NODE_OPTIONS: '--expose-gc' },
      models: MINUTES > 0 ? {} : FIXTURE_MODELS,
    });
  });
  after(() => nodeRed.stop());

  const ask = async <T>(path: string): Promise<T> =>
    (await (await fetch(`${nodeRed.url}/${path}`)).json()) as T;
  const seen = () => ask<{ pictures: number; answers: number; label?: string | null }>('seen');

  /** With the resident megabytes of all that Node-RED started: the engine and FFmpeg. */
  async function holds(): Promise<Probe & { childrenMb: number }> {
    const pids = await childrenOf(nodeRed.process.pid!);
    const status = await Promise.all(
      pids.map((pid) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')),
    );
    const resident = status.map((text) => Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0));
    const childrenMb = resident.reduce((sum, kb) => sum + kb / 1e3, 0);
    return { ...(await ask<Probe>('probe')), childrenMb };
  }

  async function pictures(most: number): Promise<void> {
    const enough = async (): Promise<boolean> => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return (await seen()).pictures >= most;
    };
    await until(enough, `${most} pictures`, MINUTES * 120_000 + 90_000);
  }

  it('leaves the event loop free and the memory as it was', async () => {
    const frame = (i: number) => portrait(640, 360, { x: 300 + 4 * i, size: 90, mouth: 0.9 });
    const path = await film(folder, 10, frame, { fps: FPS });
    const { z } = flow.find(({ type }) => type === 'emotion-infer')!;
    const settings = { source: 'file', path, loop: true, fps: FPS, autostart: true };
    const changed = flow.map((node) => {
      if (node.type === 'emotion-capture') {
        const [sounds, states, frames] = node.wires!;
        return { ...node, ...settings, wires: [sounds, states, [...frames!, 'taken']] };
      }
      return node.type === 'emotion-infer' ? { ...node, wires: [['answered']] } : node;
    });
    const end = (id: string, func: string) => ({ id, type: 'function', z, func, wires: [[]] });
    const route = (name: string, func: string) => [
      { id: name, type: 'http in', z, url: `/${name}`, method: 'get', wires: [[`${name}-f`]] },
      { id: `${name}-f`, type: 'function', z, func, wires: [[`${name}-r`]] },
      { id: `${name}-r`, type: 'http response', z, wires: [] },
    ];
    await nodeRed.deploy([
      ...changed,
      end('taken', count('pictures')),
      end('answered', `${count('answers')} flow.set('label', msg.payload.label);`),
      ...route('seen', TELL),
      ...route('probe', PROBE),
    ]);
    await until(async () => (await fetch(`${nodeRed.url}/seen`)).ok, 'the flow', 60_000);
    await pictures(WARM_UP);
    const before = { ...(await holds()), ...(await seen()) };
    await pictures(before.pictures + LOOKED_AT);
    await until(async () => (await seen()).answers > before.answers, 'an answer', 60_000);
    const after = { ...(await holds()), ...(await seen()) };

    const mb = (key: 'heapMb' | 'outsideMb' | 'rssMb' | 'childrenMb') =>
      `${before[key].toFixed(1)} → ${after[key].toFixed(1)} MB`;
    console.log(
      `    ${after.pictures - before.pictures} pictures, ${after.answers - before.answers} answers: ` +
        `event loop p99 ${after.gap.p99.toFixed(1)}, longest ${after.gap.max.toFixed(1)} ms; ` +
        `heap ${mb('heapMb')}, buffers ${mb('outsideMb')}, RSS ${mb('rssMb')}, children ${mb('childrenMb')}`,
    );
    expect(after.answers).to.be.above(before.answers);
    expect(after.label).to.be.a('string');
    // A picture has 0.7 MB: a queue that grows, or pictures that are kept, would show at once.
    const kept = after.heapMb + after.outsideMb - before.heapMb - before.outsideMb;
    expect(kept, 'heap and buffers in MB').to.be.below(12);
    if (MINUTES > 0) {
      expect(after.childrenMb - before.childrenMb, 'children in MB').to.be.below(40);
    }
    expect(nodeRed.log).not.to.match(/TypeError|ReferenceError|unhandled/i);
  });
});
