import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import type { Browser, ElementHandle, Page } from 'puppeteer-core';
import { encodePng } from '../../lib/video/annotate';
import { babble } from '../audio/signal';
import { wavFile } from '../audio/wav';
import { NodeRed } from '../flows/node-red';
import { scratchFolder } from '../media/fixtures';
import { film, portrait } from '../video/face-files';
import { closePages, keepScreenshot, openChromium, openPage } from './chromium';

interface PageElement {
  readonly textContent: string | null;
  readonly offsetWidth: number;
}

describe('the try-it page, for all together', function () {
  this.timeout(300_000);
  const folder = scratchFolder();
  const sound = join(folder, 'voice.wav');
  const picture = join(folder, 'face.png');
  let nodeRed: NodeRed;
  let browser: Browser;
  before(async () => {
    writeFileSync(sound, wavFile(babble(3)));
    writeFileSync(picture, encodePng(portrait(240, 200, { mouth: 0.9 })));
    nodeRed = await NodeRed.start();
    browser = await openChromium();
  });
  afterEach(() => closePages(browser));
  after(async () => {
    await browser.close();
    await nodeRed.stop();
  });

  async function open(size?: { width: number; height: number }) {
    const opened = await openPage(browser, size);
    await opened.page.goto(`${nodeRed.url}/emotion#fused`, { waitUntil: 'networkidle0' });
    return opened;
  }
  const texts = (page: Page, selector: string): Promise<string[]> =>
    page.$$eval(selector, (elements) =>
      (elements as unknown as PageElement[]).map(({ textContent }) => (textContent ?? '').trim()),
    );
  const widths = (page: Page, selector: string): Promise<number[]> =>
    page.$$eval(selector, (elements) =>
      (elements as unknown as PageElement[]).map(({ offsetWidth }) => offsetWidth),
    );

  async function add(page: Page, part: 'audio' | 'video' | 'clip', path: string): Promise<void> {
    const [chooser] = await Promise.all([
      page.waitForFileChooser(),
      page.click(`[data-part="${part}"]`),
    ]);
    await chooser.accept([path]);
    await page.waitForFunction(
      `document.getElementById('chosen').textContent.includes('${basename(path)}')`,
    );
  }
  async function send(page: Page): Promise<void> {
    await page.click('#send-fused');
    await page.waitForSelector('#panel-fused .drop [role=status]:empty');
    await page.waitForSelector('#send-fused:not([disabled])');
  }

  it('shows how much text, voice and face counted, whether they agree, and why, in both languages', async () => {
    const { page, problems } = await open();
    await page.type('#fused-text', 'I am so happy');
    await add(page, 'audio', sound);
    await add(page, 'video', picture);
    await send(page);
    expect(await texts(page, '.result .verdict .label')).to.have.length(1);
    const shares = (await texts(page, '.opinions .number')).map((text) => parseFloat(text));
    expect(shares).to.have.length(3);
    expect(shares.reduce((a, b) => a + b)).to.be.closeTo(100, 2);
    const shown = await widths(page, '.opinions .bar i');
    const whole = (await widths(page, '.opinions .bar'))[0]!;
    shares.forEach((share, at) => {
      expect(shown[at]! / whole).to.be.closeTo(share / 100, 0.03);
    });
    expect((await texts(page, '.verdict .tag')).join(' ')).to.match(/agreement [\d.]+ %/);
    const english = (await texts(page, '.explanation'))[0]!;
    expect(english).to.match(/text happy .*counts \d+%.*voice.*face/);
    await keepScreenshot(page, 'try-it-fused');

    await page.click('#locale');
    const chinese = (await texts(page, '.explanation'))[0]!;
    expect(chinese).to.match(/文本为.*权重.*语音.*人脸/);
    expect(await texts(page, '.opinions dt')).to.deep.equal(['文字', '语音', '人脸']);
    await page.click('#locale');
    expect(problems).to.deep.equal([]);
  });

  it('takes a clip in the place of sound and picture, and says what it lacks', async () => {
    const silent = await film(folder, 12, () => portrait(), { name: 'silent.mp4' });
    const { page, problems } = await open();
    await page.type('#fused-text', 'I am so happy');
    await add(page, 'audio', sound);
    await add(page, 'clip', silent);
    expect((await texts(page, '#chosen li')).join())
      .to.match(/silent\.mp4/)
      .and.not.match(/wav/);
    await send(page);
    expect((await texts(page, '.verdict .tag')).join(' ')).to.match(/missing: Voice \(.+\)/);
    expect(await texts(page, '.opinions dt')).to.deep.equal(['Text', 'Face']);
    expect(problems).to.deep.equal([]);
  });

  it('answers one part alone, takes a file away again, and asks for something to judge', async () => {
    const { page } = await open({ width: 360, height: 740 });
    await page.click('#send-fused');
    expect((await texts(page, '#problem'))[0]).to.match(/text or add a file/);
    await add(page, 'video', picture);
    await ((await page.$('#chosen button')) as ElementHandle).click();
    expect(await page.$$('#chosen li')).to.have.length(0);
    await page.type('#fused-text', 'so sad');
    await send(page);
    expect(await texts(page, '.opinions dt')).to.deep.equal(['Text']);
    expect((await texts(page, '.verdict .label'))[0]).to.equal('sad');
    expect((await texts(page, '.verdict .tag')).join(' ')).not.to.match(/agreement|missing/);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    expect(width).to.be.at.most(360);
    await keepScreenshot(page, 'try-it-fused-telephone');
  });

  it('says what is wrong with a file', async () => {
    const { page } = await open();
    const bad = join(folder, 'bad.mp4');
    writeFileSync(bad, 'this is no film');
    await add(page, 'clip', bad);
    await send(page);
    await page.waitForSelector('#problem:not([hidden])');
    expect((await texts(page, '#problem'))[0]).not.to.equal('');
  });
});
