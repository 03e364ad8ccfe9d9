// Runs the flow and browser tests again on Node-RED 5 under Node 24, whatever runs this script.
// Both are npm packages (`node-red`, `node-<platform>-<arch>`), installed once into .cache/.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const folder = join(root, '.cache/node-red-5');
const node24 = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const wanted = { 'node-red': '5', [node24]: '24' };

const manifest = join(folder, 'package.json');
const dependencies = existsSync(manifest)
  ? JSON.parse(readFileSync(manifest, 'utf8')).dependencies
  : {};
if (JSON.stringify(dependencies) !== JSON.stringify(wanted)) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(manifest, JSON.stringify({ private: true, dependencies: wanted }));
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--force'], {
    cwd: folder,
    stdio: 'inherit',
  });
}

const node = join(folder, 'node_modules', node24, 'bin/node');
const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
const red = JSON.parse(
  readFileSync(join(folder, 'node_modules/node-red/package.json'), 'utf8'),
).version;
console.log(`Node-RED ${red} on Node ${version}`);
const run = spawnSync(
  node,
  [
    join(root, 'node_modules/mocha/bin/mocha.js'),
    '--parallel',
    '--jobs=2',
    'dist/test/{flows,browser}/**/*.test.js',
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_RED_PACKAGE: join(folder, 'node_modules/node-red'),
      PATH: `${dirname(node)}:${process.env.PATH}`,
    },
  },
);
process.exitCode = run.status ?? 1;
