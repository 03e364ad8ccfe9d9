import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel } from '../lib/models/model';
import { packageRoot } from '../lib/models/package-root';
import { NodeRed } from '../test/flows/node-red';
import { connect, OpinionDatabase, publish, type SentPost } from '../test/flows/opinion';
import { BareSession } from './bare-session';
import { rowsOf } from './flow';
import { figure, median, type BenchRow, type RowGroup } from './row';
import { postLength, posts } from './texts';

const POSTS = Number(process.env['EMOTION_BENCH_POSTS'] ?? 6_000);
/** Until the optimising compiler of Node-RED's process is done with what runs for every post. */
const WARM_UP = Number(process.env['EMOTION_BENCH_WARM_UP'] ?? 5_000);
const MODELS = (process.env['EMOTION_BENCH_MODELS'] ?? 'text-bilstm,text-zh-bert').split(',');
/** `usual`: as long as posts are; `short`: the demo feed's own, each with a word that makes it another. */
const TEXTS = process.env['EMOTION_BENCH_TEXTS'] === 'short' ? 'short' : 'usual';
const BATCH = 32;
const CONNECTIONS = 4;
const MARKERS = 50;
const HAN = /\p{Script=Han}/u;

/**
 * The example flow 10 from MQTT to SQLite, all posts that fit through, beside a bare session that gets
 * the same texts, as long as posts are and half of them Chinese, tokenised beforehand, in batches of 32
 * as they come, and sorted, so that little is filled up; then how long a post takes at a third of that.
 * What a post takes of the processors, in Node-RED's process and in that of the model, says more than the
 * pace where something else runs on the machine.
 *
 * Both sessions run with as many threads as ONNX Runtime chooses by itself, one a core; the bare one with
 * its threads spinning while they wait, as is its default, and with nothing else to do on the machine. In
 * the flow broker, database, publishers and this program share the same cores.
 */
export const opinion: RowGroup = {
  id: 'opinion',
  title: `public opinion, ${POSTS} posts ${TEXTS === 'short' ? 'of the demo feed' : 'of 5 to 128 words'}, MQTT QoS 1 → SQLite`,
  async measure(): Promise<BenchRow[]> {
    const rows: BenchRow[] = [];
    for (const id of MODELS) rows.push(...(await measure(id)));
    return rows;
  },
};

