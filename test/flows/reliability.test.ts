import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import SqliteFile from 'libsql';
import { connectAsync, type MqttClient } from 'mqtt';
import { packageRoot } from '../../lib/models/package-root';
import { Mosquitto } from '../flow/mosquitto';
import { until } from '../media/fixtures';
import { freePort, NodeRed } from './node-red';
import { connect } from './opinion';
import { PostgreSQL } from './postgresql';

/** Seconds of posts in each test, of which each outage takes a sixth. */
const SECONDS = Number(process.env.EMOTION_RELIABILITY_SECONDS ?? 4);
const LONG = process.env.EMOTION_RELIABILITY_SECONDS !== undefined;
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
  contextStorage: { default: { module: 'localfilesystem' } },
  editorTheme: { tours: false },
  telemetry: { enabled: false, updateNotification: false },
};
`;

/** A Node-RED with a folder that outlives it. */
class Instance {
  private nodeRed: NodeRed | undefined;

  constructor(
    readonly name: string,
    readonly userDir: string,
    private readonly flows: readonly object[],
    private readonly environment: Readonly<Record<string, string>> = {},
  ) {}

  async start(): Promise<void> {
    this.nodeRed = await NodeRed.start({
      userDir: this.userDir,
      models: { 'text-auto': 'tiny-text', 'text-bilstm': 'tiny-text' },
      files: { 'flows.json': JSON.stringify(this.flows), 'settings.js': SETTINGS },
      environment: this.environment,
    });
  }

  /** The alert node of the flow finds something. */
  async alarm(alert: object): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const request = { method: 'POST', headers, body: JSON.stringify(alert) };
    const { status } = await fetch(`${this.nodeRed!.url}/alarm`, request);
    expect(status).to.equal(200);
    const folder = join(this.userDir, 'emotion-buffers', 'public-opinion-alerts');
    await until(async () => {
      const files = await readdir(folder).catch(() => []);
      // Files come and go.
      const read = (file: string) => readFile(join(folder, file), 'utf8').catch(() => '');
      return (await Promise.all(files.map(read))).join('').includes(ALERT.incident);
    }, 'the alert on disk');
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

describe('posts of one MQTT topic', function () {
  this.timeout(300_000 + 10_000 * SECONDS);
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

  it('are divided among three Node-RED by a shared subscription, one of them killed', async () => {
    const topic = '$share/emotion/opinion/+/post';
    const three = await Promise.all(['one', 'two', 'three'].map((name) => prepare(name, topic)));
    await warm(3);
    const posts = publishing(client, 's');
    await seconds(SECONDS / 4);
    const stored = () => [...database.rows.values()].filter(({ id }) => id.startsWith('s'));
    const storing = () => new Set(stored().map(({ instance }) => instance)).size;
    await until(() => storing() === 3, 'posts from all three', 60_000);
    await three[1]!.kill();
    await seconds(SECONDS / 4);
    const before = database.rows.size;
    await until(() => database.rows.size > before, 'the others to go on');
    await three[1]!.start();
    await posts.stop();
    await allIn(posts.ids, 120_000 + 2000 * SECONDS);

    const rows = stored();
    expect(rows).to.have.length(posts.ids.length);
    expect(rows.every(({ label }) => typeof label === 'string')).to.equal(true);
    const shares = new Map<string, number>();
    for (const { instance } of rows) shares.set(instance, 1 + (shares.get(instance) ?? 0));
    expect([...shares.keys()]).to.have.members(['one', 'two', 'three']);
    if (LONG) {
      const divided = [...shares].map(([name, count]) => `${name} ${count}`).join(', ');
      console.log(`      ${posts.ids.length} posts: ${divided}; ${database.repeated} repetitions refused by the database`); // prettier-ignore
    }
  });
});

const ALERT = {
  id: 'alert 1',
  incident: 'incident 1',
  event: 'raised',
  // Old ones are forgotten a minute after the start.
  time: Date.now(),
  topic: 'metro',
  kind: 'negative-share',
  severity: 'warning',
  value: 0.75,
  baseline: 0.25,
  z: 6.5,
  evidence: [{ id: 'p1', text: 'sad' }],
};

/** An alert as the alert node sends it, on demand. */
function alarm(after: string): object[] {
  const at = { z: 'alarm', x: 100, y: 100 };
  return [
    { id: 'alarm', type: 'tab', label: 'alarm' },
    { ...at, id: 'alarm-in', type: 'http in', url: '/alarm', method: 'post', wires: [['alarm-made']] },
    { ...at, id: 'alarm-made', type: 'function', outputs: 2, func: 'return [{ alert: msg.payload }, msg];', wires: [[after], ['alarm-out']] },
    { ...at, id: 'alarm-out', type: 'http response', statusCode: '200', wires: [] },
  ]; // prettier-ignore
}

/** The example flow as it is imported, and the one with the route that says that Node-RED is ready. */
async function example(file: string): Promise<Record<string, unknown>[]> {
  const read = async (name: string) =>
    JSON.parse(await readFile(join(packageRoot(), 'examples/flows', name), 'utf8')) as Record<
      string,
      unknown
    >[];
  const flows = await read(file);
  const { id } = flows.find(({ type, name }) => type === 'function' && name === 'alerts')!;
  const more = alarm(String(id)) as Record<string, unknown>[];
  return [...(await read('02-text-http-api.json')), ...flows, ...more];
}

/** The database of a public-opinion flow, which can be away. */
interface Store {
  down(): Promise<void> | void;
  up(): Promise<void> | void;
  rows(sql: string): Promise<Record<string, unknown>[]>;
  close(): unknown;
}

interface Stage {
  readonly instance: Instance;
  readonly store: Store;
}

/** Flow 11 with a PostgreSQL that is stopped and started. */
async function withPostgreSQL(broker: Mosquitto, userDir: string): Promise<Stage> {
  const database = await PostgreSQL.start();
  const environment = {
    MQTT_URL: `mqtt://127.0.0.1:${broker.port}`,
    OPINION_POSTGRES: database.url,
  };
  const flows = await example('11-public-opinion-postgres.json');
  const store: Store = {
    down: () => database.pause(),
    up: () => database.startAgain(),
    rows: (sql) => database.rows(sql),
    close: () => database.stop(),
  };
  return { instance: new Instance('postgresql', userDir, flows, environment), store };
}

