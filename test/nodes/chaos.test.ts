import { cp, mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { locateFfmpeg } from '../../lib/media/locate';
import { encodeJpeg } from '../../lib/video/annotate';
import { babble } from '../audio/signal';
import { wavFile } from '../audio/wav';
import { childrenOf } from '../flows/node-red';
import { portrait } from '../video/face-files';
import { writeFallbackModel } from './fallback-model';
import { Flow, MODELS, type FlowNodeDefinition, type Outcome } from './harness';

/** `EMOTION_CHAOS=5000 npx mocha dist/test/nodes/chaos.test.js` is the full size. */
const MESSAGES = Number(process.env.EMOTION_CHAOS ?? 150);
const KILL_EVERY_MS = MESSAGES >= 2000 ? 2000 : 500;
const BURST = 30;

/** What the messages of a burst are, in their order. */
const KINDS = ['picture', 'picture', 'sound', 'sound'] as const;
type Kind = (typeof KINDS)[number] | 'text';
const kindOf = (index: number): Kind => KINDS[index % BURST] ?? 'text';
const ENTRY: Readonly<Record<Kind, string>> = { picture: 'faces', sound: 'sounds', text: 'words' };

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
  { id: 'voice-model', type: 'emotion-model', source: 'installed', model: 'tiny-speech' },
  {
    id: 'sounds',
    type: 'emotion-preprocess-audio',
    model: 'voice-model',
    speech: 'energy',
    wires: [['judge-voice']],
  },
  { id: 'judge-voice', type: 'emotion-infer', model: 'voice-model', wires: [['out']] },
  {
    id: 'on-error',
    type: 'catch',
    scope: ['words', 'judge', 'faces', 'judge-face', 'sounds', 'judge-voice'],
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
  /** The only folder of PATH, from which FFmpeg is taken away. */
  let programs: string;
  let install: () => Promise<void>;
  const path = process.env.PATH;
  before(async () => {
    emotionModelFolder = await mkdtemp(join(tmpdir(), 'emotion-chaos-'));
    programs = join(emotionModelFolder, '.programs');
    const found = await locateFfmpeg();
    install = async () => {
      await mkdir(programs);
      await symlink(found.ffmpeg, join(programs, 'ffmpeg'));
      await symlink(found.ffprobe, join(programs, 'ffprobe'));
    };
    await install();
    process.env.PATH = programs;
    for (const id of ['tiny-text', 'tiny-face', 'tiny-speech']) {
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
    const sound = wavFile(babble(2));
    const payloadOf = (kind: Kind, burst: number, index: number): Buffer | string => {
      if (kind === 'text') return `so happy ${burst} ${index}`;
      return kind === 'picture' ? picture : sound;
    };
    const picture = encodeJpeg(portrait(), 90);
    const pending: Promise<Outcome>[] = [];
    const withoutFfmpeg: Promise<Outcome>[] = [];
    let killed = 0;
    let killing = true;
    const killer = (async () => {
      while (killing) {
        await sleep(KILL_EVERY_MS);
        killed += await killEngines();
      }
    })();

    let away = false;
    const bursts = Math.ceil(MESSAGES / BURST);
    // More where no engine was there yet when one was to be killed.
    const more = () => killed === 0 && pending.length < 10 * MESSAGES;
    for (let burst = 0; burst < bursts || more(); burst += 1) {
      if (burst === Math.floor(bursts / 3)) await writeFile(graph, intact.subarray(0, 100));
      if (burst === Math.floor(bursts / 2)) {
        await rm(programs, { recursive: true });
        away = true;
      }
      if (burst === Math.floor((2 * bursts) / 3)) {
        await writeFile(graph, intact);
        // However slow the machine: somebody has been told before FFmpeg is there again.
        await Promise.race(withoutFfmpeg);
        await install();
        away = false;
      }
      for (let index = 0; index < BURST; index += 1) {
        const kind = kindOf(index);
        const payload = payloadOf(kind, burst, index);
        const outcome = flow.sendUntilAnswered(ENTRY[kind], { payload });
        pending.push(outcome);
        if (away && kind === 'sound') withoutFfmpeg.push(outcome);
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
    const of = (kind: Kind) => outcomes.filter((_, index) => kindOf(index) === kind);
    expect(of('text').every(({ sent }) => sent.length === 1)).to.equal(true);
    // What was never decoded, the fallback cannot judge: one error that says that FFmpeg is not there or
    // went away between being found and being started, or that on a busy machine there was no room.
    const failed = [...of('sound'), ...of('picture')].flatMap(({ caught }) => caught);
    const others = failed.filter(
      ({ error: { code, message } }) =>
        code !== 'fallback.exhausted' ||
        !/media\.ffmpeg-missing|media\.killed|queue\.full|circuit-open/.test(message),
    );
    expect(others.map(({ error }) => error.message)).to.deep.equal([]);
    expect(failed).not.to.have.length(0);
    for (const kind of ['sound', 'picture'] as const) {
      expect(of(kind).filter(({ sent }) => sent.length === 1)).not.to.have.length(0);
    }
  });
});
