// Makes the pictures of the documentation, docs/images/*.png and tour-*.gif: starts Node-RED with the example flows in
// a temporary user directory, opens it in headless Chromium (apt-get install chromium, or CHROMIUM), and
// takes pictures in small palettes (FFmpeg). Run it after a change to what they show:
//   npm run build && node tools/make-screenshots.mjs [name …]
import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import puppeteer from 'puppeteer-core';

const root = dirname(import.meta.dirname);
const images = join(root, 'docs/images');
const scratch = mkdtempSync(join(tmpdir(), 'emotion-screenshots-'));
const chosen = process.argv.slice(2);
const chromium = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path && existsSync(path),
);
if (!chromium) throw new Error('Chromium is needed: apt-get install chromium, or set CHROMIUM');

const TEXTS = {
  'en-US': 'What a lovely surprise, thank you!',
  'zh-CN': '等了三个小时，最后告诉我没票了，气死我了！',
};

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

async function startNodeRed(userDir = 'node-red') {
  const child = spawn(process.execPath, [join(root, 'tools/start.mjs')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_RED_USER_DIR: join(scratch, userDir), PORT: '0', MQTT_PORT: String(await freePort()) }, // prettier-ignore
  });
  let log = '';
  const addresses = await new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      log += chunk;
      if (!log.includes('Ctrl-C')) return;
      const address = (name) => new RegExp(`${name} +(http:\\S+)`).exec(log)?.[1];
      resolve({ editor: address('Editor'), tryIt: address('Try-it page'), dashboard: address('Dashboard') }); // prettier-ignore
    });
    child.once('exit', (code) => reject(new Error(`Node-RED ended with ${code}\n${log}`)));
  });
  return { child, ...addresses };
}

/** A picture of a page; 128 colours are enough for an interface and a third of the bytes. */
async function take(page, name, clip) {
  const raw = join(scratch, `${name}.png`);
  await page.screenshot({ path: raw, ...(clip && { clip }) });
  const palette = 'split[a][b];[a]palettegen=max_colors=128[p];[b][p]paletteuse=dither=none';
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', raw, '-vf', palette, '-pix_fmt', 'pal8', join(images, `${name}.png`)]); // prettier-ignore
  console.log(name);
}

async function open(browser, url, locale, { width, height }) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setViewport({ width, height });
  await page.evaluateOnNewDocument((language) => {
    localStorage.setItem('editor-language', language);
    localStorage.setItem('emotion.locale', language.slice(0, 2));
    localStorage.setItem('emotion.theme', 'light');
    localStorage.setItem('emotion-opinion-locale', language.slice(0, 2));
  }, locale);
  await page.goto(url, { waitUntil: 'networkidle2', timeout: 120_000 });
  return page;
}

/** The editor with one of the example flows, found by the id of its tab. */
async function editorPicture(browser, url, locale, tab, name, { after } = {}) {
  const page = await open(browser, `${url}#flow/${tab}`, locale, { width: 1280, height: 720 });
  await page.waitForSelector('.red-ui-flow-node', { timeout: 120_000 });
  await page.evaluate((id) => globalThis.RED.workspaces.show(id), tab);
  await page.evaluate(() => globalThis.RED.sidebar.show('help'));
  await after?.(page);
  await delay(1_500);
  await take(page, name);
  await page.browserContext().close();
}

async function tryItPicture(browser, url, locale, name) {
  const page = await open(browser, url, locale, { width: 900, height: 640 });
  await page.waitForSelector('#text');
  await page.type('#text', TEXTS[locale]);
  await page.click('#send');
  await page.waitForSelector('.verdict', { timeout: 120_000 });
  await delay(300);
  await take(page, name);
  await page.browserContext().close();
}

/** Presses the button of an inject node, and shows what arrives in the debug sidebar. */
const press = (node) => async (page) => {
  await page.evaluate(() => globalThis.RED.sidebar.show('debug'));
  await page.evaluate((id) => globalThis.$.post(`inject/${id}`), node);
  await page.waitForSelector('.red-ui-debug-msg', { timeout: 30_000 });
  await page.click('.red-ui-debug-msg .red-ui-debug-msg-object-handle');
};

let replayed = false;

/** The dashboard of a made-up day: the feed of the example flow, all at once and once only. */
async function dashboardPicture(browser, { editor, dashboard }, locale, name, size) {
  if (!replayed) await fetch(`${editor}inject/e100000000000014`, { method: 'POST' });
  replayed = true;
  const page = await open(browser, dashboard, locale, size);
  const some = "Number(document.querySelector('[data-op=total]')?.dataset.value) >= 900";
  await page.waitForFunction(some, { timeout: 120_000 });
  await delay(3_000);
  await take(page, name);
  await page.browserContext().close();
}

