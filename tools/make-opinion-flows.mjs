// Makes the two public-opinion flows of examples/flows/ out of the parts in examples/public-opinion/: the
// bodies of their function nodes, their SQL and the pages of the dashboard. Run it after a change to one of them;
// with --check it only says whether that was forgotten.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import prettier from 'prettier';

const examples = join(dirname(import.meta.dirname), 'examples');
const parts = join(examples, 'public-opinion');
const read = (path) => readFileSync(join(parts, path), 'utf8');

/** The source of an object's functions: methods in the short form, as they are written. */
function members(functions) {
  return Object.values(functions).map(String).join(',\n');
}

/** One page of the dashboard as a Vue component for a ui-template node. */
async function page(name, pages) {
  const load = async (file) =>
    (await import(pathToFileURL(join(parts, 'dashboard', file)).href)).default;
  const [shared, own] = await Promise.all([load('shared.mjs'), load(`${name}.mjs`)]);
  const strings = Object.fromEntries(
    ['en', 'zh'].map((locale) => [locale, { ...shared.strings[locale], ...own.strings[locale] }]),
  );
  const data = { ...shared.data(), ...own.data(), pages, strings };
  const source = `<template>
<div class="op" data-page="${name}">
${read('dashboard/head.html')}
${read(`dashboard/${name}.html`)}
</div>
</template>
<script>
export default {
  data() { return ${JSON.stringify(data)}; },
  computed: { ${members(own.computed ?? {})} },
  methods: { ${members({ ...shared.methods, ...own.methods })} },
  watch: { ${members(own.watch ?? {})} },
  mounted() { this.start(); this.opened(); },
  unmounted() { this.closed(); this.stop(); },
};
</script>
<style>
${read(`dashboard/${name}.css`)}
</style>
`;
  return prettier.format(source, { parser: 'vue', printWidth: 100, singleQuote: true });
}

/** Ids are sixteen characters, as Node-RED's own: the number of the example, then a name or number. */
const id = (prefix, name) => `${prefix}${name.padStart(16 - prefix.length, '0')}`;

function flowBuilder(prefix, label, info) {
  const tab = id(prefix, 'tab1');
  const nodes = [{ id: tab, type: 'tab', label, disabled: false, info }];
  /** Link nodes, by the node that they belong to. */
  const beside = new Map();
  const add = (name, type, rest) => {
    nodes.push({ id: id(prefix, name), type, ...rest });
    return id(prefix, name);
  };
  return {
    nodes,
    tab,
    ref: (name) => id(prefix, name),
    config: add,
    /** A node on the tab; wires are lists of names, one list an output. */
    node: (name, type, [x, y], rest, ...wires) =>
      add(name, type, {
        z: tab,
        ...rest,
        x,
        y,
        wires: wires.map((list) => list.map((target) => id(prefix, target))),
      }),
    /** Wires from far away to a node, as pairs of links; an output without that wire is passed over. */
    join(target, name, [x, y], ...sources) {
      const into = id(prefix, target);
      const out = new Map();
      for (const [source, output, place] of sources) {
        const wires = nodes.find((node) => node.id === id(prefix, source))?.wires[output] ?? [];
        if (!wires.includes(into)) continue;
        const at = out.get(String(place)) ?? { place, sources: [] };
        at.sources.push({ source, wires });
        out.set(String(place), at);
      }
      if (out.size === 0) return;
      const links = [...out.values()].map((at, index) => {
        const link = `l${index}-${target}`;
        for (const { wires } of at.sources) wires.splice(wires.indexOf(into), 1, id(prefix, link));
        const [placeX, placeY] = at.place;
        const there = { z: tab, name, mode: 'link', links: [id(prefix, `l-${target}`)] };
        beside.set(link, at.sources[0].source);
        return add(link, 'link out', { ...there, x: placeX, y: placeY, wires: [] });
      });
      beside.set(`l-${target}`, target);
      add(`l-${target}`, 'link in', { z: tab, name, links, x, y, wires: [[into]] });
    },
    group: (name, title, nodesOfGroup, colour) => {
      const links = [...beside].filter(([, of]) => nodesOfGroup.includes(of));
      const members = [...nodesOfGroup, ...links.map(([link]) => link)];
      const group = add(name, 'group', {
        z: tab,
        name: title,
        style: {
          label: true,
          color: '#3f5787',
          stroke: colour,
          fill: colour,
          'fill-opacity': '0.12',
        },
        nodes: members.map((member) => id(prefix, member)),
      });
      const inside = nodes.filter((node) =>
        members.some((member) => id(prefix, member) === node.id),
      );
      for (const node of inside) node.g = group;
      const [xs, ys] = [inside.map(({ x }) => x), inside.map(({ y }) => y)];
      const frame = nodes.at(-1);
      Object.assign(frame, { x: Math.min(...xs) - 106, y: Math.min(...ys) - 41 });
      frame.w = Math.max(...xs) + 110 - frame.x;
      frame.h = Math.max(...ys) + 32 - frame.y;
    },
  };
}

