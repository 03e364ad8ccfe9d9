import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Browser, Page } from 'puppeteer-core';
import { encodePng } from '../../lib/video/annotate';
import { NodeRed } from '../flows/node-red';
import { scratchFolder } from '../media/fixtures';
import { drawFaces } from '../video/drawn-face';
import { film, portrait } from '../video/face-files';
import { closePages, keepScreenshot, openChromium, openPage } from './chromium';

describe('the try-it page, for faces', function () {
  this.timeout(300_000);
  const folder = scratchFolder();
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

  async function open() {
    const opened = await openPage(browser);
    await opened.page.goto(`${nodeRed.url}/emotion#video`, { waitUntil: 'networkidle0' });
    return opened;
  }

  async function choose(page: Page, path: string): Promise<void> {
    const input = (await page.$('#picture-file')) as unknown as {
      uploadFile(path: string): Promise<void>;
    };
    await input.uploadFile(path);
    await page.waitForSelector('.result');
    await page.waitForFunction("document.getElementById('video-state').textContent === ''");
  }

  const text = (page: Page, selector: string): Promise<string> =>
    page.$eval(selector, (element) => (element as unknown as { textContent: string }).textContent);

  /** Red, green and blue of a point of the picture with its overlay. */
  const point = (page: Page, x: number, y: number): Promise<number[]> =>
    page.$eval(
      '#overlay',
      (element, at) => {
        const canvas = element as unknown as {
          getContext(kind: string): {
            getImageData(...box: number[]): { data: Uint8ClampedArray };
          };
        };
        return [...canvas.getContext('2d').getImageData(at[0]!, at[1]!, 1, 1).data].slice(0, 3);
      },
      [x, y],
    );

  it('draws box, landmarks and label over a picture', async () => {
    const path = join(folder, 'face.png');
    const drawn = portrait(320, 260, { mouth: 0.9, size: 80 });
    writeFileSync(path, encodePng(drawn));
    const { page, problems } = await open();
    await choose(page, path);
    expect(await text(page, '.verdict .label')).to.equal('surprise');
    expect(await point(page, 4, 4)).to.deep.equal([...drawn.data.subarray(0, 3)]);
    // Somewhere on the way down at the left of the face the box is crossed.
    const row = await Promise.all(Array.from({ length: 90 }, (_, x) => point(page, 70 + x, 130)));
    const before = Array.from({ length: 90 }, (_, x) => drawn.data[(130 * 320 + 70 + x) * 3]!);
    expect(row.some(([red = 0], x) => Math.abs(red - before[x]!) > 30)).to.equal(true);
    expect(await page.$$('.face-line')).to.have.length(0);
    await keepScreenshot(page, 'try-it-face');
    expect(problems).to.deep.equal([]);
  });

  it('says that there is nobody', async () => {
    const path = join(folder, 'empty.png');
    writeFileSync(path, encodePng(drawFaces(160, 120, [])));
    const { page, problems } = await open();
    await choose(page, path);
    expect(await text(page, '.verdict')).to.equal('There is no face here.');
    expect(problems).to.deep.equal([]);
  });

  it('has a time line for each face of a film', async () => {
    const path = await film(folder, 30, (i) => portrait(240, 200, { mouth: i < 15 ? 0 : 0.9 }), {
      name: 'mood.webm',
      arguments: ['-c:v', 'libvpx', '-b:v', '1M'],
    });
    const { page, problems } = await open();
    await choose(page, path);
    await page.waitForSelector('.face-line');
    expect(await page.$$('.face-line')).to.have.length(1);
    const moods = await page.$$eval('.face-line button', (blocks) =>
      (blocks as unknown as { textContent: string }[]).map(({ textContent }) => textContent),
    );
    expect(moods).to.include('surprise');
    expect(problems).to.deep.equal([]);
  });

  it('looks through the camera until it is stopped', async () => {
    const { page, problems } = await open();
    await page.click('#camera');
    await page.waitForSelector('.result');
    expect(await text(page, '#camera')).to.equal('Stop the camera');
    await page.click('#camera');
    expect(await text(page, '#camera')).to.equal('Use the camera');
    expect(problems).to.deep.equal([]);
  });
});