/** Flow 10 with a broker that outlives Node-RED, and a file that another program has locked. */
async function withSQLite(broker: Mosquitto, userDir: string): Promise<Stage> {
  const embedded = await freePort();
  const flows = (await example('10-public-opinion.json')).map((node) => {
    if (node.type === 'aedes broker') return { ...node, mqtt_port: String(embedded) };
    if (node.name === 'inbox') return { ...node, mqtt: true };
    return node.type === 'mqtt-broker' ? { ...node, port: String(broker.port) } : node;
  });
  let file: SqliteFile.Database | undefined;
  const opened = () => (file ??= new SqliteFile(join(userDir, 'opinion.sqlite')));
  const store: Store = {
    down: () => {
      opened().exec('PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE');
    },
    up: () => {
      opened().exec('ROLLBACK');
    },
    rows: (sql) => Promise.resolve(opened().prepare(sql).all() as Record<string, unknown>[]),
    close: () => file?.close(),
  };
  return { instance: new Instance('sqlite', userDir, flows), store };
}

describe('posts and alerts on their way to the database of a public-opinion flow', function () {
  this.timeout(300_000 + 10_000 * SECONDS);
  let broker: Mosquitto;
  let client: MqttClient;
  let stage: Stage;
  let userDir: string;
  beforeEach(async () => {
    broker = await Mosquitto.start();
    client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, { reconnectPeriod: 200 });
    userDir = await mkdtemp(join(tmpdir(), 'emotion-reliability-'));
  });
  afterEach(async () => {
    client.end(true);
    await stage.store.close();
    await stage.instance.stop();
    await broker.stop();
  });

  const ids = async (): Promise<string[]> =>
    (await stage.store.rows('SELECT id FROM posts')).map(({ id }) => String(id));

  const cases: [string, typeof withSQLite][] = [
    ['flow 10, its SQLite file locked', withSQLite],
    ['flow 11, its PostgreSQL stopped', withPostgreSQL],
  ];
  for (const [what, prepare] of cases) {
    it(`are there exactly once after ${SECONDS} s: ${what}, Mosquitto stopped, Node-RED killed`, async () => {
      stage = await prepare(broker, userDir);
      const { instance, store } = stage;
      await instance.start();
      const post = (id: string) => JSON.stringify({ id, text: 'happy' });
      await until(
        async () => {
          await client.publishAsync('opinion/metro/post', post('warm'), { qos: 1 });
          return (await ids().catch((): string[] => [])).includes('warm');
        },
        'the subscription',
        60_000,
      );

      const posts = publishing(client, 'p');
      const part = SECONDS / 6;
      await seconds(part);
      await store.down();
      await instance.alarm(ALERT);
      await seconds(part / 2);
      await instance.kill();
      await instance.start();
      await seconds(part / 2);
      await store.up();
      await seconds(part);
      await broker.pause();
      await seconds(part);
      await broker.startAgain();
      await seconds(part);
      if (LONG) {
        await instance.kill();
        await instance.start();
        await seconds(part);
      }
      await posts.stop();
      await until(
        async () => {
          const there = new Set(await ids());
          return posts.ids.every((id) => there.has(id));
        },
        'every post',
        120_000 + 2000 * SECONDS,
      );

      const there = (await ids()).filter((id) => id !== 'warm');
      expect(there).to.have.length(posts.ids.length);
      expect(new Set(there)).to.have.property('size', posts.ids.length);
      const judged = 'SELECT count(*) AS n FROM posts WHERE class IS NULL OR fallback IS NOT NULL';
      expect(Number((await store.rows(judged))[0]!['n'])).to.equal(0);
      const counted = "SELECT sum(posts) AS n FROM counts WHERE topic = '' AND span = 60000";
      expect(Number((await store.rows(counted))[0]!['n'])).to.equal(posts.ids.length + 1);
      const alerts = 'SELECT id, severity, acknowledged FROM alerts';
      await until(async () => (await store.rows(alerts)).length > 0, 'the alert');
      expect(await store.rows(alerts)).to.deep.equal([
        { id: ALERT.incident, severity: 'warning', acknowledged: 0 },
      ]);
      if (LONG) {
        console.log(`      ${posts.ids.length} posts sent, ${there.length} rows, each id once`);
      }
    });
  }
});