function func(name, code, { outputs = 1, initialize = '', finalize = '', libs = [] } = {}) {
  return { name, func: code, outputs, timeout: 0, noerr: 0, initialize, finalize, libs };
}
const lib = (name, module = name) => ({ var: name, module });

const BROKER = {
  autoConnect: true,
  usetls: false,
  protocolVersion: '4',
  keepalive: '60',
  // The broker keeps what comes while Node-RED is away. Each Node-RED needs an id of its own.
  clientid: 'node-red-public-opinion',
  cleansession: false,
  autoUnsubscribe: true,
  birthTopic: '',
  birthQos: '0',
  birthPayload: '',
  birthMsg: {},
  closeTopic: '',
  closeQos: '0',
  closePayload: '',
  closeMsg: {},
  willTopic: '',
  willQos: '0',
  willPayload: '',
  willMsg: {},
  userProps: '',
  sessionExpiry: '',
};

/** What differs between the two: where posts come by MQTT, and where they are kept. */
const EMBEDDED = {
  prefix: 'e10',
  label: 'Public opinion',
  about: 'about.md',
  title:
    'Deploy, replay the feed, open /dashboard/opinion  ·  部署后回放示例数据，打开 /dashboard/opinion',
  broker: { name: 'embedded broker', broker: '127.0.0.1', port: '1883', ...BROKER },
  embedsBroker: true,
  folder: 'sqlite',
  driver: 'SQLite',
  finalize: 'globalThis.release?.();\n',
  libs: ['libsql:Database', 'fs', 'os', 'path', 'timers'],
  words: (newest) => `SELECT class, value ->> 'text' AS word, count(*) AS posts
    FROM (${newest}) AS newest, json_each(newest.words) GROUP BY class, word
    ORDER BY posts DESC, word LIMIT 800`,
};
const SERVERS = {
  prefix: 'e11',
  label: 'Public opinion (PostgreSQL)',
  about: 'about-postgres.md',
  title:
    'For an own Mosquitto and PostgreSQL: see the description  ·  使用独立的 Mosquitto 和 PostgreSQL，见说明',
  // Node-RED knows no default: without the variable it looks for a host of this name.
  broker: { name: 'Mosquitto', broker: '${MQTT_URL}', port: '', ...BROKER },
  embedsBroker: false,
  folder: 'postgresql',
  driver: 'PostgreSQL',
  finalize: 'return globalThis.pool?.end();\n',
  libs: ['pg'],
  words: (newest) => `SELECT class, value ->> 'text' AS word, count(*) AS posts
    FROM (${newest}) AS newest, jsonb_array_elements(newest.words) GROUP BY class, word
    ORDER BY posts DESC, word LIMIT 800`,
};

