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
  private constructor(
    readonly url: string,
    private readonly server: ChildProcess,
    private readonly folder: string,
  ) {}

  static async start(): Promise<PostgreSQL> {
    const folder = await mkdtemp(join(tmpdir(), 'emotion-postgresql-'));
    const user = unprivileged();
    if (user) await chown(folder, user.uid, user.gid);
    const bin = binaries();
    const options = { cwd: folder, ...user };
    await run(
      join(bin, 'initdb'),
      ['-D', folder, '-A', 'trust', '-U', 'opinion', '-E', 'UTF8', '--locale=C', '--no-sync'],
      options,
    );
    const port = await freePort();
    const settings = [
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${folder}`,
      'fsync=off',
    ];
    const server = spawn(
      join(bin, 'postgres'),
      ['-D', folder, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
      { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let log = '';
    server.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const postgresql = new PostgreSQL(
      `postgres://opinion@127.0.0.1:${port}/postgres`,
      server,
      folder,
    );
    const until = Date.now() + 60_000;
    for (;;) {
      const ready = await postgresql.rows('SELECT 1').then(
        () => true,
        () => false,
      );
      if (ready) return postgresql;
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

  async stop(): Promise<void> {
    const exit = this.server.exitCode === null ? once(this.server, 'exit') : [];
    // Polite first: it waits until all have hung up.
    this.server.kill('SIGTERM');
    const impatient = setTimeout(() => this.server.kill('SIGINT'), 5_000);
    await exit;
    clearTimeout(impatient);
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
