import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Browser, Page } from 'puppeteer-core';
import { packageRoot } from '../../lib/models/package-root';
import { NodeRed } from '../flows/node-red';
import { hub, serve, TestServer } from '../models/import/hub-server';
import { closePages, keepScreenshot, openChromium, openPage } from './chromium';

const TINY = join(packageRoot(), 'test/fixtures/models/tiny-text');
const LABELS = ['neutral', 'joy', 'sadness', 'anger', 'LABEL_4', 'disgust', 'surprise'];
const CONFIG = {
  architectures: ['BertForSequenceClassification'],
  max_position_embeddings: 64,
  id2label: Object.fromEntries(LABELS.map((label, id) => [id, label])),
};
const LANGUAGES = {
  'en-US': { open: /[Cc]hoose/, downloading: /owner-en-us: \d+ % – [\d.]+ of [\d.]+ MB/ },
  'zh-CN': { open: /选择/, downloading: /owner-zh-cn：\d+ % – [\d.]+ \/ [\d.]+ MB/ },
} as const;

declare const RED: {
  nodes: { eachConfig(visit: (node: { id: string; type: string }) => void): void };
  editor: { editConfig(property: string, type: string, id: string): void };
};
declare const localStorage: { setItem(key: string, value: string): void };

describe('the import dialog', function () {
  this.timeout(300_000);
  let nodeRed: NodeRed;
  let browser: Browser;
  let server: TestServer;
  let models: string;
  let files: Record<string, Buffer>;
  before(async () => {
    models = await mkdtemp(join(tmpdir(), 'emotion-import-'));
    server = await new TestServer().start();
    files = {
      'config.json': Buffer.from(JSON.stringify(CONFIG)),
      'tokenizer.json': await readFile(join(TINY, 'tokenizer.json')),
      'model.onnx': await readFile(join(TINY, 'model.onnx')),
      'README.md': Buffer.from('---\nlicense: mit\nlanguage: [en, zh]\n---\n'),
    };
    nodeRed = await NodeRed.start({
      files: {
        'settings.js': `module.exports = {
          flowFile: 'flows.json',
          uiHost: '127.0.0.1',
          emotionModelFolder: ${JSON.stringify(models)},
          editorTheme: { tours: false, palette: { catalogues: [] } },
          telemetry: { enabled: false, updateNotification: false },
        };`,
      },
    });
    browser = await openChromium();
  });
  afterEach(() => closePages(browser));
  after(async () => {
    await browser.close();
    await nodeRed.stop();
    await server.close();
    await rm(models, { recursive: true, force: true });
  });

  async function openDialog(language: string): Promise<{ page: Page; problems: string[] }> {
    const opened = await openPage(browser);
    const { page } = opened;
    await page.evaluateOnNewDocument((lang) => {
      localStorage.setItem('editor-language', lang);
    }, language);
    await page.goto(`${nodeRed.url}/`, { waitUntil: 'networkidle0' });
    await page.waitForSelector('.red-ui-flow-node');
    await page.evaluate(() => {
      let config = '';
      RED.nodes.eachConfig(({ id, type }) => {
        if (type === 'emotion-model') config = id;
      });
      RED.editor.editConfig('', 'emotion-model', config);
    });
    await click(page, '#emotion-model-import');
    await page.waitForSelector('#emotion-import-look', { visible: true });
    return opened;
  }

  /** Trays slide in: a real click could miss. */
  async function click(page: Page, selector: string): Promise<void> {
    await page.waitForSelector(selector, { visible: true });
    await page.$eval(selector, (element) => (element as unknown as { click(): void }).click());
  }

  /** Opening a tray moves the focus: keys that are typed meanwhile would go astray. */
  async function fill(page: Page, selector: string, value: string): Promise<void> {
    await page.$eval(
      selector,
      (element, text) => {
        const input = element as unknown as {
          value: string;
          dispatchEvent(event: object): boolean;
        };
        input.value = text;
        input.dispatchEvent(new Event('input', { bubbles: true }));
      },
      value,
    );
  }

  const said = (page: Page, selector: string): Promise<string> =>
    page.$eval(
      selector,
      (element) => (element as unknown as { textContent: string | null }).textContent ?? '',
    );
  const shows = (page: Page, selector: string, pattern: RegExp) =>
    page.waitForFunction(
      (wanted, source) => {
        const element = (
          globalThis as unknown as {
            document: { querySelector(s: string): { textContent: string } | null };
          }
        ).document.querySelector(wanted);
        return new RegExp(source).test(element?.textContent ?? '');
      },
      { polling: 50 },
      selector,
      pattern.source,
    );

  for (const [language, words] of Object.entries(LANGUAGES)) {
    it(`looks at a model, asks what a label means, downloads and chooses it, in ${language}`, async () => {
      const repository = `owner/${language}`;
      const id = repository.toLowerCase().replace('/', '-');
      const graph = files['model.onnx']!;
      let held = true;
      server.handler = hub(repository, files, {
        large: (request, response) =>
          serve(request, response, graph, { dropAfter: 2_000, dropWhen: () => !held }),
      });
      const { page, problems } = await openDialog(language);
      const problem = '.emotion-import .emotion-model-problem';

      await fill(page, '#emotion-import-hub-id', 'owner/nothing');
      await fill(page, '#emotion-import-endpoint', server.origin);
      await click(page, '#emotion-import-look');
      await shows(page, problem, /owner\/nothing/);

      await fill(page, '#emotion-import-hub-id', repository);
      await click(page, '#emotion-import-look');
      await page.waitForSelector('.emotion-import-labels');
      const meanings = await page.$$eval('.emotion-import-labels select', (selects) =>
        selects.map((select) => (select as unknown as { value: string }).value),
      );
      expect(meanings).to.deep.equal([
        'neutral',
        'happy',
        'sad',
        'angry',
        '',
        'disgust',
        'surprise',
      ]);
      await shows(page, problem, words.open);
      expect(await said(page, '.emotion-import')).not.to.match(/import\.[\w-]+|__\w+__/);
      await keepScreenshot(page, `import-proposal-${language}`);
      await page.select('.emotion-import-labels select[data-label="LABEL_4"]', 'fear');
      await click(page, '#emotion-import-start');

      await shows(page, '.emotion-import-state', words.downloading);
      await keepScreenshot(page, `import-progress-${language}`);
      server.handler = hub(repository, files);
      held = false;

      // The dialog closes by itself; what it brought is chosen.
      await page.waitForSelector('.emotion-import', { hidden: true });
      await page.waitForSelector(`.emotion-model-item input[value="${id}"]:checked`);
      const manifest = await readFile(join(models, id, 'model.yaml'), 'utf8');
      expect(manifest).to.contain('LABEL_4: fear').and.to.contain('weights: mit');
      await keepScreenshot(page, `import-done-${language}`);
      const expected = (line: string) => /emotion-model\/import\/propose|status of 422/.test(line);
      expect(problems.filter((line) => !expected(line))).to.deep.equal([]);
    });
  }
});