async function opinion(variant) {
  const pages = ['overview', 'topics', 'batch', 'briefing'];
  const info = read(variant.about);
  const flow = flowBuilder(variant.prefix, variant.label, info);
  const { node, config, ref } = flow;
  config('c1', 'emotion-model', {
    version: 1,
    name: '',
    source: 'installed',
    model: 'text-auto',
    folder: '',
    precision: 'default',
    provider: 'cpu',
    threads: 0,
    maxBatch: 32,
    maxWaitMs: 0,
    cacheEntries: 2000,
    timeoutMs: 30000,
    allowOverride: false,
  });
  config('c2', 'mqtt-broker', variant.broker);
  node('1', 'comment', [420, 40], { name: variant.title, info });
  dashboard(flow, pages);

  if (variant.embedsBroker) {
    const broker = {
      name: 'embedded broker',
      mqtt_port: '1883',
      mqtt_ws_bind: 'port',
      mqtt_ws_port: '',
      mqtt_ws_path: '',
      cert: '',
      key: '',
      certname: '',
      keyname: '',
      dburl: '',
      usetls: false,
    };
    node('10', 'aedes broker', [160, 140], broker, ['11'], ['11']);
    // The start and the end of this node hold what it does.
    const hold = func('hold until stored', read('functions/held.js'), {
      initialize: read('functions/from-broker.js'),
      finalize: 'globalThis.end?.();\n',
    });
    node('11', 'function', [360, 140], hold, ['21']);
  }
  inputs(flow, variant);
  pipeline(flow, variant);

  const sql = (file) => read(`${variant.folder}/${file}`);
  const driver = func(variant.driver, sql('run.js'), {
    initialize: `const SCHEMA = ${JSON.stringify(sql('schema.sql'))};\n${sql('open.js')}`,
    finalize: variant.finalize,
    libs: variant.libs.map((name) => lib(...name.split(':').reverse())),
  });
  database(flow, sql, driver, variant);
  const words = variant.words('${newest}');
  questions(flow, pages, `const WORDS = (newest) => \`${words}\`;\n`);
  for (const name of pages) {
    const template = await page(name, pages);
    flow.nodes.find(({ id }) => id === ref(`ui-${name}`)).format = template;
  }
  alerts(flow);
  files(flow);
  briefings(flow);
  joins(flow);
  groups(flow);
  return flow.nodes;
}

/** The dashboard's own configuration: one page and one group for each template. */
function dashboard({ config, ref, node }, pages) {
  config('ui', 'ui-base', {
    name: 'Public opinion',
    path: '/dashboard',
    appIcon: '',
    includeClientData: true,
    acceptsClientConfig: ['ui-notification', 'ui-control', 'ui-template'],
    showPathInSidebar: false,
    headerContent: 'none',
    navigationStyle: 'none',
    titleBarStyle: 'hidden',
    showReconnectNotification: false,
    notificationDisplayTime: 1,
    showDisconnectNotification: false,
    allowInstall: false,
  });
  config('theme', 'ui-theme', {
    name: 'Public opinion',
    colors: {
      surface: '#ffffff',
      primary: '#b3304a',
      bgPage: '#f3f5f8',
      groupBg: '#f3f5f8',
      groupOutline: '#f3f5f8',
    },
    sizes: {
      density: 'default',
      pagePadding: '8px',
      groupGap: '0px',
      groupBorderRadius: '0px',
      widgetGap: '0px',
    },
  });
  const titles = {
    overview: ['Public opinion · 舆情监测', 'opinion', 'chart-areaspline'],
    topics: ['Topics · 主题', 'opinion-topics', 'tag-multiple'],
    batch: ['Batch analysis · 批量分析', 'opinion-batch', 'file-table-outline'],
    briefing: ['Briefing · 简报', 'opinion-briefing', 'newspaper-variant-outline'],
  };
  for (const [index, name] of pages.entries()) {
    const [title, path, icon] = titles[name];
    config(`page-${name}`, 'ui-page', {
      name: title,
      ui: ref('ui'),
      path: `/${path}`,
      icon,
      layout: 'grid',
      theme: ref('theme'),
      breakpoints: [
        { name: 'Default', px: '0', cols: '12' },
        { name: 'Desktop', px: '1024', cols: '12' },
      ],
      order: index + 1,
      className: '',
      visible: 'true',
      disabled: 'false',
    });
    config(`group-${name}`, 'ui-group', {
      name: title,
      page: ref(`page-${name}`),
      width: '12',
      height: '1',
      order: 1,
      showTitle: false,
      className: '',
      visible: 'true',
      disabled: 'false',
      groupType: 'default',
    });
  }
  node(
    'ui-style',
    'ui-template',
    [1200, 980],
    {
      group: '',
      page: '',
      ui: ref('ui'),
      name: 'style',
      order: 0,
      width: 0,
      height: 0,
      head: '',
      format: read('dashboard/style.css'),
      storeOutMessages: true,
      passthru: false,
      resendOnRefresh: true,
      templateScope: 'site:style',
      className: '',
    },
    [],
  );
}

/** A function that makes posts of something. */
const reader = (file) => `${read('functions/post.js')}\n${read(`functions/${file}`)}`;

