import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { MqttClient } from 'mqtt';
import { childrenOf, NodeRed } from './node-red';
import { connect, OpinionDatabase, publish, type SentPost } from './opinion';

/** How long posts come; the whole hour is for a machine that has nothing else to do. */
const MINUTES = Number(process.env.EMOTION_SOAK_MINUTES ?? 0.07);
const LONG = process.env.EMOTION_SOAK_MINUTES !== undefined;
const POSTS_PER_SECOND = 100;
/** Posts that may be on their way: what comes in twenty seconds. */
const MOST_PENDING = 20 * POSTS_PER_SECOND;
const SAMPLE_MS = LONG ? 5_000 : 500;
/** Different posts sent beforehand: the groups of near-duplicates are bounded, and full then. */
const BEFOREHAND = LONG ? 24_000 : 500;
/** What the resident memory may vary by. */
const VARIATION_MB = 30;

interface Sample {
  readonly seconds: number;
  /** Megabytes of Node-RED, and of the processes of its models. */
  readonly nodeRed: number;
  readonly engines: number;
  /** Posts that were published and are not in the database yet. */
  readonly pending: number;
  /** Kilobytes of the inbox on disk. */
  readonly inbox: number;
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
}

async function kilobytesOf(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map((file) =>
    stat(join(folder, file)).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) / 1024;
}

const WORDS = ['metro', 'fare', 'phone', 'noodles', 'park', 'happy', 'sad', 'angry', '地铁', '高兴', '愤怒']; // prettier-ignore

/** A post of its own: two of them share few words. */
function postOf(index: number): SentPost {
  const words = Array.from({ length: 12 }, (_, at) => {
    const number = Math.imul(index * 31 + at + 1, 2_654_435_761) >>> 0;
    return `${WORDS[number % WORDS.length]}${number % 9973}`;
  });
  return { id: `soak-${index}`, text: words.join(' '), source: 'soak' };
}

describe(`${POSTS_PER_SECOND} posts a second for ${MINUTES} minutes`, function () {
  this.timeout(240_000 + MINUTES * 120_000);
  let nodeRed: NodeRed;
  let database: OpinionDatabase;
  let client: MqttClient;
  before(async () => {
    nodeRed = await NodeRed.start(LONG ? { models: {} } : {});
    if (LONG) {
      const { flows } = await nodeRed.flows();
      await nodeRed.deploy(
        (flows as { model?: string }[]).map((node) =>
          node.model === 'text-auto' ? { ...node, model: 'text-bilstm' } : node,
        ),
      );
      await nodeRed.ready();
    }
    database = await OpinionDatabase.open(nodeRed);
    client = await connect(nodeRed.mqttPort);
  });
  after(async () => {
    await client.endAsync(true);
    database.close();
    await nodeRed.stop();
  });

  it('leave the memory flat and the queue short', async () => {
    let sent = 0;
    const send = async (count: number) => {
      const posts = Array.from({ length: count }, (_, at) => postOf(sent + at));
      sent += count;
      await publish(client, posts, 'soak');
    };
    const reaches = (posts: number) => database.reaches(posts, () => nodeRed.log);
    while (sent < BEFOREHAND) {
      await send(500);
      await reaches(sent);
    }

    const pid = nodeRed.process.pid!;
    const inbox = join(nodeRed.userDir, 'emotion-buffers', 'public-opinion');
    const sample = async (seconds: number): Promise<Sample> => {
      const engines = (await childrenOf(pid)).map(residentMegabytes);
      return {
        seconds: Math.round(seconds),
        nodeRed: await residentMegabytes(pid),
        engines: (await Promise.all(engines)).reduce((sum, one) => sum + one, 0),
        pending: sent - database.count(),
        inbox: await kilobytesOf(inbox),
      };
    };
    const samples: Sample[] = [];
    const begun = performance.now();
    let next = 0;
    const first = sent;
    for (;;) {
      const elapsed = performance.now() - begun;
      if (elapsed > MINUTES * 60_000) break;
      const due = Math.floor((elapsed / 1000) * POSTS_PER_SECOND) - (sent - first);
      // Nobody waits for the broker: posts come as they come.
      if (due > 0) void send(due);
      if (elapsed >= next) {
        samples.push(await sample(elapsed / 1000));
        next += SAMPLE_MS;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await reaches(sent);

    expect(database.count()).to.equal(sent);
    for (const { seconds, pending, inbox: kilobytes } of samples) {
      expect(pending, `posts on their way after ${seconds} s`).to.be.at.most(MOST_PENDING);
      expect(kilobytes, `the inbox after ${seconds} s`).to.be.below(40_000);
    }
    if (!LONG) return;
    for (const { seconds, nodeRed: memory, engines, pending, inbox: kilobytes } of samples.filter(
      (_, at) => at % 6 === 0,
    )) {
      console.log(
        `      ${String(seconds).padStart(5)} s: Node-RED ${memory.toFixed(0)} MB, models ${engines.toFixed(0)} MB, ${pending} on their way, inbox ${kilobytes.toFixed(0)} kB`,
      );
    }
    const third = Math.floor(samples.length / 3);
    for (const what of ['nodeRed', 'engines'] as const) {
      const early = median(samples.slice(third, 2 * third).map((one) => one[what]));
      const late = median(samples.slice(-third).map((one) => one[what]));
      expect(late - early, `${what}: megabytes more in the last third`).to.be.below(VARIATION_MB);
    }
  });
});
