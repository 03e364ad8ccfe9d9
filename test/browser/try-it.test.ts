import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Browser, Page } from 'puppeteer-core';
import { babble } from '../audio/signal';
import { NodeRed } from '../flows/node-red';
import { make, scratchFolder } from '../media/fixtures';
import { closePages, keepScreenshot, openChromium, openPage } from './chromium';

interface PageElement {
  textContent: string | null;
  innerHTML: string;
}

describe('the try-it page', function () {
  this.timeout(300_000);
  let nodeRed: NodeRed;
  let browser: Browser;
  before(async () => {
    nodeRed = await NodeRed.start();
    browser = await openChromium();
  });
  afterEach(() => closePages(browser));
  after(async () => {
    await browser.close();
    await nodeRed.stop();
  });

  async function open(size?: { width: number; height: number }, path = '/emotion') {
    const opened = await openPage(browser, size);
    await opened.page.goto(`${nodeRed.url}${path}`, { waitUntil: 'networkidle0' });
    return opened;
  }

  const texts = (page: Page, selector: string): Promise<string[]> =>
    page.$$eval(selector, (elements) =>
      (elements as unknown as PageElement[]).map(({ textContent }) => (textContent ?? '').trim()),
    );

  async function recognise(page: Page, text: string): Promise<void> {
    await page.$eval(
      '#text',
      (area, value) => {
        (area as unknown as { value: string }).value = value;
      },
      text,
    );
    await page.click('#send');
    await page.waitForSelector('#send:not([disabled])');
  }

  it('shows seven bars, the words that counted and where the answer came from', async () => {
    const { page, problems } = await open();
    await recognise(page, 'I am happy, so happy');
    expect((await texts(page, '.verdict .label')).length).to.equal(1);
    expect(await texts(page, '.bars dt')).to.have.length(7);
    const shares = await page.$$eval('.bars .bar i', (bars) =>
      bars.map((bar) => (bar as unknown as { offsetWidth: number }).offsetWidth),
    );
    expect(Math.max(...shares)).to.be.above(3 * Math.min(...shares));
    const marked = await texts(page, '.source mark');
    expect(marked).to.include('happy');
    expect((await texts(page, '.source')).join('')).to.equal('I am happy, so happy');
    expect((await texts(page, '.facts'))[0]).to.match(
      /^text-bilstm · onnxruntime · [\d.]+ ms · en/,
    );
    await keepScreenshot(page, 'try-it-text');
    expect(problems).to.deep.equal([]);
  });

  it('shows many texts as cards and a time line', async () => {
    const { page, problems } = await open();
    await page.click('#lines');
    await recognise(page, 'I am happy\nso sad\n\n很愤怒\nwow');
    expect(await texts(page, '.result')).to.have.length(4);
    expect(await page.$$('#line button')).to.have.length(4);
    await keepScreenshot(page, 'try-it-lines');
    expect(problems).to.deep.equal([]);
  });

  it('speaks both languages and remembers the choice', async () => {
    const { page } = await open();
    const before = await texts(page, 'h1');
    await page.click('#locale');
    const after = await texts(page, 'h1');
    expect(after).not.to.deep.equal(before);
    await page.reload({ waitUntil: 'networkidle0' });
    expect(await texts(page, 'h1')).to.deep.equal(after);
    await recognise(page, '很伤心');
    const lang = await page.$eval('html', (html) => (html as unknown as { lang: string }).lang);
    const [label] = await texts(page, '.verdict .label');
    expect(label).to.equal(lang === 'zh-CN' ? '悲伤' : 'sad');
  });

  it('shows text as text, whatever it holds', async () => {
    const { page, problems } = await open();
    const hostile =
      '<img src=x onerror="globalThis.hit=1"> happy <script>globalThis.hit=1</script>';
    await recognise(page, hostile);
    expect((await texts(page, '.source'))[0]).to.equal(hostile);
    expect(await page.$$('#results img, #results script')).to.have.length(0);
    expect(await page.evaluate(() => (globalThis as { hit?: number }).hit)).to.equal(undefined);
    expect(problems).to.deep.equal([]);
  });

  it('says what is wrong and takes the next text', async () => {
    const { page } = await open();
    await recognise(page, '   ');
    expect((await texts(page, '#problem'))[0]).not.to.equal('');
    await recognise(page, 'a'.repeat(1_000_001));
    expect((await texts(page, '#problem'))[0]).to.contain('1000000');
    await recognise(page, 'I am happy');
    expect(await page.$eval('#problem', (element) => element.hasAttribute('hidden'))).to.equal(
      true,
    );
    expect(await texts(page, '.verdict .label')).to.have.length(1);
  });

  it('works behind a slash', async () => {
    const { page } = await open(undefined, '/emotion/');
    await recognise(page, 'I am happy');
    expect(await texts(page, '.result')).to.have.length(1);
  });

  describe('for voices', () => {
    const folder = scratchFolder();
    let file: string;
    before(async () => {
      const raw = join(folder, 'voice.raw');
      writeFileSync(raw, Buffer.from(babble(6).buffer));
      file = await make(
        folder,
        ['-f', 'f32le', '-ar', '16000', '-ac', '1', '-i', raw],
        'voice.mp3',
      );
    });

    async function openVoice(size?: { width: number; height: number }) {
      const opened = await open(size);
      await opened.page.click('#tabs [data-panel="audio"]');
      return opened;
    }
    async function choose(page: Page, path: string): Promise<void> {
      const input = (await page.$('#sound-file')) as unknown as {
        uploadFile(path: string): Promise<void>;
      };
      await input.uploadFile(path);
      await page.waitForSelector('.result');
      await page.waitForFunction("document.getElementById('audio-state').textContent === ''");
    }
    /** Share of the points of a canvas that are painted. */
    const painted = (page: Page, canvas: string): Promise<number> =>
      page.$eval(canvas, (element) => {
        const canvasElement = element as unknown as {
          width: number;
          height: number;
          getContext(kind: string): {
            getImageData(...box: number[]): { data: Uint8ClampedArray };
          };
        };
        const { width, height } = canvasElement;
        const { data } = canvasElement.getContext('2d').getImageData(0, 0, width, height);
        let count = 0;
        for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) count += 1;
        return count / (width * height);
      });

    it('draws a file and shows what each window was answered', async () => {
      const { page, problems } = await openVoice();
      await choose(page, file);
      expect(await texts(page, '.verdict .label')).to.have.length(1);
      expect(await painted(page, '#wave')).to.be.within(0.02, 0.9);
      expect(await painted(page, '#spectrum')).to.equal(1);
      expect(await painted(page, '#attention')).to.be.within(0.05, 1);
      const windows = await page.$$('#windows button');
      expect(windows.length).to.be.above(2);
      expect((await texts(page, '#axis span')).at(-1)).to.match(/^6\.\d s$/);
      await windows[1]!.click();
      const time = await page.$eval('#player', (player) => (player as unknown as { currentTime: number }).currentTime); // prettier-ignore
      expect(time).to.be.above(0.5);
      await keepScreenshot(page, 'try-it-voice');
      expect(problems).to.deep.equal([]);
    });

    it('records, stops and answers', async () => {
      const { page, problems } = await openVoice();
      await page.click('#record');
      await page.waitForSelector('#record[aria-pressed="true"]');
      // By the page's own count, which stands still as long as the browser does.
      await page.waitForFunction(
        "parseInt(/\\d+/.exec(document.getElementById('audio-state').textContent)) >= 2",
      );
      await page.click('#record');
      await page.waitForSelector('.result');
      expect((await texts(page, '.verdict'))[0]).not.to.equal('');
      expect(problems).to.deep.equal([]);
    });

    it('says what is wrong with a file, keeps what each tab was answered, and fits a telephone', async () => {
      const { page } = await openVoice({ width: 360, height: 740 });
      await choose(page, file);
      const width = await page.evaluate('document.documentElement.scrollWidth');
      expect(width).to.be.at.most(360);
      await keepScreenshot(page, 'try-it-voice-telephone');
      await page.click('#tabs [data-panel="text"]');
      expect(await texts(page, '.result')).to.have.length(0);
      await recognise(page, 'I am happy');
      await page.click('#tabs [data-panel="audio"]');
      expect((await texts(page, '.facts'))[0]).to.contain('speech-crnn');
      const text = join(folder, 'text.wav');
      writeFileSync(text, 'this is a text');
      const input = (await page.$('#sound-file')) as unknown as {
        uploadFile(path: string): Promise<void>;
      };
      await input.uploadFile(text);
      await page.waitForSelector('#problem:not([hidden])');
      expect((await texts(page, '#problem'))[0]).to.match(/FFmpeg/);
    });
  });

  for (const theme of ['light', 'dark'] as const) {
    it(`fits a telephone, in ${theme}`, async () => {
      const { page } = await openPage(browser, { width: 360, height: 740 });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      await page.goto(`${nodeRed.url}/emotion`, { waitUntil: 'networkidle0' });
      await page.click('#lines');
      await recognise(page, `so sad\n${'很高兴'.repeat(40)}\n${'x'.repeat(300)}`);
      const [width, shown] = await page.evaluate(() => {
        const { documentElement } = (
          globalThis as unknown as {
            document: { documentElement: { scrollWidth: number; dataset: { theme: string } } };
          }
        ).document;
        return [documentElement.scrollWidth, documentElement.dataset.theme] as const;
      });
      expect(width).to.be.at.most(360);
      expect(shown).to.equal(theme);
      await keepScreenshot(page, `try-it-telephone-${theme}`);
    });
  }
});