function inputs({ node }, { embedsBroker }) {
  node(
    '12',
    'http in',
    [150, 240],
    {
      name: '',
      url: '/opinion/posts',
      method: 'post',
      upload: false,
      skipBodyParsing: true,
      swaggerDoc: '',
    },
    ['20'],
  );
  node(
    '13',
    'inject',
    [150, 300],
    {
      name: 'replay: a day in 2 minutes',
      props: [{ p: 'speed', v: '720', vt: 'num' }],
      repeat: '',
      crontab: '',
      once: false,
      onceDelay: 0.1,
      topic: '',
    },
    ['15'],
  );
  node(
    '14',
    'inject',
    [150, 340],
    {
      name: 'replay: all at once',
      props: [{ p: 'speed', v: '0', vt: 'num' }],
      repeat: '',
      crontab: '',
      once: false,
      onceDelay: 0.1,
      topic: '',
    },
    ['15'],
  );
  node(
    '15',
    'template',
    [340, 320],
    {
      name: 'feed.jsonl',
      field: 'payload',
      fieldType: 'msg',
      format: 'text',
      syntax: 'plain',
      template: read('feed.jsonl'),
      output: 'str',
    },
    ['16'],
  );
  node(
    '16',
    'function',
    [500, 320],
    func('replay', read('functions/replay.js'), { outputs: 2 }),
    ['20'],
    ['45'],
  );
  node(
    '20',
    'function',
    [640, 240],
    func('posts', reader('read-posts.js'), { outputs: 2, libs: [lib('crypto')] }),
    ['21'],
    ['22'],
  );
  node('22', 'http response', [1150, 280], { name: 'answer', statusCode: '', headers: {} });
  const byHttp = {
    name: 'came by HTTP?',
    property: 'res',
    propertyType: 'msg',
    rules: [{ t: 'nnull' }, ...(embedsBroker ? [{ t: 'else' }] : [])],
    checkall: 'true',
    repair: false,
    outputs: embedsBroker ? 2 : 1,
  };
  node('23', 'switch', [980, 200], byHttp, ['22'], ...(embedsBroker ? [['11']] : []));
}

const preprocessSettings = (ref) => ({
  version: 1,
  name: '',
  property: 'payload',
  propertyType: 'msg',
  model: ref('c1'),
  language: 'auto',
  split: 'text',
  stopWords: 'default',
  customStopWords: '',
});
const inferSettings = (ref) => ({
  version: 1,
  name: '',
  property: 'payload',
  propertyType: 'msg',
  model: ref('c1'),
  threshold: 0.5,
  topK: 0,
  rules: true,
  picture: 'none',
  queuePolicy: 'queue',
  queueLimit: 5000,
});

const bufferSettings = {
  version: 1,
  property: 'posts',
  propertyType: 'msg',
  batchWait: 0.05,
  timeout: 120,
  firstDelay: 1,
  longestDelay: 60,
  giveUpAfter: 0,
  maxItemKilobytes: 2000,
  qos: '1',
};

