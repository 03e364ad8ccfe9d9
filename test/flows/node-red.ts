import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../lib/models/package-root';

const FIXTURES = join(packageRoot(), 'test/fixtures/models');

/** What stands for the models that the example flows name. */
export const FIXTURE_MODELS = {
  'text-auto': 'tiny-text',
  'text-bilstm': 'tiny-text',
  'speech-crnn': 'tiny-speech',
  'face-cnn-lstm': 'tiny-face',
};

export interface RunOptions {
  /** Name of a model for the flows → folder of the fixture that takes its place. */
  readonly models?: Readonly<Record<string, string>>;
  /** Made before the start; by default there is nothing, as on a first start. */
  readonly files?: Readonly<Record<string, string>>;
  /** A folder that outlives the run; by default a temporary one. */
  readonly userDir?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Real Node-RED, started as `npm start` does, with the example flows. */
export class NodeRed {
  private constructor(
    readonly userDir: string,
    /** Address of the editor without a slash at the end. */
    readonly url: string,
    /** Of the embedded broker, where the user directory was made by this start. */
    readonly mqttPort: number,
    readonly process: ChildProcess,
    private readonly output: string[],
    private readonly temporary: boolean,
  ) {}

  static async start(options: RunOptions = {}): Promise<NodeRed> {
    const { models = FIXTURE_MODELS, files = {} } = options;
    const userDir = options.userDir ?? (await mkdtemp(join(tmpdir(), 'emotion-node-red-')));
    for (const [file, content] of Object.entries(files)) {
      await mkdir(join(userDir, file, '..'), { recursive: true });
      await writeFile(join(userDir, file), content);
    }
    for (const [id, fixture] of Object.entries(models)) await installModel(userDir, id, fixture);

    const mqttPort = await freePort();
    const nodeOptions = options.environment?.['NODE_OPTIONS'] ?? process.env['NODE_OPTIONS'] ?? '';
    const child = spawn(process.execPath, [join(packageRoot(), 'tools/start.mjs')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NODE_RED_USER_DIR: userDir,
        PORT: '0',
        MQTT_PORT: String(mqttPort),
        // The language of the log, which `deploy` reads.
        LC_ALL: 'C.UTF-8',
        ...options.environment,
        NODE_OPTIONS: `--require=${join(__dirname, 'keep-connections.js')} ${nodeOptions}`,
      },
    });
    const output: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        output.push(chunk.toString());
        const match = /Editor +(http:\S+)/.exec(output.join(''));
        if (match) resolve(match[1]!.replace(/\/$/, ''));
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', (code) => {
        reject(new Error(`Node-RED ended with ${code}\n${output.join('')}`));
      });
    });
    const temporary = options.userDir === undefined;
    const running = new NodeRed(userDir, url, mqttPort, child, output, temporary);
    await running.ready();
    await running.#hasStarted(0);
    return running;
  }

  get log(): string {
    return this.output.join('');
  }

  /** Until the routes of the flows are there: Node-RED answers before it has made them. */
  async ready(): Promise<void> {
    const until = Date.now() + 120_000;
    while ((await fetch(`${this.url}/emotion/models`)).status === 404) {
      if (Date.now() > until) throw new Error(`no route /emotion/models\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async flows(): Promise<{ rev: string; flows: { id: string; type: string }[] }> {
    const response = await fetch(`${this.url}/flows`, {
      headers: { 'Node-RED-API-Version': 'v2' },
    });
    return (await response.json()) as Awaited<ReturnType<NodeRed['flows']>>;
  }

  /** Resolves when the flows run: Node-RED answers before it has started them. */
  async deploy(flows: readonly object[], type: 'full' | 'flows' | 'nodes' = 'full'): Promise<void> {
    const before = this.#starts();
    const response = await fetch(`${this.url}/flows`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'Node-RED-API-Version': 'v2',
        'Node-RED-Deployment-Type': type,
      },
      body: JSON.stringify({ flows }),
    });
    if (!response.ok) throw new Error(`deploy: ${response.status} ${await response.text()}`);
    await this.#hasStarted(before);
  }

  #starts(): number {
    return this.log.match(/Started (modified )?(flows|nodes)/g)?.length ?? 0;
  }

  /** Until flows have started once more than before. */
  async #hasStarted(before: number): Promise<void> {
    const until = Date.now() + 120_000;
    while (this.#starts() <= before) {
      if (Date.now() > until) throw new Error(`the flows do not start\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Processes that Node-RED started and that still run. */
  children(): Promise<number[]> {
    return childrenOf(this.process.pid!);
  }

  /** Stops it as Ctrl-C does. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
    const { exitCode, signalCode } = this.process;
    const exit = exitCode === null && signalCode === null ? once(this.process, 'exit') : [exitCode];
    this.process.kill(signal);
    const [code] = (await exit) as [number | null];
    if (this.temporary) await rm(this.userDir, { recursive: true, force: true });
    return code;
  }
}

/**
 * A port of this machine on which nobody listens. It is below those that systems choose from when somebody asks
 * for any port, as Node-RED does here: the port could be given away again before it is used.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(12_000 * Math.random());
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Puts a fixture where a user's own models lie, under another id. */
export async function installModel(userDir: string, id: string, fixture: string): Promise<string> {
  const folder = join(userDir, 'emotion-models', id);
  await cp(join(FIXTURES, fixture), folder, { recursive: true });
  const manifest = join(folder, 'model.yaml');
  const yaml = await readFile(manifest, 'utf8');
  await writeFile(manifest, yaml.replace(/^id: .*$/m, `id: ${id}`));
  return folder;
}

/** Live children of a process, by /proc. */
export async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    // pid (name) state parent …; the name may hold blanks and brackets
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state !== 'Z' && Number(parent) === pid) children.push(Number(entry));
  }
  return children;
}
