import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import Database from 'libsql';
import { Pool, types } from 'pg';
import { packageRoot } from '../../lib/models/package-root';
import { PostgreSQL } from './postgresql';

interface FlowNode {
  readonly type: string;
  readonly name?: string;
  readonly func?: string;
  readonly initialize?: string;
}
interface Query {
  readonly sql: string;
  readonly params?: readonly unknown[];
  readonly rows?: readonly (readonly unknown[])[];
}
type Run = (queries: readonly Query[]) => Promise<unknown[]>;

const FLOWS = {
  sqlite: '10-public-opinion.json',
  postgresql: '11-public-opinion-postgres.json',
};
type Dialect = keyof typeof FLOWS;

/** Stands still, so that both databases are asked about the same time. */
class StoppedDate extends Date {
  static override now(): number {
    return NOW;
  }
}

/** The code of a function node of an example, as a function of its message. */
function functionNode(dialect: Dialect, name: string) {
  const path = join(packageRoot(), 'examples/flows', FLOWS[dialect]);
  const nodes = JSON.parse(readFileSync(path, 'utf8')) as FlowNode[];
  const node = nodes.find((one) => one.type === 'function' && one.name === name);
  if (!node) throw new Error(`no function node ${name}`);
  const red = { util: { generateId: () => 'made-in-the-test' } };
  const quiet = { status: () => undefined, error: () => undefined };
  return {
    node,
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the very code of the flow
    call: new Function('Date', 'msg', 'RED', 'node', 'env', node.func!).bind(
      null,
      StoppedDate,
    ) as unknown as (msg: unknown, RED?: unknown, node?: unknown, env?: unknown) => unknown,
    red,
    quiet,
  };
}

/** Text of the schema that the node `SQLite` or `PostgreSQL` runs when it starts. */
function schema(dialect: Dialect, driver: string): string {
  const [line] = functionNode(dialect, driver).node.initialize!.split('\n');
  return JSON.parse(line!.replace(/^const SCHEMA = /, '').replace(/;$/, '')) as string;
}

/** bigint and numeric as numbers: all of the flow's are below 2^53. */
const getTypeParser: typeof types.getTypeParser = (id: number) =>
  ([20, 1700].includes(id) ? Number : types.getTypeParser(id)) as never;

const HOUR = 3_600_000;
const NOW = Date.now();
const LABELS = ['happy', 'sad', 'angry', 'neutral', null] as const;

const rows = Array.from({ length: 400 }, (_, index) => {
  const label = LABELS[index % LABELS.length]!;
  return {
    id: `post ${index}`,
    topic: `topic ${index % 3}`,
    source: ['forum', 'news'][index % 2],
    author: index % 2 ? 'somebody' : null,
    url: null,
    text: `text '${index}'`,
    language: ['zh', 'en', null][index % 3],
    time: NOW - ((index * 7919) % 400) * (HOUR / 6),
    received: NOW,
    label,
    score: label === null ? 0 : 0.75,
    uncertain: label === null || index % 7 === 0 ? 1 : 0,
    scores: label === null ? {} : { [label]: 0.75 },
    words: [
      { text: ['涨价', 'late', 'sun'][index % 3], weight: 0.5 },
      { text: `w${index % 11}`, weight: 0.25 },
    ],
    duplicate_group: index % 3 === 0 ? null : `group ${index % 7}`,
    weight: index % 5 === 0 ? 0.5 : 1,
    model: 'm',
    runtime: 'onnxruntime',
    fallback: null,
    topics: [`topic ${index % 3}`, ...(index % 4 === 0 ? ['rule-fares'] : [])],
  };
});

const asked = [
  { ask: 'overview', filter: { range: '24h' } },
  { ask: 'overview', filter: { range: '7d', topic: 'rule-fares' } },
  { ask: 'overview', filter: { range: '24h', source: 'news', language: 'zh', class: 'sad' } },
  { ask: 'overview', filter: { range: "24h'; DROP TABLE posts; --", topic: "x' OR 1 = 1 --" } },
  { ask: 'posts', filter: { range: '7d', class: 'uncertain' }, from: NOW - 20 * HOUR, to: NOW },
  { ask: 'posts', filter: { topic: 'topic 1' }, from: 0, before: { time: NOW - HOUR, id: 'p' } },
  { ask: 'posts', group: 'group 3', from: 0, to: NOW + HOUR },
  { ask: 'posts', group: "x' OR 1 = 1 --", from: 0, to: NOW + HOUR },
  { ask: 'topics' },
  { ask: 'saveTopic', name: "it's", rule: 'a OR b' },
  { ask: 'saveTopic', id: 'rule-food', name: 'changed', rule: 'c' },
  { ask: 'deleteTopic', id: 'rule-fares' },
  { ask: 'topics' },
  { ask: 'overview', filter: { range: '24h' } },
];