/** Batches → topics → model → rows; what fails is tried again and then answered by the fallback. */
function pipeline({ node, ref }, { embedsBroker }) {
  const buffer = {
    ...bufferSettings,
    name: 'inbox',
    batchItems: 128,
    inFlight: 8,
    folder: 'public-opinion',
    maxItems: 500000,
    maxMegabytes: 1000,
    // A broker outside hears of a packet when it is on disk; the embedded one by the node hold until stored.
    mqtt: !embedsBroker,
    broker: ref('c2'),
    topic: 'opinion/+/post',
  };
  node('21', 'emotion-buffer', [780, 160], buffer, ['24'], ['23']);
  const packets = func('packets', reader('packets.js'), { outputs: 2, libs: [lib('crypto')] });
  node('24', 'function', [180, 460], packets, ['26'], ['21']);
  const topics = { version: 1, name: '', property: 'posts', propertyType: 'msg', rules: [] };
  node('26', 'emotion-topic', [350, 460], topics, ['25'], ['28']);
  const duplicates = {
    version: 1,
    name: '',
    property: 'posts',
    propertyType: 'msg',
    threshold: 0.7,
    window: 24,
    maxGroups: 20000,
    weight: 'all',
  };
  node('25', 'emotion-duplicate', [530, 460], duplicates, ['30']);
  const texts = 'msg.payload = msg.posts.map(({ text }) => text);\nreturn msg;\n';
  node('30', 'function', [680, 460], func('texts', texts), ['31']);
  const preprocess = preprocessSettings(ref);
  node('31', 'emotion-preprocess-text', [830, 460], preprocess, ['32']);
  const words = func('words', read('functions/words.js'), {
    initialize: read('functions/content-words.js'),
  });
  node('32', 'function', [970, 460], words, ['33']);
  const infer = inferSettings(ref);
  node('33', 'emotion-infer', [1110, 460], infer, ['50']);
  const failures = { name: 'what fails', scope: [ref('31'), ref('33')], uncaught: false };
  node('34', 'catch', [940, 520], failures, ['35']);
  const fallback = {
    version: 1,
    name: '',
    property: 'payload',
    propertyType: 'msg',
    attempts: 3,
    firstDelay: 0.5,
    longestDelay: 10,
    timeout: 60,
    maxPending: 1000,
    threshold: 5,
    openFor: 20,
    keep: false,
    state: '',
    stateType: 'flow',
    answer: true,
    textModel: 'fallback-text',
    audioModel: 'fallback-audio',
    videoModel: 'fallback-video',
    uncertain: 0.5,
  };
  node('35', 'emotion-fallback', [1100, 520], fallback, ['50']);
  const rows = func('rows', read('functions/rows.js'), {
    initialize: read('functions/row-of.js'),
  });
  node('50', 'function', [1240, 460], rows, ['51']);
}

const databaseCall = ({ ref }) => ({
  name: 'database',
  links: [ref('60')],
  linkType: 'static',
  timeout: '60',
});

/** The database, for all who ask: one message with statements in, one with their rows out. */
function database(flow, sql, driver, { embedsBroker }) {
  const { node, ref } = flow;
  node('51', 'function', [190, 640], func('batch → SQL', sql('store.js')), ['52']);
  node('52', 'link call', [350, 640], databaseCall(flow), ['53']);
  node(
    '53',
    'function',
    [490, 640],
    func('stored', read('functions/stored.js'), { outputs: 3 }),
    ['45'],
    ['54'],
    ['21'],
  );
  const daily = {
    name: 'every 10 minutes',
    props: [],
    repeat: '600',
    crontab: '',
    once: true,
    onceDelay: '60',
    topic: '',
  };
  node('55', 'inject', [170, 740], daily, ['56']);
  node('56', 'function', [330, 740], func('forget', sql('forget.js')), ['57']);
  node('57', 'link call', [470, 740], databaseCall(flow), ['29']);
  const failed = 'if (msg.error) node.error(msg.error.message, msg);\nreturn null;\n';
  node('29', 'function', [610, 740], func('failed?', failed), []);
  node('60', 'link in', [705, 640], { name: 'database', links: [] }, ['61']);
  node('61', 'function', [820, 640], driver, ['62']);
  node('62', 'link out', [935, 640], { name: 'answer', mode: 'return', links: [] });
  const scope = [
    '20',
    '21',
    '24',
    '26',
    '29',
    '35',
    '25',
    '40',
    '43',
    '45',
    '46',
    '47',
    '50',
    '53',
    '72',
    '76',
    '92',
    '93',
    ...(embedsBroker ? ['11'] : []),
  ].map(ref);
  node('58', 'catch', [770, 740], { name: 'refused or failed', scope, uncaught: false }, ['27']);
  const sift = func('whom it concerns', read('functions/failed.js'), { outputs: 4 });
  node('27', 'function', [970, 740], sift, ['73'], ['59'], ['21'], ['22']);
  const debug = {
    name: 'what was refused, and why',
    active: true,
    tosidebar: true,
    console: false,
    tostatus: true,
    complete: 'error.message',
    targetType: 'msg',
    statusVal: 'error.message',
    statusType: 'msg',
  };
  node('59', 'debug', [1210, 720], debug);
}

