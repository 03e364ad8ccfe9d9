import { expect } from 'chai';
import type { Browser, ElementHandle, Page } from 'puppeteer-core';
import { installModel, NodeRed } from '../flows/node-red';
import { until } from '../media/fixtures';
import { closePages, keepScreenshot, openChromium, openPage } from './chromium';

const SETTINGS = `module.exports = {
  flowFile: 'flows.json',
  uiHost: '127.0.0.1',
  editorTheme: { tours: false, palette: { catalogues: [] } },
  telemetry: { enabled: false, updateNotification: false },
};`;

/** The editor's own global, as far as the tests use it. */
interface EditorNode {
  id: string;
  type: string;
  valid?: boolean;
  validationErrors?: unknown[];
  [property: string]: unknown;
}
declare const RED: {
  nodes: {
    node(id: string): EditorNode | null;
    eachNode(visit: (node: EditorNode) => void): void;
    eachConfig(visit: (node: EditorNode) => void): void;
    dirty(): boolean;
    getNodeHelp(type: string): string;
  };
  workspaces: { add(workspace?: object): void };
  sidebar: { help: { show(type: string): void } };
};
interface ElementInPage {
  textContent: string | null;
}
declare const jQuery: { timers: readonly object[] };
declare const CSSTransition: abstract new () => object;
declare const document: {
  getAnimations(): { playState: string }[];
  querySelector(selector: string): (ElementInPage & { click(): void }) | null;
  querySelectorAll(selector: string): Iterable<ElementInPage>;
};
declare const localStorage: { setItem(key: string, value: string): void };

