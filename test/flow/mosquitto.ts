import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../flows/node-red';
import { until } from '../media/fixtures';

/** Debian keeps it where only root's path leads. */
const PROGRAM = existsSync('/usr/sbin/mosquitto') ? '/usr/sbin/mosquitto' : 'mosquitto';

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      resolve(true);
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
  });
}

/** A real Mosquitto that keeps sessions and messages on disk, on a port of its own. */
export class Mosquitto {
  private constructor(
    readonly port: number,
    private readonly folder: string,
    private process: ChildProcess | undefined,
  ) {}

  static async start(): Promise<Mosquitto> {
    const folder = await mkdtemp(join(tmpdir(), 'emotion-mosquitto-'));
    const port = await freePort();
    const lines = [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'persistence true',
      `persistence_location ${folder}/`,
      'autosave_interval 1',
      'max_queued_messages 0',
      'user root',
      'log_type error',
    ];
    await writeFile(join(folder, 'mosquitto.conf'), `${lines.join('\n')}\n`);
    const broker = new Mosquitto(port, folder, undefined);
    await broker.startAgain();
    return broker;
  }

  /** Starts it on the same port with what it knew. */
  async startAgain(): Promise<void> {
    const child = spawn(PROGRAM, ['-c', join(this.folder, 'mosquitto.conf')], {
      stdio: 'ignore',
    });
    this.process = child;
    let failure: unknown;
    child.once('error', (error) => (failure = error));
    await until(async () => {
      if (failure) throw new Error('Mosquitto is not installed', { cause: failure });
      return answers(this.port);
    }, 'Mosquitto', 60_000); // prettier-ignore
  }

  /** As an administrator does; it writes down what it holds. */
  async pause(): Promise<void> {
    const { process } = this;
    this.process = undefined;
    if (!process || process.exitCode !== null) return;
    const exit = once(process, 'exit');
    process.kill('SIGTERM');
    await exit;
  }

  async stop(): Promise<void> {
    await this.pause();
    await rm(this.folder, { recursive: true, force: true });
  }
}