/** Questions of the pages → the database → their answers. */
function questions(flow, pages, dialect) {
  const { node, ref } = flow;
  const once = {
    name: 'load the rules',
    props: [{ p: 'payload' }],
    repeat: '',
    crontab: '',
    once: true,
    onceDelay: 0.1,
    topic: '',
    payload: '{"ask":"load"}',
    payloadType: 'json',
  };
  node('69', 'inject', [160, 880], once, ['70']);
  const ask = func('ask', `${dialect}\n${read('functions/ask.js')}`, { outputs: 2 });
  node('70', 'function', [320, 860], ask, ['71'], ['26']);
  node('71', 'link call', [480, 860], databaseCall(flow), ['72']);
  const answer = func('answer', read('functions/answer.js'), { outputs: 3 });
  node('72', 'function', [620, 860], answer, ['73'], ['26'], ['91']);
  const stored = {
    name: 'to be stored?',
    property: 'query',
    propertyType: 'msg',
    rules: [{ t: 'nnull' }],
    checkall: 'true',
    repair: false,
    outputs: 1,
  };
  node('28', 'switch', [330, 940], stored, ['71']);
  const byPage = {
    name: 'to its page',
    property: 'topic',
    propertyType: 'msg',
    rules: [
      { t: 'regex', v: 'Topic$|^topics$', vt: 'str', case: false },
      { t: 'regex', v: '^(jobs|cancel|resume|remove)$', vt: 'str', case: false },
      { t: 'eq', v: 'briefing', vt: 'str' },
      { t: 'else' },
    ],
    checkall: 'false',
    repair: false,
    outputs: 4,
  };
  node(
    '73',
    'switch',
    [800, 860],
    byPage,
    ['ui-topics'],
    ['ui-batch'],
    ['ui-briefing'],
    ['ui-overview'],
  );
  const news = func('something new', read('functions/changed.js'));
  node('54', 'function', [800, 780], news, ['ui-overview']);
  for (const [index, name] of pages.entries()) {
    const template = {
      group: ref(`group-${name}`),
      page: '',
      ui: '',
      name,
      order: 1,
      width: '0',
      height: '0',
      head: '',
      format: '',
      storeOutMessages: false,
      passthru: false,
      resendOnRefresh: false,
      templateScope: 'local',
      className: '',
    };
    const asks = name === 'batch' ? '7d' : '70';
    node(`ui-${name}`, 'ui-template', [980, 800 + 60 * index], template, [asks]);
  }
}

/** Files of texts: uploaded, analysed row by row, downloaded. */
function files({ node, ref }) {
  const post = {
    name: '',
    url: '/opinion/batches',
    method: 'post',
    upload: false,
    skipBodyParsing: true,
    swaggerDoc: '',
  };
  node('74', 'http in', [170, 980], post, ['75']);
  const get = { ...post, url: '/opinion/batches/:job', method: 'get', skipBodyParsing: false };
  node('7f', 'http in', [190, 1020], get, ['75']);
  node('75', 'function', [400, 1000], func('file', read('functions/batch-request.js')), ['76']);
  node('7d', 'function', [400, 1060], func('command', read('functions/batch-command.js')), ['76']);
  const batch = {
    version: 1,
    name: '',
    property: 'payload',
    propertyType: 'msg',
    chunkRows: 64,
    inFlight: 4,
    timeout: 120,
    attempts: 3,
    folders: '',
  };
  node('76', 'emotion-batch', [580, 1000], batch, ['77'], ['7a']);
  node('77', 'emotion-preprocess-text', [750, 960], preprocessSettings(ref), ['78']);
  node('78', 'emotion-infer', [930, 960], inferSettings(ref), ['76']);
  const failures = { name: 'rows that fail', scope: [ref('77'), ref('78')], uncaught: false };
  node('79', 'catch', [1050, 1000], failures, ['76']);
  const answer = func('answer', read('functions/batch-answer.js'), { outputs: 3 });
  node('7a', 'function', [730, 1040], { ...answer, name: 'jobs' }, ['ui-batch'], ['7b'], ['7c']);
  node('7b', 'http response', [1050, 1060], { name: 'answer', statusCode: '', headers: {} });
  const file = {
    name: 'result',
    filename: 'filename',
    filenameType: 'msg',
    format: '',
    chunk: false,
    sendError: false,
    encoding: 'none',
    allProps: false,
  };
  node('7c', 'file in', [900, 1080], file, ['7b']);
}

