import { expect } from 'chai';
import type { Browser, Page } from 'puppeteer-core';
import { NodeRed } from '../flows/node-red';
import { keepScreenshot, openChromium, openPage } from './chromium';

interface PageElement {
  textContent: string | null;
  innerHTML: string;
}

describe('the try-it page', function () {
  this.timeout(120_000);
  let nodeRed: NodeRed;
  let browser: Browser;
  before(async () => {
    nodeRed = await NodeRed.start();
    browser = await openChromium();
  });
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
