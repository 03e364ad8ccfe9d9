import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { freePort } from './node-red';

const run = promisify(execFile);

/** A PostgreSQL of the test's own: another port, a folder in /tmp, gone afterwards. */
export class PostgreSQL {
  private server: ChildProcess | undefined;

  private constructor(
    private readonly port: number,
    private readonly folder: string,
    private readonly user: { uid: number; gid: number } | undefined,
  ) {}

  static async start(): Promise<PostgreSQL> {
    const folder = await mkdtemp(join(tmpdir(), 'emotion-postgresql-'));
    const user = unprivileged();
    if (user) await chown(folder, user.uid, user.gid);
    await run(
      join(binaries(), 'initdb'),
      ['-D', folder, '-A', 'trust', '-U', 'opinion', '-E', 'UTF8', '--locale=C', '--no-sync'],
      { cwd: folder, ...user },
    );
    const postgresql = new PostgreSQL(await freePort(), folder, user);
    await postgresql.startAgain();
    return postgresql;
  }

  get url(): string {
    return `postgres://opinion@127.0.0.1:${this.port}/postgres`;
  }

  /** Starts it on the same port with what it holds. */
  async startAgain(): Promise<void> {
    const { folder } = this;
    const settings = [
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${folder}`,
      'fsync=off',
    ];
    const server = spawn(
      join(binaries(), 'postgres'),
      ['-D', folder, '-p', String(this.port), ...settings.flatMap((setting) => ['-c', setting])],
      { cwd: folder, ...this.user, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.server = server;
    let log = '';
    server.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const until = Date.now() + 120_000;
    for (;;) {
      const ready = await this.rows('SELECT 1').then(
        () => true,
        () => false,
      );
      if (ready) return;
      if (Date.now() > until || server.exitCode !== null) throw new Error(`no PostgreSQL\n${log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async rows(sql: string, ...params: unknown[]): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql, params)).rows;
    } finally {
      await client.end();
    }
  }

  async count(sql = 'SELECT count(*) AS n FROM posts', ...params: unknown[]): Promise<number> {
    return Number((await this.rows(sql, ...params))[0]!['n']);
  }

  /** As an administrator stops it: who is connected is told so. */
  async pause(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server || server.exitCode !== null) return;
    const exit = once(server, 'exit');
    server.kill('SIGINT');
    await exit;
  }

  async stop(): Promise<void> {
    await this.pause();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Debian and Ubuntu keep the server's programs out of the PATH. */
function binaries(): string {
  const versions = '/usr/lib/postgresql';
  const newest = existsSync(versions)
    ? readdirSync(versions)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, 'bin'))
        .find((folder) => existsSync(join(folder, 'initdb')))
    : undefined;
  if (newest) return newest;
  const onPath = (process.env['PATH'] ?? '')
    .split(':')
    .find((dir) => existsSync(join(dir, 'initdb')));
  if (onPath) return onPath;
  throw new Error('This test needs PostgreSQL: apt-get install postgresql');
}

/** PostgreSQL refuses to run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (...args: string[]) => Number(execFileSync('id', args, { encoding: 'utf8' }));
  for (const name of ['postgres', 'nobody']) {
    try {
      return { uid: id('-u', name), gid: id('-g', name) };
    } catch {
      // The next one may exist.
    }
  }
  throw new Error('PostgreSQL refuses root, and there is no user postgres or nobody');
}