/** More negative posts, or more posts, than usual: into the database, onto the pages, out by MQTT. */
function alerts(flow) {
  const { node, ref } = flow;
  const settings = {
    version: 1,
    name: '',
    property: 'posts',
    propertyType: 'msg',
    by: 'channel',
    watchShare: true,
    watchVolume: true,
    angry: true,
    sad: true,
    fear: true,
    disgust: true,
    surprise: false,
    sensitivity: 'medium',
    method: 'cusum',
    interval: 60,
    lateness: 20,
    minVolume: 20,
    confirm: 2,
    coolDown: 30,
    timeZone: '',
    quiet: false,
    quietFrom: '22:00',
    quietTo: '07:00',
    exceptCritical: true,
    format: 'alert',
    locale: 'zh',
  };
  const order = func('in order', read('functions/in-order.js'), {
    finalize: 'clearTimeout(globalThis.held?.timer);\n',
  });
  node('45', 'function', [180, 1180], order, ['40']);
  node('40', 'emotion-alert', [340, 1180], settings, ['41'], []);
  const sort = func('alerts', read('functions/alert.js'), { outputs: 2 });
  node('41', 'function', [480, 1180], sort, ['46'], ['44']);
  const outbox = {
    ...bufferSettings,
    name: 'alerts to store',
    batchItems: 32,
    // One after the other, in their order.
    inFlight: 1,
    folder: 'public-opinion-alerts',
    maxItems: 100000,
    maxMegabytes: 100,
    mqtt: false,
    broker: '',
    topic: '',
  };
  node('46', 'emotion-buffer', [640, 1160], outbox, ['47'], []);
  const sql = func('alerts → SQL', read('functions/alert-rows.js'));
  node('47', 'function', [820, 1160], sql, ['42']);
  node('42', 'link call', [980, 1160], databaseCall(flow), ['43']);
  const stored = func('stored?', read('functions/alert-stored.js'), { outputs: 2 });
  node('43', 'function', [1110, 1160], stored, ['54'], ['46']);
  node('44', 'mqtt out', [660, 1220], publisher(ref, 'opinion/alerts/<topic>'));
}

const publisher = (ref, name) => ({
  name,
  topic: '',
  qos: '1',
  retain: '',
  respTopic: '',
  contentType: '',
  userProps: '',
  correl: '',
  expiry: '',
  broker: ref('c2'),
});

/** A briefing when a page asks, and of each day in the morning. */
function briefings({ node, ref }) {
  const daily = {
    name: 'every morning at 7',
    props: [{ p: 'payload' }],
    repeat: '',
    crontab: '00 07 * * *',
    once: false,
    onceDelay: 0.1,
    topic: '',
    payload: '{"ask":"briefing","daily":true,"locale":"zh"}',
    payloadType: 'json',
  };
  node('90', 'inject', [170, 1320], daily, ['70']);
  const language = {
    name: 'language',
    property: 'locale',
    propertyType: 'msg',
    rules: [{ t: 'eq', v: 'zh', vt: 'str' }, { t: 'else' }],
    checkall: 'false',
    repair: false,
    outputs: 2,
  };
  node('91', 'switch', [380, 1380], language, ['92'], ['93']);
  const settings = (locale) => ({
    version: 1,
    name: locale,
    property: 'payload',
    propertyType: 'msg',
    before: 'before',
    beforeType: 'msg',
    format: 'all',
    locale,
    title: '',
    angry: true,
    sad: true,
    fear: true,
    disgust: true,
    surprise: false,
    words: 20,
    examples: 3,
    sources: 10,
    timeZone: '',
  });
  node('92', 'emotion-briefing', [520, 1360], settings('zh'), ['94']);
  node('93', 'emotion-briefing', [520, 1400], settings('en'), ['94']);
  const send = func('send', read('functions/briefing.js'), { outputs: 2 });
  node('94', 'function', [670, 1380], send, ['ui-briefing'], ['95']);
  node('95', 'mqtt out', [880, 1400], publisher(ref, 'opinion/briefing/<language>'));
}

