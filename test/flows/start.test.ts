import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { packageRoot } from '../../lib/models/package-root';
import { isAlive, until } from '../media/fixtures';
import { NodeRed } from './node-red';

const START = join(packageRoot(), 'tools/start.mjs');

async function recognise(url: string, text: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/emotion/text`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text }),
  });
  return (await response.json()) as Record<string, unknown>;
}

/** Addresses on which a process takes TCP connections, by /proc; those of IPv6 as they stand there. */
async function listeningOn(pid: number): Promise<{ address: string; port: number }[]> {
  const files = await readdir(`/proc/${pid}/fd`);
  const own = new Set(
    await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => ''))),
  );
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '')),
  );
  return tables
    .flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && own.has(`socket:[${inode}]`))
    .map(([, local = '']) => {
      const [address = '', port = ''] = local.split(':');
      const bytes = Buffer.from(address, 'hex').reverse();
      return {
        address: bytes.length === 4 ? bytes.join('.') : address,
        port: Number.parseInt(port, 16),
      };
    });
}

describe('npm start', function () {
  this.timeout(300_000);
  let userDir: string;
  beforeEach(async () => {
    userDir = await mkdtemp(join(tmpdir(), 'emotion-start-'));
  });
  afterEach(() => rm(userDir, { recursive: true, force: true }));

  it('starts Node-RED with the example flows, says where, and stops with all that it started', async () => {
    const nodeRed = await NodeRed.start({ userDir });
    expect(nodeRed.log).to.match(/Editor +http:\/\/127\.0\.0\.1:\d+\/\n/);
    expect(nodeRed.log).to.match(/Try-it page +http:\/\/127\.0\.0\.1:\d+\/emotion\n/);
    expect(nodeRed.log).to.match(/Dashboard +http:\/\/127\.0\.0\.1:\d+\/dashboard\/opinion\n/);
    expect(nodeRed.log).not.to.match(/\[error\]/);
    expect(await recognise(nodeRed.url, 'I am happy')).to.include({ label: 'happy' });
    const children = await nodeRed.children();
    expect(children).to.have.length(1);
    expect(await nodeRed.stop()).to.equal(0);
    await until(() => !children.some(isAlive), 'the end of the engine');
  });

  it('never changes what it finds', async () => {
    const first = await NodeRed.start({ userDir });
    await first.stop();
    const flows = '[{"id":"mine","type":"tab","label":"mine"}]';
    const settings =
      "module.exports = { flowFile: 'flows.json', uiHost: '127.0.0.1', lang: 'zh-CN' };";
    await writeFile(join(userDir, 'flows.json'), flows);
    await writeFile(join(userDir, 'settings.js'), settings);
    await writeFile(join(userDir, 'note.txt'), 'mine');

    const child = spawn(process.execPath, [START], {
      env: { ...process.env, NODE_RED_USER_DIR: userDir, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
    while (!log.includes('Ctrl-C')) await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).to.deep.equal([0, null]);
    expect(await readFile(join(userDir, 'flows.json'), 'utf8')).to.equal(flows);
    expect(await readFile(join(userDir, 'settings.js'), 'utf8')).to.equal(settings);
    expect(await readFile(join(userDir, 'note.txt'), 'utf8')).to.equal('mine');
  });

  it('listens on this machine only', async () => {
    const nodeRed = await NodeRed.start({ userDir });
    try {
      const { uiHost } = await import(join(userDir, 'settings.js')).then(
        (module: { default: { uiHost: string } }) => module.default,
      );
      expect(uiHost).to.equal('127.0.0.1');
      await until(() => nodeRed.log.includes('mqtt server on port'), 'the broker');
      const listening = await listeningOn(nodeRed.process.pid!);
      const ports = [Number(new URL(nodeRed.url).port), nodeRed.mqttPort];
      expect(listening.map(({ port }) => port)).to.include.members(ports);
      expect(listening.filter(({ address }) => address !== '127.0.0.1')).to.deep.equal([]);
    } finally {
      await nodeRed.stop();
    }
  });

  it('says that a port is taken, and ends', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const child = spawn(process.execPath, [START], {
      env: { ...process.env, NODE_RED_USER_DIR: userDir, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
    // Only then has all of its output been read.
    expect(await once(child, 'close')).to.deep.equal([1, null]);
    expect(log).to.contain('port in use');
    server.close();
  });

  it('refuses a port that is none', async () => {
    const child = spawn(process.execPath, [START], {
      env: { ...process.env, NODE_RED_USER_DIR: userDir, PORT: 'http' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    expect(await once(child, 'close')).to.deep.equal([1, null]);
    expect(log).to.contain('"http"');
    await access(userDir);
  });
});
