// Starts Node-RED with the suite of this checkout and its example flows. The user directory is
// $NODE_RED_USER_DIR or .node-red/ in the checkout; what it lacks is put there, what it holds is
// never changed. $PORT (1880) is the port, $NODE_RED_PACKAGE the folder of another Node-RED.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { Server } from 'node:net';
import { dirname, join, resolve } from 'node:path';

const require = createRequire(import.meta.url);
const root = dirname(import.meta.dirname);
const { name, devDependencies } = require('../package.json');
const nodeRed = process.env.NODE_RED_PACKAGE ?? dirname(require.resolve('node-red/package.json'));
const userDir = resolve(process.env.NODE_RED_USER_DIR ?? join(root, '.node-red'));
const port = Number(process.env.PORT || 1880);

const mqttPort = Number(process.env.MQTT_PORT || 1883);

for (const [variable, number] of Object.entries({ PORT: port, MQTT_PORT: mqttPort })) {
  if (Number.isInteger(number) && number >= 0 && number <= 65_535) continue;
  console.error(`${variable} must be a number from 0 to 65535, got "${process.env[variable]}"`);
  process.exit(1);
}
if (!existsSync(join(root, 'dist/nodes'))) {
  console.error('The suite is not built yet: run "npm run build" first.');
  process.exit(1);
}

const SETTINGS = `// Settings of Node-RED: https://nodered.org/docs/user-guide/runtime/configuration
// Made on the first start; yours to change from then on.
module.exports = {
  flowFile: 'flows.json',
  flowFilePretty: true,
  uiHost: '127.0.0.1',
  uiPort: process.env.PORT || 1880,
  // emotionModelFolder: '/path/to/more/models',

  // What flows remember (rules of topics, what is normal for alerts) outlives a restart.
  contextStorage: { default: { module: 'localfilesystem' } },

  // Limits for whoever asks the flows over HTTP: docs/en/http-api.md.
  emotionHttp: {
    maxBytes: {
      '/emotion': 100_000_000,
      '/emotion/text': 1_000_000,
      '/emotion/audio': 50_000_000,
      '/emotion/video': 100_000_000,
      '/opinion': 10_000_000,
      '/opinion/batches': 200_000_000,
    },
    requestsPerMinute: 0, // of one client; set it before others can reach this port
  },
  // httpNodeAuth: { user: 'user', pass: '…' }, // the hash that "npx node-red admin hash-pw" prints

  editorTheme: { tours: false },
  telemetry: { enabled: false, updateNotification: false },
};
`;

/** What the examples need beside the suite: nodes of the palette and modules of Function nodes. */
const EXTRAS = ['@flowfuse/node-red-dashboard', 'node-red-contrib-aedes', 'libsql', 'pg'];
/** Examples that need the extras, and those that need a server of their own beside Node-RED. */
const WITH_EXTRAS = ['10-public-opinion.json'];
const WITH_SERVERS = ['11-public-opinion-postgres.json', '12-edge-gateway.json'];

/** The folder of an extra where `npm ci` has put it, undefined after `npm ci --omit=dev`. */
function folderOf(extra) {
  const folder = join(root, 'node_modules', extra);
  return existsSync(folder) ? folder : undefined;
}

/** The nodes of all example flows that can run; the same configuration in two of them counts once. */
function exampleFlows() {
  const folder = join(root, 'examples/flows');
  const nodes = new Map();
  const left = EXTRAS.every(folderOf) ? WITH_SERVERS : [...WITH_SERVERS, ...WITH_EXTRAS];
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.json') || left.includes(file)) continue;
    for (const node of JSON.parse(readFileSync(join(folder, file), 'utf8'))) {
      const known = nodes.get(node.id);
      if (known && JSON.stringify(known) !== JSON.stringify(node)) {
        throw new Error(`${file}: another example has a different node with the id ${node.id}`);
      }
      nodes.set(node.id, node);
    }
  }
  for (const node of nodes.values()) {
    if (node.type === 'aedes broker') node.mqtt_port = String(mqttPort);
    if (node.type === 'mqtt-broker') node.port = String(mqttPort);
  }
  return [...nodes.values()];
}

function createMissing() {
  mkdirSync(userDir, { recursive: true });
  const provide = (file, content) => {
    const path = join(userDir, file);
    if (!existsSync(path)) writeFileSync(path, content());
  };
  provide('settings.js', () => SETTINGS);
  provide('flows.json', () => `${JSON.stringify(exampleFlows(), null, 4)}\n`);
  provide('package.json', () => {
    const versions = EXTRAS.filter(folderOf).map((extra) => [extra, devDependencies[extra]]);
    const manifest = { private: true, dependencies: Object.fromEntries(versions) };
    return `${JSON.stringify(manifest, null, 4)}\n`;
  });

  // Links where npm would install the suite and the extras, so that Node-RED loads them as a user's.
  link(root, name);
  for (const extra of EXTRAS.filter(folderOf)) link(folderOf(extra), extra);
}

function link(folder, module) {
  const installed = join(userDir, 'node_modules', module);
  if (lstatSync(installed, { throwIfNoEntry: false })) return;
  mkdirSync(dirname(installed), { recursive: true });
  symlinkSync(folder, installed, 'junction');
}

/** The first page of each dashboard in the flows. */
function dashboards(RED) {
  const paths = new Map();
  const bases = new Map();
  RED.nodes.eachNode((node) => {
    if (node.type === 'ui-base') bases.set(node.id, node.path);
    if (node.type === 'ui-page' && !(paths.get(node.ui)?.order <= node.order))
      paths.set(node.ui, node);
  });
  return [...paths]
    .filter(([base]) => bases.has(base))
    .map(([base, { path }]) => `${bases.get(base)}${path}`.replace(/^\/+/, ''));
}

/** Prints where to look as soon as Node-RED answers there. */
function announce(RED) {
  const address = () => RED.server?.address();
  RED.events.once('flows:started', () => {
    const wait = setInterval(() => {
      if (!address()) return;
      clearInterval(wait);
      const { httpAdminRoot, httpNodeRoot, https } = RED.settings;
      const site = `http${https ? 's' : ''}://127.0.0.1:${address().port}`;
      console.log('');
      if (httpAdminRoot !== false) console.log(`  Editor       ${site}${httpAdminRoot}`);
      if (httpNodeRoot !== false) {
        console.log(`  Try-it page  ${site}${httpNodeRoot}emotion`);
        for (const path of dashboards(RED))
          console.log(`  Dashboard    ${site}${httpNodeRoot}${path}`);
      }
      console.log('\n  Ctrl-C stops it.\n');
    }, 50);
  });
}

/** The broker of the examples has no setting for an address, and would listen on all of the machine's. */
function keepBrokerAtHome(RED) {
  const { listen } = Server.prototype;
  Server.prototype.listen = function (...args) {
    const [port, host] = args;
    const home = ['127.0.0.1', 'localhost'].includes(RED.settings?.uiHost);
    if (home && port === mqttPort && typeof host !== 'string') args.splice(1, 0, '127.0.0.1');
    return listen.apply(this, args);
  };
}

createMissing();
process.env.OPINION_DATABASE ??= join(userDir, 'opinion.sqlite');
const RED = require(nodeRed);
announce(RED);
keepBrokerAtHome(RED);
process.argv.splice(
  2,
  Infinity,
  '--userDir',
  userDir,
  '--port',
  String(port),
  ...process.argv.slice(2),
);
require(join(nodeRed, 'red.js'));
