import { cp, mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { encodeJpeg } from '../../lib/video/annotate';
import { childrenOf } from '../flows/node-red';
import { portrait } from '../video/face-files';
import { writeFallbackModel } from './fallback-model';
import { Flow, MODELS, type FlowNodeDefinition, type Outcome } from './harness';

/** `EMOTION_CHAOS=5000 npx mocha dist/test/nodes/chaos.test.js` is the full size. */
const MESSAGES = Number(process.env.EMOTION_CHAOS ?? 150);
const KILL_EVERY_MS = MESSAGES >= 2000 ? 2000 : 500;
const BURST = 30;
const PICTURES_IN_A_BURST = 2;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const nodes: FlowNodeDefinition[] = [
  {
    id: 'text-model',
    type: 'emotion-model',
    source: 'installed',
    model: 'tiny-text',
    cacheEntries: 0,
  },
  { id: 'face-model', type: 'emotion-model', source: 'installed', model: 'tiny-face' },
  { id: 'words', type: 'emotion-preprocess-text', model: 'text-model', wires: [['judge']] },
  { id: 'judge', type: 'emotion-infer', model: 'text-model', queueLimit: 20, wires: [['out']] },
  { id: 'faces', type: 'emotion-preprocess-video', model: 'face-model', wires: [['judge-face']] },
  { id: 'judge-face', type: 'emotion-infer', model: 'face-model', wires: [['out']] },
  {
    id: 'on-error',
    type: 'catch',
    scope: ['words', 'judge', 'faces', 'judge-face'],
    wires: [['fallback']],
  },
  {
    id: 'fallback',
    type: 'emotion-fallback',
    firstDelay: 0.05,
    longestDelay: 0.5,
    openFor: 1,
    textModel: 'always-happy',
  },
];

/** Kills the processes in which models run, as a machine short of memory does. */
async function killEngines(): Promise<number> {
  let killed = 0;
  for (const pid of await childrenOf(process.pid)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
    if (!command.startsWith('emotion ') && !/session-process/.test(command)) continue;
    if (program !== process.execPath && !program.endsWith('/node')) continue;
    process.kill(pid, 'SIGKILL');
    killed += 1;
  }
  return killed;
}

describe(`chaos during ${MESSAGES} messages`, function () {
  this.timeout(MESSAGES * 100 + 60_000);
  let flow: Flow;
  let emotionModelFolder: string;
  const path = process.env.PATH;
  before(async () => {
    emotionModelFolder = await mkdtemp(join(tmpdir(), 'emotion-chaos-'));
    for (const id of ['tiny-text', 'tiny-face']) {
      await cp(join(MODELS, id), join(emotionModelFolder, id), { recursive: true });
    }
    await writeFallbackModel(emotionModelFolder, 'always-happy');
    flow = await Flow.start(nodes, { emotionModelFolder }, 'en-US', ['fallback']);
  });
  after(async () => {
    process.env.PATH = path;
    await flow.stop();
    await rm(emotionModelFolder, { recursive: true });
  });

  it('loses none and doubles none', async () => {
    const graph = join(emotionModelFolder, 'tiny-text/model.onnx');
    const intact = await readFile(graph);
    const picture = encodeJpeg(portrait(), 90);
    const pending: Promise<Outcome>[] = [];
    let killed = 0;
    let killing = true;
    const killer = (async () => {
      while (killing) {
        await sleep(KILL_EVERY_MS);
        killed += await killEngines();
      }
    })();

    const bursts = Math.ceil(MESSAGES / BURST);
    for (let burst = 0; burst < bursts; burst += 1) {
      if (burst === Math.floor(bursts / 3)) await writeFile(graph, intact.subarray(0, 100));
      if (burst === Math.floor(bursts / 2)) process.env.PATH = '/nowhere';
      if (burst === Math.floor((2 * bursts) / 3)) {
        await writeFile(graph, intact);
        process.env.PATH = path;
      }
      for (let index = 0; index < BURST; index += 1) {
        const isPicture = index < PICTURES_IN_A_BURST;
        const payload = isPicture ? picture : `so happy ${burst} ${index}`;
        pending.push(flow.sendUntilAnswered(isPicture ? 'faces' : 'words', { payload }));
      }
      await sleep(400);
    }
    const outcomes = await Promise.all(pending);
    killing = false;
    await killer;
    await sleep(300);

    for (const { sent, caught } of outcomes) expect(sent.length + caught.length).to.equal(1);
    const results = outcomes.flatMap(({ sent }) => sent.map(({ payload }) => payload as Result));
    const fallbacks = results.filter(({ fallback }) => fallback !== undefined).length;
    const errors = outcomes.length - results.length;
    console.log(
      `    ${outcomes.length} messages, engines killed ${killed} times: ${results.length - fallbacks} ` +
        `answers of the models, ${fallbacks} of the fallback, ${errors} errors`,
    );
    expect(killed).to.be.above(0);
    expect(fallbacks).to.be.above(0);
    expect(results.length - fallbacks).to.be.above(0);
    // What was never decoded, the fallback cannot judge; every text is answered.
    const texts = outcomes.filter((_, index) => index % BURST >= PICTURES_IN_A_BURST);
    expect(texts.every(({ sent }) => sent.length === 1)).to.equal(true);
  });
});
