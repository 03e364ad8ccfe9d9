import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { connectAsync, type MqttClient } from 'mqtt';
import { Mosquitto } from '../flow/mosquitto';
import { until } from '../media/fixtures';
import { NodeRed } from './node-red';

/** Seconds of posts in the first test; the outages grow with it. */
const SECONDS = Number(process.env.EMOTION_RELIABILITY_SECONDS ?? 4);
const POSTS_PER_SECOND = 200;

interface Row {
  readonly id: string;
  readonly label: string | null;
  readonly instance: string;
}

/** Keeps rows by id, as a table with a primary key does, and can be down. */
class Database {
  readonly rows = new Map<string, Row>();
  /** Rows that came although they were there. */
  repeated = 0;
  private server: Server | undefined;
  private port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}/insert`;
  }

  async up(): Promise<void> {
    this.server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        for (const row of JSON.parse(Buffer.concat(parts).toString()) as Row[]) {
          if (this.rows.has(row.id)) this.repeated += 1;
          else this.rows.set(row.id, row);
        }
        response.end('{}');
      });
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  async down(): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.server = undefined;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

/** MQTT → buffer → texts → emotion → rows → database → acknowledged; what fails comes again. */
function flow(broker: number, database: string, name: string, topic: string): object[] {
  const at = { z: 'tab', x: 100, y: 100 };
  return [
    { id: 'tab', type: 'tab', label: 'reliability' },
    { id: 'broker', type: 'mqtt-broker', broker: '127.0.0.1', port: String(broker), clientid: name, cleansession: false, autoConnect: true, protocolVersion: '5', keepalive: '60', sessionExpiry: '3600' },
    { id: 'model', type: 'emotion-model', version: 1, source: 'installed', model: 'text-bilstm' },
    { ...at, id: 'buffer', type: 'emotion-buffer', version: 1, property: 'posts', batchItems: 50, batchWait: 0.05, inFlight: 4, timeout: 20, firstDelay: 0.2, longestDelay: 1, mqtt: true, broker: 'broker', topic, qos: '1', wires: [['texts'], []] },
    { ...at, id: 'texts', type: 'function', outputs: 1, func: 'msg.payload = msg.posts.map(({ text }) => text); return msg;', wires: [['prepare']] },
    { ...at, id: 'prepare', type: 'emotion-preprocess-text', version: 1, model: 'model', wires: [['infer']] },
    { ...at, id: 'infer', type: 'emotion-infer', version: 1, model: 'model', wires: [['rows']] },
    { ...at, id: 'rows', type: 'function', outputs: 1, func: `msg.payload = msg.posts.map(({ id }, index) => ({ id, label: msg.payload[index].label, instance: '${name}' })); msg.headers = { 'content-type': 'application/json' }; return msg;`, wires: [['insert']] },
    { ...at, id: 'insert', type: 'http request', method: 'POST', ret: 'txt', url: database, senderr: true, wires: [['taken']] },
    { ...at, id: 'taken', type: 'change', rules: [{ t: 'set', p: 'acknowledge', pt: 'msg', to: 'true', tot: 'bool' }], wires: [['buffer']] },
    { ...at, id: 'failed', type: 'catch', scope: ['prepare', 'infer', 'insert'], wires: [['again']] },
    { ...at, id: 'again', type: 'change', rules: [{ t: 'set', p: 'acknowledge', pt: 'msg', to: 'false', tot: 'bool' }], wires: [['buffer']] },
    { ...at, id: 'alive', type: 'http in', url: '/emotion/models', method: 'get', wires: [['state']] },
    { ...at, id: 'state', type: 'http response', statusCode: '200', wires: [] },
  ]; // prettier-ignore
}

const SETTINGS = `module.exports = {
  flowFile: 'flows.json',
  uiHost: '127.0.0.1',
  uiPort: process.env.PORT,
  mqttReconnectTime: 300,
  editorTheme: { tours: false },
  telemetry: { enabled: false, updateNotification: false },
};
`;

/** A Node-RED with a folder that outlives it. */
class Instance {
  private nodeRed: NodeRed | undefined;

  constructor(
    readonly name: string,
    private readonly userDir: string,
    private readonly flows: readonly object[],
  ) {}

  async start(): Promise<void> {
    this.nodeRed = await NodeRed.start({
      userDir: this.userDir,
      models: { 'text-bilstm': 'tiny-text' },
      files: { 'flows.json': JSON.stringify(this.flows), 'settings.js': SETTINGS },
    });
  }

  async kill(): Promise<void> {
    const { process: child } = this.nodeRed!;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    this.nodeRed = undefined;
  }

  async stop(): Promise<void> {
    await this.nodeRed?.stop();
    await rm(this.userDir, { recursive: true, force: true });
  }
}

/** Publishes numbered posts evenly at QoS 1 until it is told to stop. */
function publishing(client: MqttClient, prefix: string) {
  const ids: string[] = [];
  const confirmed: Promise<unknown>[] = [];
  const begun = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - begun) / 1000) * POSTS_PER_SECOND;
    while (ids.length < due) {
      const id = `${prefix}${ids.length}`;
      ids.push(id);
      const post = JSON.stringify({ id, text: `今天地铁又涨价了 ${ids.length} happy` });
      confirmed.push(client.publishAsync(`opinion/metro/post`, post, { qos: 1 }));
    }
  }, 10);
  return {
    ids,
    /** When the broker has all of them. */
    stop: async () => {
      clearInterval(timer);
      await Promise.all(confirmed);
    },
  };
}

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

describe('posts from MQTT to a database', function () {
  this.timeout(180_000 + 10_000 * SECONDS);
  let mosquitto: Mosquitto;
  let database: Database;
  let client: MqttClient;
  let instances: Instance[];
  beforeEach(async () => {
    mosquitto = await Mosquitto.start();
    database = new Database();
    await database.up();
    client = await connectAsync(`mqtt://127.0.0.1:${mosquitto.port}`, { reconnectPeriod: 200 });
    instances = [];
  });
  afterEach(async () => {
    client.end(true);
    await Promise.all(instances.map((instance) => instance.stop()));
    await database.down();
    await mosquitto.stop();
  });

  const prepare = async (name: string, topic: string): Promise<Instance> => {
    const userDir = await mkdtemp(join(tmpdir(), 'emotion-reliability-'));
    const instance = new Instance(name, userDir, flow(mosquitto.port, database.url, name, topic));
    instances.push(instance);
    await instance.start();
    return instance;
  };
  /** Until a subscription stands, whoever it belongs to. */
  const warm = async (count: number) => {
    let sent = 0;
    await until(
      async () => {
        await client.publishAsync('opinion/metro/post', JSON.stringify({ id: `warm${(sent += 1)}`, text: 'happy' }), { qos: 1 }); // prettier-ignore
        return new Set([...database.rows.values()].map(({ instance }) => instance)).size === count;
      },
      'the subscriptions',
      60_000,
    );
  };
  const allIn = (ids: readonly string[], timeoutMs = 60_000) =>
    until(() => ids.every((id) => database.rows.has(id)), 'every post', timeoutMs);

  it(`are there exactly once after ${SECONDS} s with the database down, the broker restarted and Node-RED killed`, async () => {
    const instance = await prepare('central', 'opinion/+/post');
    await warm(1);
    const posts = publishing(client, 'p');
    const part = SECONDS / 6;
    await seconds(part);
    await database.down();
    await seconds(part);
    await instance.kill();
    await instance.start();
    await seconds(part);
    await database.up();
    await seconds(part);
    await mosquitto.pause();
    await seconds(part);
    await mosquitto.startAgain();
    await seconds(part / 2);
    await instance.kill();
    await instance.start();
    await seconds(part / 2);
    await posts.stop();
    await allIn(posts.ids, 60_000 + 2000 * SECONDS);

    const rows = [...database.rows.values()].filter(({ id }) => id.startsWith('p'));
    expect(rows).to.have.length(posts.ids.length);
    expect(rows.every(({ label }) => typeof label === 'string')).to.equal(true);
    if (process.env.EMOTION_RELIABILITY_SECONDS !== undefined) {
      console.log(`      ${posts.ids.length} posts, ${rows.length} rows, ${database.repeated} repetitions refused by the database`); // prettier-ignore
    }
  });

  it('are divided among three Node-RED by a shared subscription, one of them killed', async () => {
    const topic = '$share/emotion/opinion/+/post';
    const three = await Promise.all(['one', 'two', 'three'].map((name) => prepare(name, topic)));
    await warm(3);
    const posts = publishing(client, 's');
    await seconds(SECONDS / 4);
    await three[1]!.kill();
    await seconds(SECONDS / 4);
    const before = database.rows.size;
    await until(() => database.rows.size > before, 'the others to go on');
    await three[1]!.start();
    await posts.stop();
    await allIn(posts.ids, 60_000 + 2000 * SECONDS);

    const rows = [...database.rows.values()].filter(({ id }) => id.startsWith('s'));
    expect(rows).to.have.length(posts.ids.length);
    expect(rows.every(({ label }) => typeof label === 'string')).to.equal(true);
    const shares = new Map<string, number>();
    for (const { instance } of rows) shares.set(instance, 1 + (shares.get(instance) ?? 0));
    expect([...shares.keys()]).to.have.members(['one', 'two', 'three']);
    if (process.env.EMOTION_RELIABILITY_SECONDS !== undefined) {
      const divided = [...shares].map(([name, count]) => `${name} ${count}`).join(', ');
      console.log(`      ${posts.ids.length} posts: ${divided}; ${database.repeated} repetitions refused by the database`); // prettier-ignore
    }
  });
});