const WORDS = {
  'en-US': {
    preprocess: 'preprocess text',
    infer: 'infer emotion',
    model: 'Installed models',
    card: 'Close',
  },
  'zh-CN': { preprocess: '文本预处理', infer: '情绪推理', model: '已安装的模型', card: '关闭' },
} as const;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('the editor', function () {
  this.timeout(300_000);
  let nodeRed: NodeRed;
  let browser: Browser;
  before(async () => {
    nodeRed = await NodeRed.start({ files: { 'settings.js': SETTINGS } });
    await installModel(nodeRed.userDir, 'truncated', 'truncated');
    browser = await openChromium();
  });
  afterEach(() => closePages(browser));
  after(async () => {
    await browser.close();
    await nodeRed.stop();
  });

  async function openEditor(language: string): Promise<{ page: Page; problems: string[] }> {
    const opened = await openPage(browser);
    await opened.page.evaluateOnNewDocument((lang) => {
      localStorage.setItem('editor-language', lang);
    }, language);
    await opened.page.goto(`${nodeRed.url}/`, { waitUntil: 'networkidle0' });
    await opened.page.waitForSelector('.red-ui-flow-node');
    return opened;
  }

  async function visible(page: Page, selector: string): Promise<ElementHandle> {
    const element = await page.waitForSelector(selector, { visible: true });
    return element!;
  }

  /** Trays and the palette slide: what is done to something that still moves goes astray. */
  async function still(element: ElementHandle): Promise<void> {
    let place = '';
    await until(
      async () => {
        const before = place;
        place = JSON.stringify(await element.boundingBox());
        if (place === before && !(await moves(element))) return true;
        await sleep(100);
        return false;
      },
      'the end of what moves',
      60_000,
    );
  }

  /** A browser that is too busy to draw shows something that moves at the same place twice. */
  async function moves(element: ElementHandle): Promise<boolean> {
    const box = await element.boundingBox();
    const page = element.frame.page();
    // Trays come from the right; what is only further down a list is scrolled to by the click.
    const isOutside = box === null || box.x < 0 || box.x + box.width > page.viewport()!.width;
    return isOutside || (await page.evaluate(() => jQuery.timers.length > 0 || document.getAnimations().some((one) => one instanceof CSSTransition && one.playState === 'running'))); // prettier-ignore
  }

  async function click(page: Page, selector: string): Promise<void> {
    const element = await visible(page, selector);
    await still(element);
    await element.click();
  }

  /** A tray that has opened moves the focus: keys that are typed meanwhile go astray. */
  async function type(page: Page, selector: string, text: string): Promise<void> {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await click(page, selector);
      await page.keyboard.down('Control');
      await page.keyboard.press('a');
      await page.keyboard.up('Control');
      await page.keyboard.type(text);
      const value = await page.$eval(selector, (field) => (field as unknown as { value: string }).value); // prettier-ignore
      if (value === text) return;
    }
    throw new Error(`${selector} does not take ${text}`);
  }

  async function dragIn(page: Page, type: string, x: number, y: number): Promise<string> {
    const known = await nodeIds(page, type);
    const entry = await visible(page, `.red-ui-palette-node[data-palette-type="${type}"]`);
    await entry.evaluate((element) =>
      (element as unknown as { scrollIntoView(options: object): void }).scrollIntoView({
        block: 'center',
      }),
    );
    await still(entry);
    const from = (await entry.boundingBox())!;
    const workspace = (await (await visible(page, '#red-ui-workspace-chart')).boundingBox())!;
    await page.mouse.move(from.x + from.width / 2, from.y + from.height / 2);
    await page.mouse.down();
    await page.mouse.move(workspace.x + x, workspace.y + y, { steps: 20 });
    await sleep(100);
    await page.mouse.up();
    const added = async () => (await nodeIds(page, type)).filter((id) => !known.includes(id));
    await until(async () => (await added()).length > 0, `${type} on the workspace`);
    const [id, ...more] = await added();
    expect(more).to.deep.equal([]);
    await still(await visible(page, `[id="${id}"] .red-ui-flow-node`));
    return id!;
  }

  function nodeIds(page: Page, type: string): Promise<string[]> {
    return page.evaluate((wanted) => {
      const ids: string[] = [];
      RED.nodes.eachNode((node) => {
        if (node.type === wanted) ids.push(node.id);
      });
      return ids;
    }, type);
  }

  async function openDialog(page: Page, id: string): Promise<void> {
    const element = await visible(page, `[id="${id}"] .red-ui-flow-node`);
    const box = (await element.boundingBox())!;
    const isOpen = () =>
      page.waitForSelector('#node-dialog-ok', { visible: true, timeout: 5_000 }).then(
        () => true,
        () => false,
      );
    // Two clicks that a busy machine takes apart are none for the editor.
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2, {
        count: 2,
        delay: 20,
      });
      if (await isOpen()) {
        // The buttons are there before the form is filled.
        await visible(page, '#dialog-form .form-row');
        return;
      }
    }
    throw new Error(`the dialog of ${id} does not open`);
  }

  /** Ends the dialog that is open, and waits until it has slid away. */
  async function accept(page: Page): Promise<void> {
    await click(page, '#node-dialog-ok');
    await page.waitForSelector('.red-ui-tray', { hidden: true });
  }

  const isShown = (page: Page, selector: string): Promise<boolean> =>
    page.$eval(selector, (element) => (element as unknown as { offsetHeight: number }).offsetHeight > 0); // prettier-ignore

  /** Until an element is shown, or until it no longer is, though it is still part of the page. */
  const becomes = (page: Page, selector: string, state: 'shown' | 'hidden') =>
    page.waitForFunction(
      (wanted, shown) => {
        const element = document.querySelector(wanted) as { offsetHeight: number } | null;
        return element !== null && element.offsetHeight > 0 === shown;
      },
      {},
      selector,
      state === 'shown',
    );

  async function openTab(page: Page, tabs: string, number: number, field: string): Promise<void> {
    // What is on a tab may be made when it is opened.
    const isOpen = async () => (await page.$(field)) !== null && (await isShown(page, field));
    for (let attempt = 0; attempt < 5 && !(await isOpen()); attempt += 1) {
      await click(page, `${tabs} li:nth-child(${number}) a`);
      await sleep(300);
    }
    await becomes(page, field, 'shown');
  }

  /** Texts that the catalogue lacked show as their keys. */
  function untranslated(page: Page): Promise<string[]> {
    return page.evaluate(() =>
      [...document.querySelectorAll('.red-ui-tray label, .red-ui-tray option, .red-ui-tray span')]
        .map((element) => element.textContent?.trim() ?? '')
        .filter((text) => /^emotion-[\w-]+\.[\w.-]+$/.test(text)),
    );
  }

  for (const [language, words] of Object.entries(WORDS)) {
    it(`takes every node in, opens every dialog and deploys, in ${language}`, async () => {
      const { page, problems } = await openEditor(language);
      await page.evaluate(() => RED.workspaces.add());
      await sleep(300);

      const preprocess = await dragIn(page, 'emotion-preprocess-text', 200, 150);
      const infer = await dragIn(page, 'emotion-infer', 450, 150);
      const palette = await page.evaluate(() =>
        [...document.querySelectorAll('.red-ui-palette-node .red-ui-palette-label')].map(
          (element) => element.textContent?.replace(/\s/g, ''),
        ),
      );
      for (const word of [words.preprocess, words.infer]) {
        expect(palette).to.include(word.replace(' ', ''));
      }

      // A model configuration, made from the dialog of the first node.
      await openDialog(page, preprocess);
      expect(await untranslated(page)).to.deep.equal([]);
      await keepScreenshot(page, `preprocess-text-${language}`);
      await page.select('#node-input-model', '_ADD_');
      await click(page, '#node-input-btn-model-add');
      await visible(page, '.emotion-model-item');
      expect(await untranslated(page)).to.deep.equal([]);
      const list = await page.$$eval('.emotion-model-item', (items) =>
        items.map((item) => (item as unknown as ElementInPage).textContent),
      );
      expect(list.join('\n')).to.contain('text-bilstm').and.to.contain('truncated');
      expect(list.join('\n')).to.match(/attention-pooling.*zh, en.*MB.*accuracy 1.*Apache-2\.0/);
      await click(page, '.emotion-model-item input[value="text-bilstm"]');
      await keepScreenshot(page, `model-${language}`);

      await click(page, '#emotion-model-card');
      await visible(page, '.emotion-card h1');
      await keepScreenshot(page, `card-${language}`);
      const close = await page.$eval(
        '#emotion-card-close',
        (button) => (button as unknown as ElementInPage).textContent,
      );
      expect(close?.trim()).to.equal(words.card);
      await click(page, '#emotion-card-close');

      await openTab(page, '#emotion-model-tabs', 2, '#node-config-input-maxBatch');
      expect(await untranslated(page)).to.deep.equal([]);
      await keepScreenshot(page, `model-runtime-${language}`);
      await click(page, '#node-config-dialog-ok');
      await page.waitForSelector('#node-config-dialog-ok', { hidden: true });
      await accept(page);

      await openDialog(page, infer);
      expect(await untranslated(page)).to.deep.equal([]);
      const config = await page.evaluate((id) => String(RED.nodes.node(id)!.model), preprocess);
      await page.select('#node-input-model', config);
      await keepScreenshot(page, `infer-${language}`);
      await accept(page);

      const states = await page.evaluate(
        (ids) =>
          ids.map((id) => {
            const node = RED.nodes.node(id)!;
            return {
              errors: (node.validationErrors ?? []).map(String),
              model: RED.nodes.node(String(node.model))?.model,
            };
          }),
        [preprocess, infer],
      );
      for (const state of states) expect(state).to.deep.equal({ errors: [], model: 'text-bilstm' });

      await click(page, '#red-ui-header-button-deploy');
      await page.waitForFunction(() => !RED.nodes.dirty());
      const { flows } = await nodeRed.flows();
      const deployed = flows.find(({ id }) => id === infer);
      expect(deployed).to.include({ type: 'emotion-infer', version: 1, property: 'payload' });

      for (const type of ['emotion-model', 'emotion-preprocess-text', 'emotion-infer']) {
        await page.evaluate((wanted) => RED.sidebar.help.show(wanted), type);
        const help = await page.evaluate((wanted) => RED.nodes.getNodeHelp(wanted), type);
        expect(help).to.have.length.above(400);
        expect(/[\u4e00-\u9fff]{4}/.test(help), type).to.equal(language === 'zh-CN');
      }
      await sleep(500);
      await keepScreenshot(page, `help-${language}`);
      expect(problems).to.deep.equal([]);
    });
  }

  for (const language of Object.keys(WORDS)) {
    it(`shows of the nodes for sound what belongs to their settings, in ${language}`, async () => {
      const { page, problems } = await openEditor(language);
      await page.evaluate(() => RED.workspaces.add());
      await sleep(300);
      const choose = (field: string, value: string) => page.select(`#node-input-${field}`, value);

      const preprocess = await dragIn(page, 'emotion-preprocess-audio', 200, 150);
      await openDialog(page, preprocess);
      expect(await untranslated(page)).to.deep.equal([]);
      await becomes(page, '#emotion-longest-sound', 'shown');
      await choose('output', 'windows');
      await becomes(page, '#emotion-longest-sound', 'hidden');
      await keepScreenshot(page, `preprocess-audio-${language}`);
      await accept(page);

      const capture = await dragIn(page, 'emotion-capture', 450, 150);
      await openDialog(page, capture);
      expect(await untranslated(page)).to.deep.equal([]);
      await page.waitForFunction(
        "document.querySelectorAll('#emotion-capture-found option').length > 0",
      );
      for (const [source, row] of [
        ['stream', '#node-input-url'],
        ['file', '#node-input-path'],
        ['test', '#node-input-hz'],
      ] as const) {
        await choose('source', source);
        await becomes(page, row, 'shown');
        await becomes(page, '#emotion-capture-found', 'hidden');
      }
      await becomes(page, '#node-input-policy', 'hidden');
      await choose('pace', 'asked');
      await becomes(page, '#node-input-policy', 'shown');
      await becomes(page, '#node-input-limitSeconds', 'hidden');
      await choose('policy', 'all');
      await becomes(page, '#node-input-limitSeconds', 'shown');
      await keepScreenshot(page, `capture-${language}`);
      await accept(page);

      const node = await page.evaluate((id) => {
        const { source, pace, policy, validationErrors, valid } = RED.nodes.node(id)!;
        return { source, pace, policy, valid, errors: (validationErrors ?? []).map(String) };
      }, capture);
      expect(node).to.deep.equal({
        source: 'test',
        pace: 'asked',
        policy: 'all',
        valid: true,
        errors: [],
      });
      for (const type of ['emotion-capture', 'emotion-preprocess-audio']) {
        const help = await page.evaluate((wanted) => RED.nodes.getNodeHelp(wanted), type);
        expect(/[\u4e00-\u9fff]{4}/.test(help), type).to.equal(language === 'zh-CN');
      }
      expect(problems).to.deep.equal([]);
    });
  }

  for (const language of Object.keys(WORDS)) {
    it(`shows the nodes for public opinion and checks the rules of topics, in ${language}`, async () => {
      const { page, problems } = await openEditor(language);
      await page.evaluate(() => RED.workspaces.add());
      await sleep(300);
      const stateOf = (id: string) =>
        page.evaluate((wanted) => {
          const { rules, valid, validationErrors } = RED.nodes.node(wanted)!;
          return { rules, valid, errors: (validationErrors ?? []).map(String) };
        }, id);

      const topic = await dragIn(page, 'emotion-topic', 200, 100);
      await openDialog(page, topic);
      expect(await untranslated(page)).to.deep.equal([]);
      await click(page, '.red-ui-editableList-addButton');
      await type(page, '.emotion-topic-rule-id', 'fares');
      await type(page, '.emotion-topic-rule-text', '地铁 and 涨价');
      const problem = await visible(page, '.emotion-topic-problem');
      const text = await problem.evaluate((one) => (one as unknown as ElementInPage).textContent);
      expect(text).to.contain('4').and.to.contain('and');
      await keepScreenshot(page, `topic-${language}`);
      await accept(page);
      const wrong = await stateOf(topic);
      expect(wrong.errors.join()).to.contain('fares');

      await openDialog(page, topic);
      await type(page, '.emotion-topic-rule-text', '(地铁 OR 公交) AND 涨价');
      await page.waitForFunction(
        "getComputedStyle(document.querySelector('.emotion-topic-problem')).display === 'none'",
      );
      await accept(page);
      expect(await stateOf(topic)).to.deep.equal({
        rules: [{ id: 'fares', rule: '(地铁 OR 公交) AND 涨价' }],
        valid: true,
        errors: [],
      });

      for (const [at, name] of ['duplicate', 'alert', 'briefing'].entries()) {
        const node = await dragIn(page, `emotion-${name}`, 200, 180 + 80 * at);
        await openDialog(page, node);
        expect(await untranslated(page)).to.deep.equal([]);
        if (name === 'alert') {
          await visible(page, '#node-input-format');
          await page.select('#node-input-format', 'dingtalk');
          await visible(page, '#node-input-secret');
        }
        await keepScreenshot(page, `${name}-${language}`);
        await accept(page);
        expect(await stateOf(node)).to.include({ valid: true });
      }
      for (const name of ['topic', 'duplicate', 'alert', 'briefing']) {
        const help = await page.evaluate((one) => RED.nodes.getNodeHelp(`emotion-${one}`), name);
        expect(/[\u4e00-\u9fff]{4}/.test(help), name).to.equal(language === 'zh-CN');
      }
      expect(problems).to.deep.equal([]);
    });
  }

  for (const language of Object.keys(WORDS)) {
    it(`opens the dialogs of buffer and batch, in ${language}`, async () => {
      const { page, problems } = await openEditor(language);
      await page.evaluate(() => RED.workspaces.add());
      await sleep(300);

      const buffer = await dragIn(page, 'emotion-buffer', 200, 150);
      await openDialog(page, buffer);
      expect(await untranslated(page)).to.deep.equal([]);
      await openTab(page, '#emotion-buffer-tabs', 1, '#node-input-batchItems');
      await keepScreenshot(page, `buffer-${language}`);
      await openTab(page, '#emotion-buffer-tabs', 2, '#node-input-folder');
      await becomes(page, '#node-input-batchItems', 'hidden');
      await openTab(page, '#emotion-buffer-tabs', 3, '#node-input-mqtt');
      await becomes(page, '#node-input-topic', 'hidden');
      await click(page, '#node-input-mqtt');
      await visible(page, '#node-input-topic');
      await keepScreenshot(page, `buffer-mqtt-${language}`);
      await accept(page);
      const wrong = await page.evaluate((id) => {
        const { mqtt, valid } = RED.nodes.node(id)!;
        return { mqtt, valid };
      }, buffer);
      expect(wrong, 'neither broker nor topic').to.deep.equal({ mqtt: true, valid: false });

      const fuse = await dragIn(page, 'emotion-fuse', 200, 250);
      const attention = await page.evaluate((id) => {
        const node = RED.nodes.node(id)!;
        Object.assign(node, { method: 'attention' });
        (RED as unknown as { editor: { validateNode(node: object): void } }).editor.validateNode(
          node,
        );
        return (node.validationErrors ?? []).map(String);
      }, fuse);
      expect(attention).to.have.length(1);
      expect(attention[0]).to.match(
        language === 'zh-CN' ? /请为注意力方法选择模型/ : /Choose a model/,
      );

      const batch = await dragIn(page, 'emotion-batch', 450, 150);
      await openDialog(page, batch);
      expect(await untranslated(page)).to.deep.equal([]);
      await keepScreenshot(page, `batch-${language}`);
      await accept(page);
      expect(await page.evaluate((id) => RED.nodes.node(id)!.valid, batch)).to.equal(true);
      for (const type of ['emotion-buffer', 'emotion-batch']) {
        const help = await page.evaluate((wanted) => RED.nodes.getNodeHelp(wanted), type);
        expect(/[\u4e00-\u9fff]{4}/.test(help), type).to.equal(language === 'zh-CN');
      }
      expect(problems).to.deep.equal([]);
    });
  }

  it('marks what is wrong before it is deployed, and says why', async () => {
    const { page } = await openEditor('en-US');
    await page.evaluate(() => RED.workspaces.add());
    await sleep(300);
    const infer = await dragIn(page, 'emotion-infer', 300, 150);
    await openDialog(page, infer);
    for (const [field, value] of [
      ['threshold', '1.5'],
      ['queueLimit', '0'],
      ['topK', '-1'],
      ['property', 'payload['],
    ]) {
      await page.evaluate(
        (name, text) => {
          const input = (
            globalThis as unknown as {
              $: (selector: string) => {
                val(v: string): { trigger(e: string): void };
                typedInput(a: string, v: string): void;
              };
            }
          ).$(`#node-input-${name}`);
          if (name === 'property') input.typedInput('value', text!);
          else input.val(text!).trigger('change');
        },
        field,
        value,
      );
    }
    await accept(page);
    const errors = await page.evaluate(
      (id) => (RED.nodes.node(id)!.validationErrors ?? []).map(String),
      infer,
    );
    expect(errors).to.include.members([
      'Uncertain below needs a number (0 – 1)',
      'Words to report needs a whole number (0 – 1000)',
      'Queue limit needs a whole number (1 – 1000000)',
    ]);
    expect(errors.join()).to.match(/property expression/);
  });

  it('marks a configuration whose model is not installed or broken', async () => {
    const { flows } = await nodeRed.flows();
    await nodeRed.deploy(
      flows.map((node) =>
        node.id === 'e0100000000000c1'
          ? { ...node, model: 'gone' }
          : node.id === 'e0200000000000c1'
            ? { ...node, model: 'truncated' }
            : node,
      ),
    );
    const { page } = await openEditor('en-US');
    // Once the editor knows which models there are.
    await page.waitForFunction(() => {
      let marked = false;
      RED.nodes.eachConfig((node) => {
        if (node.type === 'emotion-model' && node.model === 'gone') marked = node.valid === false;
      });
      return marked;
    });
    await nodeRed.deploy(flows);
  });

  it('marks an inference whose errors nobody catches', async () => {
    const { page, problems } = await openEditor('en-US');
    await page.evaluate(() => RED.workspaces.add());
    const id = await dragIn(page, 'emotion-infer', 300, 200);
    await page.waitForSelector(`[id="${id}"] .emotion-uncaught:not(.hide)`);
    await dragIn(page, 'catch', 300, 320);
    await page.waitForSelector(`[id="${id}"] .emotion-uncaught.hide`);
    expect(problems).to.deep.equal([]);
  });
});
