import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import type { MqttClient } from 'mqtt';
import { packageRoot } from '../../lib/models/package-root';
import { NodeRed } from './node-red';
import { connect, madeUpPosts, OpinionDatabase, publish } from './opinion';

describe('the public-opinion flow', function () {
  this.timeout(300_000);
  let nodeRed: NodeRed;
  let database: OpinionDatabase;
  let client: MqttClient;
  before(async () => {
    nodeRed = await NodeRed.start();
    database = await OpinionDatabase.open(nodeRed);
    client = await connect(nodeRed.mqttPort);
  });
  after(async () => {
    await client.endAsync(true);
    database.close();
    await nodeRed.stop();
  });

  const send = (body: unknown, type = 'application/json') =>
    fetch(`${nodeRed.url}/opinion/posts`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const reaches = (posts: number) => database.reaches(posts, () => nodeRed.log);

  it('is made of the parts in examples/public-opinion', () => {
    execFileSync(process.execPath, ['tools/make-opinion-flows.mjs', '--check'], {
      cwd: packageRoot(),
    });
  });

  it('stores every post that comes by MQTT once, however often it is sent', async () => {
    const posts = madeUpPosts(500);
    await publish(client, posts.slice(0, 250));
    await publish(client, posts.slice(200, 450), 'park');
    await publish(client, posts);
    await reaches(500);
    const more = { text: 'wow', topic: 'last', time: Date.now() };
    await publish(client, [more]);
    await reaches(501);
    expect(database.count()).to.equal(501);
    const [row] = database.rows("SELECT * FROM posts WHERE text = 'sad 1'");
    expect(row).to.include({ label: 'sad', source: 'news', topic: 'transit' });
    expect(row).to.include({ language: 'en', weight: 1 });
    expect(row!['class']).to.equal(row!['uncertain'] ? 'uncertain' : 'sad');
    const [word] = JSON.parse(row!['words'] as string) as { text: string }[];
    expect(word).to.include({ text: 'sad' });
  });

  it('counts for the charts what is in the table', () => {
    for (const span of [60_000, 3_600_000]) {
      const counted = database.rows(
        `SELECT bucket, class, sum(posts) AS n FROM counts WHERE span = ? AND topic = ''
         GROUP BY bucket, class ORDER BY bucket, class`,
        span,
      );
      const stored = database.rows(
        `SELECT time - time % ${span} AS bucket, class, count(*) AS n FROM posts
         GROUP BY 1, 2 ORDER BY 1, 2`,
      );
      expect(counted).to.deep.equal(stored);
    }
    const byTopic = "SELECT sum(posts) AS n FROM counts WHERE span = 60000 AND topic = 'park'";
    expect(database.count(byTopic)).to.equal(
      database.count("SELECT count(*) AS n FROM posts WHERE topic = 'park'"),
    );
  });

  it('takes a post, an array and JSON Lines by HTTP, and says which it took', async () => {
    const before = database.count();
    const one = await send({ text: 'so sad', source: 'hotline', url: 'https://example.org/1' });
    expect(one.status).to.equal(202);
    const { accepted, ids } = (await one.json()) as { accepted: number; ids: string[] };
    expect(accepted).to.equal(1);
    await send([{ text: 'I am happy today' }, { text: 'I am angry today', id: 'my id' }]);
    await send('{"text":"line one"}\n{"text":"line two"}\n', 'application/x-ndjson');
    await reaches(before + 5);
    expect(database.rows('SELECT url, source FROM posts WHERE id = ?', ids[0])).to.deep.equal([
      { url: 'https://example.org/1', source: 'hotline' },
    ]);
    expect(database.count("SELECT count(*) AS n FROM posts WHERE id = 'my id'")).to.equal(1);
  });

  const refused: [string, unknown, string, number][] = [
    ['what is no JSON', '{"text":', 'application/json', 400],
    ['a post without a text', { source: 'x' }, 'application/json', 400],
    ['an empty text', { text: '  ' }, 'application/json', 400],
    ['a topic with an MQTT wildcard', { text: 'x', topic: 'a/+/#' }, 'application/json', 400],
    ['a time in the far future', { text: 'x', time: 4e12 }, 'application/json', 400],
    ['another type', 'x', 'text/html', 415],
    ['a text that is too long', { text: 'x'.repeat(10_001) }, 'application/json', 413],
    ['a body of ten megabytes', { text: 'x'.repeat(10_000_000) }, 'application/json', 413],
    ['too many posts', new Array(1001).fill('x'), 'application/json', 413],
  ];
  for (const [what, body, type, status] of refused) {
    it(`refuses ${what}`, async () => {
      const response = await send(body, type);
      expect(response.status).to.equal(status);
      expect(response.headers.get('content-type')).to.match(/^application\/problem\+json/);
      expect(await response.json()).to.include({ status });
    });
  }

  it('takes hostile texts as texts', async () => {
    const hostile = [
      "'); DROP TABLE posts; --",
      '<img src=x onerror=alert(1)>',
      '{{constructor.constructor("return process")()}}',
      'a\u0000b \ud800',
      '__proto__',
    ];
    const before = database.count();
    await publish(
      client,
      hostile.map((text) => ({ text, source: text, id: text })),
      "x'; DROP TABLE posts; --",
    );
    await reaches(before + hostile.length);
    const texts = database.rows('SELECT text FROM posts').map(({ text }) => text);
    expect(texts).to.include.members(hostile.slice(0, 3));
  });

  it('says by Catch what it cannot use, and goes on', async () => {
    const before = database.count();
    await client.publishAsync('opinion/x/post', Buffer.alloc(10_000_000, 'x'), { qos: 1 });
    await client.publishAsync('opinion/x/post', Buffer.from([0xff, 0xfe, 0x00]), { qos: 1 });
    await client.publishAsync('opinion/x/post', '{"text":', { qos: 1 });
    await publish(client, [{ text: 'still here' }]);
    await reaches(before + 1);
    expect(database.count()).to.equal(before + 1);
    expect(nodeRed.log).not.to.match(/uncaught|Unhandled/i);
  });

  it('answers and stores what a hundred callers send at once', async () => {
    const before = database.count();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, caller) =>
        send(Array.from({ length: 5 }, (_item, index) => ({ text: `happy ${caller}.${index}` }))),
      ),
    );
    expect(answers.map(({ status }) => status)).to.deep.equal(new Array(100).fill(202));
    await reaches(before + 500);
    expect(database.count()).to.equal(before + 500);
  });

  it('keeps what it has over a restart', async () => {
    const before = database.count();
    const { flows } = await nodeRed.flows();
    await nodeRed.deploy(flows, 'full');
    const until = Date.now() + 60_000;
    let response = await send({ text: 'after the restart, so happy' });
    while (response.status === 404 && Date.now() < until) {
      response = await send({ text: 'after the restart, so happy' });
    }
    await reaches(before + 1);
  });
});