describe('the SQL of the public-opinion flows', function () {
  this.timeout(300_000);
  let server: PostgreSQL;
  let pool: Pool;
  let database: Database.Database;
  const runs = {} as Record<Dialect, Run>;
  before(async () => {
    server = await PostgreSQL.start();
    pool = new Pool({
      connectionString: server.url,
      max: 4,
      types: { getTypeParser },
    });
    pool.on('connect', (client) => client.on('error', () => undefined));
    await pool.query(schema('postgresql', 'PostgreSQL'));
    database = new Database(':memory:');
    database.exec(schema('sqlite', 'SQLite'));
    const insert = database.prepare('INSERT INTO topics VALUES (?, ?, ?, ?)');
    for (const { id, name, rule, created } of await server.rows('SELECT * FROM topics')) {
      insert.run(id, name, rule, Number(created));
    }
    runs.postgresql = async (queries) => {
      const answers: unknown[] = [];
      for (const { sql, params = [] } of queries) {
        const { rows: found, rowCount, command } = await pool.query(sql, [...params]);
        answers.push(command === 'SELECT' ? found : { changes: rowCount });
      }
      return answers;
    };
    runs.sqlite = (queries) =>
      Promise.resolve(
        queries.map(({ sql, params = [], rows: each }) => {
          const statement = database.prepare(sql.replace(/\$(\d+)/g, '?$1'));
          if (each) return each.flatMap((values) => statement.all(...values));
          if (statement.reader) return statement.all(...params);
          return { changes: statement.run(...params).changes };
        }),
      );
  });
  after(async () => {
    pool.on('error', () => undefined);
    await pool.end();
    database.close();
    await server.stop();
  });

  /** Stores rows as the flow does; the ids of those that were new. */
  async function store(dialect: Dialect, batch: readonly unknown[]): Promise<string[]> {
    const message = { rows: batch } as { query?: Query[]; answer?: number };
    functionNode(dialect, 'batch → SQL').call(message);
    const answers = await runs[dialect](message.query!);
    return (answers[message.answer!] as { id: string }[]).map(({ id }) => id).sort();
  }

  /** What the page gets for a question. */
  async function answer(dialect: Dialect, payload: object): Promise<unknown> {
    const { call, red, quiet } = functionNode(dialect, 'ask');
    const [question, command] = call({ payload }, red, quiet) as ({ query: Query[] } | null)[];
    const message = (question ?? command)!;
    const reply = functionNode(dialect, 'answer').call(
      { ...message, payload: await runs[dialect](message.query) },
      red,
      quiet,
    ) as { payload: unknown }[];
    return JSON.parse(JSON.stringify(reply[0]!.payload, ordered));
  }

  for (const dialect of ['sqlite', 'postgresql'] as const) {
    it(`${dialect}: stores a post once, whoever brings it again and with whatever time`, async () => {
      const ids = rows.map(({ id }) => id).sort();
      expect(await store(dialect, [...rows, rows[0]])).to.deep.equal(ids);
      expect(await store(dialect, rows)).to.deep.equal([]);
      const later = rows.slice(0, 9).map((row) => ({ ...row, time: row.time + 90 * 24 * HOUR }));
      expect(await store(dialect, later)).to.deep.equal([]);
    });

    it(`${dialect}: keeps counts that are those of the posts`, async () => {
      const [counted, stored, byTopic, matched] = (
          await runs[dialect]([
            { sql: `SELECT sum(posts) AS n, sum(weight) AS w FROM counts WHERE topic = '' AND span = 60000` },
            { sql: 'SELECT count(*) AS n, sum(weight) AS w FROM posts' },
            { sql: `SELECT topic, sum(posts) AS n FROM counts WHERE topic <> '' AND span = 3600000 GROUP BY topic ORDER BY topic` },
            { sql: 'SELECT topic, count(*) AS n FROM post_topics GROUP BY topic ORDER BY topic' },
          ])
        ).map((answers) => JSON.parse(JSON.stringify(answers)) as unknown); // prettier-ignore
      expect(counted).to.deep.equal(stored);
      expect(byTopic).to.deep.equal(matched);
    });
  }

  it('gives the same answers in both', async () => {
    for (const payload of asked) {
      const [one, other] = [await answer('sqlite', payload), await answer('postgresql', payload)];
      expect(other, JSON.stringify(payload)).to.deep.equal(one);
    }
  });

  it('counts the near-duplicates of a post, and finds them', async () => {
    const alike = rows.filter(({ duplicate_group: group }) => group === 'group 3');
    for (const dialect of ['sqlite', 'postgresql'] as const) {
      const ask = { ask: 'posts', from: 0, to: NOW + HOUR };
      const found = async (group: string) =>
        ((await answer(dialect, { ...ask, group })) as { posts: { id: string; alike: number }[] }).posts; // prettier-ignore
      expect(new Set((await found('group 3')).map(({ alike }) => alike))).to.deep.equal(
        new Set([alike.length]),
      );
      expect(alike.map(({ id }) => id)).to.include.members((await found('group 3')).map(({ id }) => id)); // prettier-ignore
      expect(await found("x' OR 1 = 1 --")).to.deep.equal([]);
    }
  });

  it('keeps one row for each incident, which a page shows until somebody has looked at it', async () => {
    const alert = {
      incident: 'transit 1',
      event: 'raised',
      time: NOW - HOUR,
      topic: "it's #1",
      kind: 'negative-share',
      severity: 'warning',
      value: 0.75,
      baseline: 0.25,
      z: 6.5,
      evidence: [{ id: 'post 1', text: "'quoted'" }],
    };
    const escalated = { ...alert, event: 'escalated', severity: 'critical' };
    for (const dialect of ['sqlite', 'postgresql'] as const) {
      const keep = async (...posts: object[]) => {
        const message = { posts } as { query?: Query[] };
        functionNode(dialect, 'alerts → SQL').call(message);
        await runs[dialect](message.query!);
      };
      const sort = (one: object) =>
        functionNode(dialect, 'alerts').call({ payload: 'for a webhook', alert: one }) as [
          { posts: unknown[] } | null,
          { topic: string },
        ];
      const [kept, published] = sort(alert);
      expect(kept).to.deep.equal({ posts: [alert] });
      expect(published.topic).to.equal("opinion/alerts/it's -1");
      expect(sort({ ...alert, event: 'recovered' })[0]).to.equal(null);
      await keep(alert);
      await keep(escalated, alert);
      const shown = (await answer(dialect, { ask: 'overview' })) as { alerts: unknown[] };
      expect(shown.alerts).to.have.length(1);
      expect(shown.alerts[0]).to.deep.include({
        id: 'transit 1',
        severity: 'critical',
        value: 0.75,
        evidence: alert.evidence,
        acknowledged: 0,
      });
      await answer(dialect, { ask: 'acknowledge', id: 'transit 1' });
      // The outbox sent them again: it had not heard that they were stored.
      await keep(alert, escalated);
      const seen = (await answer(dialect, { ask: 'overview' })) as { alerts: unknown[] };
      expect(seen.alerts[0]).to.include({ acknowledged: 1 });
    }
  });

  it('lets several write the same posts at the same time', async () => {
    const many = rows.map((row) => ({ ...row, id: `twice ${row.id}` }));
    const shuffled = (seed: number) =>
      [...many].sort((a, b) => ((a.time * seed) % 101) - ((b.time * seed) % 101));
    const stored = await Promise.all(
      [3, 7, 11, 13].map((seed) => store('postgresql', shuffled(seed))),
    );
    expect(stored.flat().sort()).to.deep.equal(many.map(({ id }) => id).sort());
  });

  it('forgets whole months in PostgreSQL, and days in SQLite', async () => {
    const old = [{ ...rows[0]!, id: 'old', time: NOW - 200 * 24 * HOUR }];
    for (const dialect of ['sqlite', 'postgresql'] as const) {
      expect(await store(dialect, old)).to.deep.equal(['old']);
      const message = {} as { query?: Query[] };
      const env = { get: () => undefined };
      functionNode(dialect, 'forget').call(message, undefined, undefined, env);
      await runs[dialect](message.query!);
      const [found] = await runs[dialect]([{ sql: "SELECT id FROM posts WHERE id = 'old'" }]);
      expect(found).to.deep.equal([]);
      const [left] = await runs[dialect]([{ sql: "SELECT id FROM posts WHERE id = 'post 1'" }]);
      expect(left, dialect).to.have.length(1);
    }
  });
});

/** Members of objects in order, numbers in as many digits as 32 bits have, no time of the clock. */
function ordered(key: string, value: unknown): unknown {
  if (key === 'created') return typeof value;
  if (typeof value === 'number') return Math.round(value * 1e6) / 1e6;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value).filter(([name]) => name !== '_metadata');
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}