async function measure(id: string): Promise<BenchRow[]> {
  const model = await loadModel(join(packageRoot(), 'models', id));
  const only = (text: string) => id !== 'text-zh-bert' || HAN.test(text);
  const own = feed().filter(only);
  const chinese = words((text) => HAN.test(text));
  const english = id === 'text-zh-bert' ? chinese : words((text) => !HAN.test(text));
  const texts = (count: number, what: string) => {
    if (TEXTS === 'short') {
      return Array.from({ length: count }, (_, at) => `${own[at % own.length]} ${what}${at}`);
    }
    const lists = [posts(count, chinese, postLength), posts(count, english, postLength)];
    return Array.from({ length: count }, (_, at) => `${lists[at % 2]![at]} ${what}${at}`);
  };

  const bare = await BareSession.create(model);
  const tokens = await rowsOf(model, texts(POSTS, 'p'));
  const sorted = [...tokens].sort((a, b) => a.length - b.length);
  const limit = async (list: readonly number[][]): Promise<number> => {
    const from = performance.now();
    for (let at = 0; at < list.length; at += BATCH) await bare.run(list.slice(at, at + BATCH));
    return (1_000 * POSTS) / (performance.now() - from);
  };
  const limits = [await limit(tokens), await limit(tokens)];
  const best = await limit(sorted);

  const nodeRed = await NodeRed.start({ models: {} });
  const { flows } = await nodeRed.flows();
  const chosen = flows.map((node) => {
    const { type, model } = node as { type: string; model?: string };
    return type === 'emotion-model' && model === 'text-auto' ? { ...node, model: id } : node;
  });
  await nodeRed.deploy(chosen);
  await nodeRed.ready();
  const database = await OpinionDatabase.open(nodeRed);
  try {
    const clients = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => connect(nodeRed.mqttPort)),
    );
    const send = (posts: readonly SentPost[]) =>
      Promise.all(
        clients.map((client, index) =>
          publish(
            client,
            posts.filter((_, at) => at % CONNECTIONS === index),
          ),
        ),
      );
    const log = () => nodeRed.log;
    for (let sent = 0; sent < WARM_UP; sent += 1_000) {
      await send(texts(1_000, `w${sent}-`).map((text) => ({ text })));
      await database.reaches(sent + 1_000, log);
    }

    const warm = database.count();
    const used = await processorTimes(nodeRed);
    const from = performance.now();
    await send(texts(POSTS, 'p').map((text) => ({ text })));
    await database.reaches(warm + POSTS, log);
    const rate = (1_000 * POSTS) / (performance.now() - from);
    const use = (await processorTimes(nodeRed)).map((ms, at) => (1_000 * (ms - used[at]!)) / POSTS);

    const times = await latencies(rate / 3, texts(MARKERS * 1_000, 'l'), clients[0]!, database);
    await Promise.all(clients.map((client) => client.endAsync(true)));
    limits.push(await limit(tokens));
    const most = median(limits);
    const row = (
      name: string,
      pace: number,
      quantile: (q: number) => string,
      us: readonly number[] = [],
    ): BenchRow => ({
      name: `${id}: ${name}`,
      columns: {
        'posts/s': figure(pace),
        ratio: (pace / most).toFixed(2),
        'p50 ms': quantile(0.5),
        'p99 ms': quantile(0.99),
        'CPU µs a post': us.map((one) => one.toFixed(0)).join(' + '),
      },
    });
    return [
      row('bare session', most, () => ''),
      row('bare session, sorted by length', best, () => ''),
      row('flow 10', rate, (q) => figure(times[Math.floor(times.length * q)]!), use),
    ];
  } finally {
    database.close();
    await nodeRed.stop();
    await bare.release();
  }
}

/** Milliseconds from publishing a post until it is in the database, while others come at a rate. */
async function latencies(
  rate: number,
  texts: readonly string[],
  client: Awaited<ReturnType<typeof connect>>,
  database: OpinionDatabase,
): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const others: Promise<void>[] = [];
  const load = setInterval(() => {
    const part = texts.slice(next, next + Math.ceil(rate / 20)).map((text) => ({ text }));
    next += part.length;
    others.push(publish(client, part));
  }, 50);
  for (let marker = 0; marker < MARKERS; marker += 1) {
    const id = `marker ${marker}`;
    const from = performance.now();
    await publish(client, [{ id, text: `${texts[marker]} !` }]);
    while (database.count('SELECT count(*) AS n FROM posts WHERE id = ?', id) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    times.push(performance.now() - from);
  }
  clearInterval(load);
  await Promise.all(others);
  return times.sort((a, b) => a - b);
}

/** Milliseconds of processor time so far: of Node-RED's process and of the model's; none but on Linux. */
async function processorTimes(nodeRed: NodeRed): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  const children = await nodeRed.children();
  const times = [nodeRed.process.pid!, ...children].map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // pid (name) state …: user and system time are fields 14 and 15, in hundredths of a second
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  });
  return [times[0]!, times.slice(1).reduce((sum, ms) => sum + ms, 0)];
}

/** The demo feed's posts. */
function feed(): string[] {
  const path = join(packageRoot(), 'examples/public-opinion/feed.jsonl');
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as { text: string }).text);
}

/** The words of the demo feed's posts: what posts of any length are made of. */
function words(wanted: (text: string) => boolean): string[] {
  const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });
  return feed()
    .filter(wanted)
    .flatMap((text) => [...segmenter.segment(text)])
    .filter(({ isWordLike }) => isWordLike)
    .map(({ segment }) => segment);
}
