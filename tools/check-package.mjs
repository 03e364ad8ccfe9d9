// Packs the suite, installs the tarball into an empty Node-RED user directory as the palette
// manager does, starts Node-RED there and fails unless every node of package.json is registered
// without an error and every shipped model is found.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = dirname(import.meta.dirname);
const pkg = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const userDir = mkdtempSync(join(tmpdir(), 'emotion-package-'));

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function getJson(url) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      const response = await fetch(url, { headers: { accept: 'application/json' } });
      if (response.ok) return await response.json();
    } catch {
      // not listening yet
    }
    if (Date.now() > deadline) throw new Error(`no answer from ${url} within 60 s`);
    await delay(250);
  }
}

const npm = (args, cwd) =>
  execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });

let nodeRed;
try {
  // `prepare` builds first and writes to the same output.
  const output = npm(['pack', '--json', '--pack-destination', userDir], root);
  const [packed] = JSON.parse(output.slice(output.search(/^\[$/m)));
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log(
    `${packed.filename}: ${megabytes(packed.size)} packed, ` +
      `${megabytes(packed.unpackedSize)} unpacked, ${packed.entryCount} files`,
  );

  writeFileSync(join(userDir, 'package.json'), '{ "name": "node-red-project", "private": true }');
  npm(['install', '--no-audit', '--no-fund', '--prefer-offline', `./${packed.filename}`], userDir);

  const port = await freePort();
  const red = join(root, 'node_modules/node-red/red.js');
  nodeRed = spawn(process.execPath, [red, '--userDir', userDir, '--port', String(port)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [nodeRed.stdout, nodeRed.stderr])
    stream.on('data', (chunk) => (log += chunk));

  const sets = (await getJson(`http://127.0.0.1:${port}/nodes`)).filter(
    (set) => set.module === pkg.name,
  );
  for (const type of Object.keys(pkg['node-red'].nodes)) {
    const set = sets.find((candidate) => candidate.types.includes(type));
    if (!set) throw new Error(`${type} is not registered\n${log}`);
    if (set.err) throw new Error(`${type}: ${set.err}\n${log}`);
  }
  const models = await getJson(`http://127.0.0.1:${port}/emotion-model/models`);
  const list = Array.isArray(models) ? models : models.models;
  const broken = list.filter((model) => model.error);
  if (list.length === 0 || broken.length) {
    throw new Error(`models of the installed package: ${JSON.stringify(list, null, 2)}`);
  }
  console.log(`registered: ${Object.keys(pkg['node-red'].nodes).join(', ')}`);
  console.log(`models: ${list.map((model) => model.id).join(', ')}`);
} finally {
  if (nodeRed && nodeRed.exitCode === null) {
    const exited = new Promise((resolve) => nodeRed.once('exit', resolve));
    nodeRed.kill('SIGTERM');
    await exited;
  }
  rmSync(userDir, { recursive: true, force: true });
}
