import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { MqttClient } from 'mqtt';
import { packageRoot } from '../../lib/models/package-root';
import { Mosquitto } from '../flow/mosquitto';
import { until } from '../media/fixtures';
import { NodeRed } from './node-red';
import { connect, madeUpPosts, publish } from './opinion';
import { PostgreSQL } from './postgresql';

/** The example, and the one with the route that says that Node-RED is ready. */
function flows(): string {
  const folder = join(packageRoot(), 'examples/flows');
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as object[];
  return JSON.stringify([
    ...read('02-text-http-api.json'),
    ...read('11-public-opinion-postgres.json'),
  ]);
}

const OLD = { text: 'long ago, so sad', source: 'forum', time: Date.UTC(2024, 1, 29) };

describe('the public-opinion flow with Mosquitto and PostgreSQL', function () {
  this.timeout(300_000);
  let broker: Mosquitto;
  let database: PostgreSQL;
  let nodeRed: NodeRed;
  let client: MqttClient;
  before(async () => {
    [broker, database] = await Promise.all([Mosquitto.start(), PostgreSQL.start()]);
    nodeRed = await NodeRed.start({
      files: { 'flows.json': flows() },
      environment: {
        MQTT_URL: `mqtt://127.0.0.1:${broker.port}`,
        OPINION_POSTGRES: database.url,
        // A minute after the start, the flow forgets what is older.
        OPINION_KEEP_DAYS: '36500',
      },
    });
    client = await connect(broker.port);
    // Mosquitto keeps for nobody what comes before the subscription stands.
    await until(
      async () => {
        await publish(client, [OLD]);
        return (await database.count().catch(() => 0)) === 1;
      },
      'the subscription',
      60_000,
    );
  });
  after(async () => {
    await client.endAsync(true);
    await nodeRed.stop();
    await database.stop();
    await broker.stop();
  });

  const reaches = (posts: number) =>
    until(async () => (await database.count()) === posts, `${posts} posts`, 60_000);

  it('stores every post once, in the partition of its month', async () => {
    const posts = madeUpPosts(300);
    await publish(client, [...posts, OLD]);
    await reaches(301);
    await publish(client, posts, 'park');
    await publish(client, [{ text: 'the last one' }]);
    await reaches(302);
    expect(await database.count('SELECT count(*) AS n FROM posts_2024_02')).to.equal(1);
    const counted = "SELECT sum(posts) AS n FROM counts WHERE topic = '' AND span = 60000";
    expect(await database.count(counted)).to.equal(302);
  });

  it('takes a request, and shows the dashboard', async () => {
    const response = await fetch(`${nodeRed.url}/opinion/posts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: "'); DROP TABLE posts; --", id: 'hostile' }),
    });
    expect(response.status).to.equal(202);
    await reaches(303);
    expect((await database.rows("SELECT text FROM posts WHERE id = 'hostile'"))[0]).to.deep.equal({
      text: "'); DROP TABLE posts; --",
    });
    expect((await fetch(`${nodeRed.url}/dashboard/opinion`)).status).to.equal(200);
  });

  it('keeps what comes while the database is away', async () => {
    await database.pause();
    await publish(
      client,
      madeUpPosts(100).map((post) => ({ ...post, source: 'later' })),
    );
    await until(() => nodeRed.log.includes('PostgreSQL:'), 'a failure', 60_000);
    await database.startAgain();
    await reaches(403);
  });
});