/** A film of the editor, the try-it page and the dashboard while a day of posts comes in. */
async function tour(browser, locale, name) {
  const nodeRed = await startNodeRed(name);
  const size = { width: 1280, height: 720 };
  const frames = [];
  const shoot = async (page, seconds) => {
    const file = join(scratch, `${name}-${frames.length}.png`);
    await page.screenshot({ path: file });
    frames.push({ file, seconds });
  };
  try {
    const live = await open(browser, nodeRed.dashboard, locale, size);
    await live.waitForSelector('[data-op=total]', { timeout: 120_000 });

    // The first text waits for the model; people look at the time that one takes.
    await fetch(`${nodeRed.editor}inject/e010000000000006`, { method: 'POST' });
    await delay(5_000);
    const editor = await open(browser, `${nodeRed.editor}#flow/e01000000000tab1`, locale, size);
    await editor.waitForSelector('.red-ui-flow-node', { timeout: 120_000 });
    await editor.evaluate(() => globalThis.RED.sidebar.show('debug'));
    await delay(1_500);
    await shoot(editor, 1.5);
    await press(locale === 'en-US' ? 'e010000000000003' : 'e010000000000004')(editor);
    await delay(500);
    await shoot(editor, 3.5);
    await editor.evaluate(() => {
      globalThis.RED.menu.setSelected('menu-item-sidebar', false);
      globalThis.RED.workspaces.show('e07000000000tab1');
    });
    await delay(1_000);
    await shoot(editor, 3);
    await editor.browserContext().close();

    const tryIt = await open(browser, nodeRed.tryIt, locale, size);
    await tryIt.type('#text', TEXTS[locale]);
    await shoot(tryIt, 1.5);
    await tryIt.click('#send');
    await tryIt.waitForSelector('.verdict', { timeout: 120_000 });
    await delay(300);
    await shoot(tryIt, 3.5);
    await tryIt.browserContext().close();

    await fetch(`${nodeRed.editor}inject/e100000000000013`, { method: 'POST' });
    for (let frame = 0; frame < 24; frame++) {
      await delay(5_000);
      await shoot(live, 0.25);
    }
    frames.at(-1).seconds = 2;
    const bars = await live.$$eval('.op-hit', (all) => all.map(({ dataset }) => Number(dataset.posts))); // prettier-ignore
    await live.click(`.op-hit[data-bar="${bars.indexOf(Math.max(...bars))}"]`);
    await live.waitForSelector('[data-op=selection]');
    await delay(1_000);
    await shoot(live, 2.5);
    await live.$eval('.op-post', (post) => post.scrollIntoView({ block: 'center' }));
    await delay(500);
    await shoot(live, 3.5);
    await live.browserContext().close();
  } finally {
    await stop(nodeRed);
  }
  const list = join(scratch, `${name}.txt`);
  const lines = frames.map(({ file, seconds }) => `file '${file}'\nduration ${seconds}`);
  // The last duration counts only when another picture follows.
  writeFileSync(list, [...lines, `file '${frames.at(-1).file}'`].join('\n'));
  const palette = 'split[a][b];[a]palettegen=max_colors=96:stats_mode=full[p];[b][p]paletteuse=dither=none:diff_mode=rectangle'; // prettier-ignore
  const filters = `fps=4,scale=960:-1:flags=lanczos,${palette}`;
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'concat', '-safe', '0', '-i', list, '-vf', filters, join(images, `${name}.gif`)]); // prettier-ignore
  console.log(name);
}

async function stop({ child }) {
  const exited = once(child, 'exit');
  child.kill('SIGINT');
  await exited;
}

mkdirSync(images, { recursive: true });
const nodeRed = await startNodeRed();
const browser = await puppeteer.launch({
  executablePath: chromium,
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
try {
  const pictures = {};
  for (const [locale, language] of [
    ['en-US', 'en'],
    ['zh-CN', 'zh'],
  ]) {
    pictures[`quick-start-${language}`] = (name) =>
      editorPicture(browser, nodeRed.editor, locale, 'e01000000000tab1', name, {
        after: press(language === 'en' ? 'e010000000000003' : 'e010000000000004'),
      });
    pictures[`multimodal-${language}`] = (name) =>
      editorPicture(browser, nodeRed.editor, locale, 'e07000000000tab1', name, {
        after: (page) =>
          page.evaluate(() => globalThis.RED.menu.setSelected('menu-item-sidebar', false)),
      });
    pictures[`try-it-${language}`] = (name) => tryItPicture(browser, nodeRed.tryIt, locale, name);
    if (nodeRed.dashboard) {
      pictures[`dashboard-${language}`] = (name) =>
        dashboardPicture(browser, nodeRed, locale, name, { width: 1280, height: 900 });
      pictures[`tour-${language}`] = (name) => tour(browser, locale, name);
    }
  }
  for (const [name, make] of Object.entries(pictures)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    await make(name).catch((error) => {
      console.error(`${name}: ${error.stack}`);
      process.exitCode = 1;
    });
  }
} finally {
  await browser.close();
  await stop(nodeRed);
  rmSync(scratch, { recursive: true, force: true });
}
