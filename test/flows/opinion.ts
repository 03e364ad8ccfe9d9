import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import mqtt, { type MqttClient } from 'mqtt';
import { until } from '../media/fixtures';
import type { NodeRed } from './node-red';

/** What a device sends to `opinion/<topic>/post`. */
export interface SentPost {
  readonly id?: string;
  readonly text: string;
  readonly topic?: string;
  readonly source?: string;
  readonly time?: number;
}

export const CLASSES = [
  'neutral',
  'happy',
  'sad',
  'angry',
  'fear',
  'disgust',
  'surprise',
  'uncertain',
] as const;

/** Reads the database of the public-opinion example while Node-RED writes it. */
export class OpinionDatabase {
  readonly #database: Database.Database;

  private constructor(file: string) {
    this.#database = new Database(file, { readonly: true });
  }

  /** Once Node-RED has made its tables: it does so when the flows have begun. */
  static async open(nodeRed: NodeRed): Promise<OpinionDatabase> {
    const file = join(nodeRed.userDir, 'opinion.sqlite');
    let database: OpinionDatabase | undefined;
    await until(
      () => {
        if (!existsSync(file)) return false;
        const opened = new OpinionDatabase(file);
        try {
          opened.count();
          database = opened;
        } catch {
          opened.close();
        }
        return database !== undefined;
      },
      'the tables',
      120_000,
    );
    return database!;
  }

  rows(sql: string, ...params: unknown[]): Record<string, unknown>[] {
    return this.#database.prepare(sql).all(...params) as Record<string, unknown>[];
  }

  count(sql = 'SELECT count(*) AS n FROM posts', ...params: unknown[]): number {
    return Number(this.rows(sql, ...params)[0]!['n']);
  }

  /** Until so many posts are there. */
  async reaches(posts: number, log: () => string): Promise<void> {
    const end = Date.now() + 120_000;
    while (this.count() < posts) {
      if (Date.now() > end) throw new Error(`${this.count()} of ${posts} posts\n${log()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  close(): void {
    this.#database.close();
  }
}

/** Once the broker listens: the one inside Node-RED does so some time after the flows have begun. */
export async function connect(port: number): Promise<MqttClient> {
  let client: MqttClient | undefined;
  await until(
    async () => {
      const url = `mqtt://127.0.0.1:${port}`;
      client = await mqtt.connectAsync(url, { reconnectPeriod: 0 }).catch(() => undefined);
      return client !== undefined;
    },
    'the broker',
    120_000,
  );
  return client!;
}

/** Publishes with QoS 1; resolves when the broker has them all. */
export async function publish(
  client: MqttClient,
  posts: readonly SentPost[],
  topic = 'transit',
): Promise<void> {
  await Promise.all(
    posts.map((post) =>
      client.publishAsync(`opinion/${topic}/post`, JSON.stringify(post), { qos: 1 }),
    ),
  );
}

const WORDS = ['happy', 'sad', 'angry', 'afraid', 'wow', '高兴', '伤心', '愤怒', 'table', '桌子'];

/** Posts that differ, of the last `hours` hours. */
export function madeUpPosts(count: number, hours = 20): SentPost[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, index) => ({
    // The fixture is sure of short texts only.
    text: `${index % 5 ? '' : 'I am at the '}${WORDS[index % WORDS.length]} ${index}`,
    source: ['forum', 'news', 'microblog'][index % 3]!,
    time: now - Math.round(((index * 7919) % count) * ((hours * 3_600_000) / count)),
  }));
}