/** Wires from one group to another, and such as would run back across a whole group. */
function joins({ join }) {
  join('11', 'on disk', [235, 180], ['23', 1, [1105, 220]]);
  const inbox = [
    ['24', 1, [275, 500]],
    ['27', 2, [1085, 780]],
    ['53', 2, [595, 680]],
  ];
  join('21', 'inbox', [685, 100], ...inbox);
  join('22', 'answer the request', [1035, 320], ['27', 3, [1085, 820]]);
  join('24', 'posts', [75, 460], ['21', 0, [885, 120]]);
  const rules = [
    ['70', 1, [405, 900]],
    ['72', 1, [715, 900]],
  ];
  join('26', 'rules', [245, 540], ...rules);
  join('51', 'rows', [75, 640], ['50', 0, [1335, 460]]);
  join('28', 'rules to store', [215, 940], ['26', 1, [455, 500]]);
  const news = [
    ['53', 1, [595, 640]],
    ['43', 0, [1195, 1140]],
  ];
  join('54', 'something new', [685, 780], ...news);
  join('73', 'refused', [685, 820], ['27', 0, [1085, 680]]);
  const asked = [
    ['ui-overview', 0, [1105, 860]],
    ['ui-topics', 0, [1105, 860]],
    ['ui-briefing', 0, [1105, 860]],
    ['90', 0, [295, 1320]],
  ];
  join('70', 'questions', [215, 820], ...asked);
  join('7d', 'commands', [295, 1060], ['ui-batch', 0, [1105, 920]]);
  join('ui-batch', 'jobs', [885, 940], ['7a', 0, [815, 1000]]);
  const analysed = [
    ['78', 0, [1165, 960]],
    ['79', 0, [1165, 960]],
  ];
  join('76', 'analysed', [475, 960], ...analysed);
  const toWatch = [
    ['53', 0, [595, 600]],
    ['16', 1, [605, 360]],
  ];
  join('45', 'posts to watch', [75, 1180], ...toWatch);
  join('46', 'stored', [525, 1120], ['43', 1, [1195, 1180]]);
  join('91', 'briefing', [275, 1380], ['72', 2, [715, 940]]);
  join('ui-briefing', 'briefing', [885, 1000], ['94', 0, [775, 1340]]);
}

function groups({ group, nodes, ref }) {
  const inputs = ['10', '11', '12', '13', '14', '15', '16', '20', '21', '22', '23'];
  const there = inputs.filter((name) => nodes.some(({ id }) => id === ref(name)));
  group('g1', 'Posts come in  ·  帖子进入', there, '#a4c2f4');
  const model = ['24', '25', '26', '30', '31', '32', '33', '34', '35', '50'];
  group('g2', 'Topics and the model  ·  主题与模型', model, '#b6d7a8');
  const store = ['51', '52', '53', '55', '56', '57', '29', '60', '61', '62', '58', '27', '59'];
  group('g3', 'The database  ·  数据库', store, '#ffe599');
  const pages = [
    '69',
    '70',
    '71',
    '72',
    '28',
    '73',
    '54',
    'ui-overview',
    'ui-topics',
    'ui-batch',
    'ui-briefing',
    'ui-style',
  ];
  group('g4', 'The dashboard  ·  仪表板', pages, '#d5a6bd');
  const files = ['74', '7f', '75', '76', '77', '78', '79', '7a', '7b', '7c', '7d'];
  group('g6', 'Alerts  ·  预警', ['45', '40', '41', '46', '47', '42', '43', '44'], '#f9cb9c');
  const briefing = ['90', '91', '92', '93', '94', '95'];
  group('g7', 'Briefings  ·  简报', briefing, '#a2c4c9');
  group('g5', 'Files of texts  ·  批量分析', files, '#b4a7d6');
  stack(nodes);
}

/** Moves groups down, on the grid of the editor, until none lies over another. */
function stack(nodes) {
  const frames = nodes.filter(({ type }) => type === 'group').sort((a, b) => a.y - b.y);
  let top = 0;
  for (const frame of frames) {
    const down = Math.max(0, Math.ceil((top - frame.y) / 20) * 20);
    for (const node of nodes) if (node === frame || node.g === frame.id) node.y += down;
    top = frame.y + frame.h + 20;
  }
}

const FLOWS = {
  '10-public-opinion.json': EMBEDDED,
  '11-public-opinion-postgres.json': SERVERS,
};

const stale = [];
for (const [file, variant] of Object.entries(FLOWS)) {
  const path = join(examples, 'flows', file);
  const json = `${JSON.stringify(await opinion(variant), null, 4)}\n`;
  if (!process.argv.includes('--check')) writeFileSync(path, json);
  else if (readFileSync(path, 'utf8') !== json) stale.push(file);
}
if (stale.length > 0) {
  console.error(`${stale.join(', ')}: run "node tools/make-opinion-flows.mjs"`);
  process.exitCode = 1;
}