describe('posts that the broker inside flow 10 has acknowledged', function () {
  this.timeout(300_000 + 10_000 * SECONDS);
  const kills = LONG ? 10 : 1;

  it(`are in the database exactly once after Node-RED was killed ${kills} times under load`, async () => {
    const userDir = await mkdtemp(join(tmpdir(), 'emotion-reliability-'));
    const port = await freePort();
    const flows = (await example('10-public-opinion.json')).map((node) => {
      if (node.type === 'aedes broker') return { ...node, mqtt_port: String(port) };
      return node.type === 'mqtt-broker' ? { ...node, port: String(port) } : node;
    });
    const instance = new Instance('embedded', userDir, flows);
    const acknowledged: string[] = [];
    let sent = 0;
    /** Publishes until the broker is gone; what is not acknowledged by then is not sent again. */
    const load = async (client: MqttClient): Promise<void> => {
      while (client.connected) {
        for (let count = 0; count < 20; count += 1) {
          const id = `k${(sent += 1)}`;
          const post = JSON.stringify({ id, text: 'happy' });
          client.publish('opinion/metro/post', post, { qos: sent % 10 ? 1 : 2 }, (error) => {
            if (!error) acknowledged.push(id);
          });
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      client.end(true);
    };
    try {
      for (let kill = 0; kill < kills; kill += 1) {
        await instance.start();
        const client = await connect(port);
        client.on('error', () => undefined);
        const before = acknowledged.length;
        const loading = load(client);
        await until(
          () => acknowledged.length > before + 500 + 37 * kill,
          'acknowledgements',
          60_000,
        );
        await instance.kill();
        await loading;
      }
      await instance.start();
      const file = new SqliteFile(join(userDir, 'opinion.sqlite'));
      const ids = () =>
        file
          .prepare('SELECT id FROM posts')
          .all()
          .map((row) => (row as Row).id);
      await until(() => {
        const there = new Set(ids());
        return acknowledged.every((id) => there.has(id));
      }, 'every post that was acknowledged', 60_000 + 10_000 * kills); // prettier-ignore
      const there = ids();
      expect(new Set(there).size).to.equal(there.length);
      file.close();
      if (LONG) {
        console.log(`      ${sent} posts sent, ${acknowledged.length} acknowledged, ${there.length} rows`); // prettier-ignore
      }
    } finally {
      await instance.stop();
    }
  });
});
