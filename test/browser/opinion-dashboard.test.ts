import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { MqttClient } from 'mqtt';
import type { Browser, Page } from 'puppeteer-core';
import { NodeRed } from '../flows/node-red';
import { until } from '../media/fixtures';
import { CLASSES, connect, madeUpPosts, OpinionDatabase, publish } from '../flows/opinion';
import { closePages, keepScreenshot, openChromium, openPage } from './chromium';

interface PageElement {
  textContent: string | null;
  dataset: Record<string, string>;
}

const HOSTILE = '<img src=x onerror="globalThis.hit=1"> happy {{ 1 + 1 }} <script>hit=1</script>';

describe('the public-opinion dashboard', function () {
  this.timeout(300_000);
  let nodeRed: NodeRed;
  let database: OpinionDatabase;
  let client: MqttClient;
  let browser: Browser;
  before(async () => {
    [nodeRed, browser] = await Promise.all([NodeRed.start(), openChromium()]);
    database = await OpinionDatabase.open(nodeRed);
    client = await connect(nodeRed.mqttPort);
    const posts = madeUpPosts(500);
    await publish(client, posts.slice(0, 300), 'transit');
    await publish(client, posts.slice(300), 'park');
    await database.reaches(500, () => nodeRed.log);
  });
  afterEach(() => closePages(browser));
  after(async () => {
    await client.endAsync(true);
    await browser.close();
    database.close();
    await nodeRed.stop();
  });

  async function open(size?: { width: number; height: number }, path = 'opinion') {
    const opened = await openPage(browser, size);
    await opened.page.goto(`${nodeRed.url}/dashboard/${path}`);
    await opened.page.waitForSelector(path === 'opinion' ? '.op-timeline' : '.op-head');
    return opened;
  }

  /** A member of `data-…` of each element, as a number. */
  const figures = (page: Page, selector: string, member: string): Promise<number[]> =>
    page.$$eval(
      selector,
      (elements, name) =>
        (elements as unknown as PageElement[]).map(({ dataset }) => Number(dataset[name])),
      member,
    );
  /** When each bar begins and how many posts it stands for, of one moment: bars move on with the time. */
  const bars = (page: Page): Promise<{ starts: number[]; counts: number[] }> =>
    page.$$eval('.op-hit', (elements) => {
      const data = (elements as unknown as PageElement[]).map(({ dataset }) => dataset);
      return {
        starts: data.map(({ at }) => Number(at)),
        counts: data.map(({ posts }) => Number(posts)),
      };
    });
  const texts = (page: Page, selector: string): Promise<string[]> =>
    page.$$eval(selector, (elements) =>
      (elements as unknown as PageElement[]).map(({ textContent }) => (textContent ?? '').trim()),
    );
  const period = async (page: Page): Promise<[number, number]> => [
    (await figures(page, '.op-timeline', 'from'))[0]!,
    (await figures(page, '.op-timeline', 'to'))[0]!,
  ];
  /** Until the page shows so many posts: new ones come to it by themselves. */
  const shows = (page: Page, posts: number) =>
    page.waitForFunction(`document.querySelector('[data-op=total]')?.dataset.value === '${posts}'`);
  const within = (from: number, to: number, more = '') =>
    database.count(
      `SELECT count(*) AS n FROM posts WHERE time >= ? AND time < ? ${more}`,
      from,
      to,
    );

  it('shows the numbers that are in the database', async () => {
    const { page, problems } = await open();
    await shows(page, 500);
    const [from, to] = await period(page);
    expect(within(from, to)).to.equal(500);

    const legend = await figures(page, '.op-legend [data-class]', 'posts');
    expect(legend).to.deep.equal(CLASSES.map((name) => within(from, to, `AND class = '${name}'`)));
    expect(within(from, to, "AND class = 'uncertain'")).to.be.above(0);

    const { starts, counts } = await bars(page);
    const width = starts[1]! - starts[0]!;
    expect(starts).to.have.length(48);
    expect(counts).to.deep.equal(starts.map((start) => within(start, start + width)));

    const negative = within(from, to, "AND class IN ('sad', 'angry', 'fear', 'disgust')");
    const [shown] = await figures(page, '[data-op=negative]', 'value');
    const certain = within(from, to, "AND class <> 'uncertain'");
    expect(shown).to.be.closeTo(negative / certain, 1e-9);

    const newest = database.rows('SELECT id FROM posts ORDER BY time DESC, id DESC LIMIT 50');
    const listed = await page.$$eval('.op-post', (posts) =>
      (posts as unknown as PageElement[]).map(({ dataset }) => dataset['id']),
    );
    expect(listed).to.deep.equal(newest.map(({ id }) => id));
    await keepScreenshot(page, 'opinion-overview');
    expect(problems).to.deep.equal([]);
  });

  it('opens the posts behind a bar, and more of them', async () => {
    const { page, problems } = await open();
    await shows(page, 500);
    const { starts, counts } = await bars(page);
    const fullest = counts.indexOf(Math.max(...counts));
    await page.click(`.op-hit[data-bar="${fullest}"]`);
    await page.waitForSelector('[data-op=selection]');
    const expected = database.rows(
      'SELECT id FROM posts WHERE time >= ? AND time < ? ORDER BY time DESC, id DESC',
      starts[fullest],
      starts[fullest]! + starts[1]! - starts[0]!,
    );
    await page.waitForFunction(
      `document.querySelectorAll('.op-post').length === ${expected.length}`,
    );
    await page.click('[data-op=selection]');
    await page.waitForFunction("document.querySelectorAll('.op-post').length === 50");
    await page.$eval('.op-more', (button) => (button as unknown as { click(): void }).click());
    await page.waitForFunction("document.querySelectorAll('.op-post').length === 100");
    expect(problems).to.deep.equal([]);
  });

  it('filters for each browser on its own', async () => {
    const [first, second] = await Promise.all([open(), open()]);
    await shows(first.page, 500);
    await shows(second.page, 500);
    await first.page.select('[data-op=topic]', 'park');
    await second.page.click('.op-legend [data-class=happy]');
    await shows(first.page, 200);
    const happy = database.count("SELECT count(*) AS n FROM posts WHERE class = 'happy'");
    await shows(second.page, happy);
    await second.page.waitForFunction(
      "[...document.querySelectorAll('.op-post .op-label')].every((label) => label.classList.contains('happy'))",
    );
    await first.page.click('[data-source=forum]');
    const both = "SELECT count(*) AS n FROM posts WHERE topic = 'park' AND source = 'forum'";
    await shows(first.page, database.count(both));
    await first.page.click('[data-op=clear]');
    await first.page.select('[data-op=language]', 'zh');
    await shows(
      first.page,
      database.count("SELECT count(*) AS n FROM posts WHERE language = 'zh'"),
    );
    expect([...first.problems, ...second.problems]).to.deep.equal([]);
  });

  it('shows a post as it comes, and as text whatever it holds', async () => {
    const { page, problems } = await open();
    await shows(page, 500);
    const hostile = { text: HOSTILE, source: HOSTILE, url: 'javascript:hit=1', id: HOSTILE };
    await publish(client, [hostile], '<b>hostile');
    await shows(page, 501);
    expect((await texts(page, '.op-text'))[0]).to.equal(HOSTILE);
    expect((await texts(page, '.op-source .name')).at(-1)).to.equal(HOSTILE);
    expect(await page.$$('.op img, .op script, .op b b, .op a[href^=javascript]')).to.have.length(
      0,
    );
    expect(await page.evaluate(() => (globalThis as { hit?: number }).hit)).to.equal(undefined);
    expect(problems).to.deep.equal([]);
  });

  it('groups what repeats, and shows who repeats it', async () => {
    const { page, problems } = await open();
    await shows(page, database.count());
    const known = database.count();
    const text = 'The lift of the station is out of order again, everybody carries a pram upstairs';
    await publish(client, [
      { text, source: 'first' },
      { text: `${text}!`, source: 'second' },
    ]);
    await publish(client, [{ text: `RT ${text}`, source: 'third' }], 'park');
    await database.reaches(known + 3, () => nodeRed.log);
    await page.waitForSelector('[data-op=alike][data-posts="3"]');
    await page.click('[data-op=alike]');
    await page.waitForFunction("document.querySelectorAll('.op-post').length === 3");
    const grouped = database.rows(
      'SELECT id FROM posts WHERE duplicate_group IN (SELECT duplicate_group FROM posts WHERE source = ?) ORDER BY time DESC, id DESC',
      'second',
    );
    const listed = await page.$$eval('.op-post', (posts) =>
      (posts as unknown as PageElement[]).map(({ dataset }) => dataset['id']),
    );
    expect(listed).to.deep.equal(grouped.map(({ id }) => id));
    await page.click('[data-op=selection]');
    await page.waitForFunction("document.querySelectorAll('.op-post').length === 50");
    expect(problems).to.deep.equal([]);
  });

  it('edits the rules of the topics, and says what is wrong with one', async () => {
    const { page, problems } = await open(undefined, 'opinion-topics');
    const before = database.count('SELECT count(*) AS n FROM topics');
    const listed = (count: number) =>
      page.waitForFunction(`document.querySelectorAll('tbody tr').length === ${count}`);
    await listed(before);
    await page.type('[data-op=name]', 'Tables');
    await page.type('[data-op=rule]', '(table OR');
    await page.click('[data-op=save]');
    await page.waitForSelector('.op-problem');
    await page.type('[data-op=rule]', ' 桌子) NOT chair');
    await page.click('[data-op=save]');
    await listed(before + 1);
    expect(await page.$('.op-problem')).to.equal(null);
    const known = database.count();
    await publish(client, [{ text: 'a new table' }, { text: '桌子' }, { text: 'table and chair' }]);
    await database.reaches(known + 3, () => nodeRed.log);
    const matched =
      "SELECT count(*) AS n FROM post_topics JOIN topics ON topics.id = topic WHERE name = 'Tables'";
    expect(database.count(matched)).to.equal(2);
    await keepScreenshot(page, 'opinion-topics');
    await page.click('tbody tr:last-child [data-op=delete]');
    await page.click('tbody tr:last-child [data-op=delete]');
    await listed(before);
    expect(database.count(matched)).to.equal(0);
    expect(problems).to.deep.equal([]);
  });

  it('analyses a file: column, progress, download', async () => {
    const { page, problems } = await open(undefined, 'opinion-batch');
    const file = join(nodeRed.userDir, 'texts.csv');
    const lines = Array.from({ length: 300 }, (_, index) => `${index},"so happy, ${index}"`);
    await writeFile(file, `number,说\n${lines.join('\n')}\n`);
    const input = (await page.$('[data-op=file]')) as unknown as {
      uploadFile(path: string): Promise<void>;
    };
    await input.uploadFile(file);
    await page.waitForSelector('[data-op=start]');
    expect((await texts(page, '.op-preview tbody tr')).length).to.be.above(0);
    await page.select('[data-op=column]', '说');
    // The answer to the upload comes when the file has been analysed already: what it says is old then.
    await page.evaluate(`{
      const sent = globalThis.fetch;
      globalThis.fetch = async (address, options) => {
        const answer = await sent(address, options);
        const done = () => document.querySelector('.op-job[data-state=done]');
        while (String(address).includes('action=start') && !done())
          await new Promise((later) => setTimeout(later, 20));
        return answer;
      };
    }`);
    await page.click('[data-op=start]');
    await page.waitForFunction("!document.querySelector('.op-preview')");
    await page.waitForSelector('.op-job[data-state=done]');
    expect(await figures(page, '[data-op=rows]', 'rows')).to.deep.equal([300]);
    await keepScreenshot(page, 'opinion-batch');
    const href = await page.$eval('[data-op=download]', (link) => (link as unknown as { href: string }).href); // prettier-ignore
    const result = await (await fetch(href)).text();
    expect(result.trim().split('\n')).to.have.length(301);
    expect(result).to.match(/number,说,emotion,/);
    expect(problems).to.deep.equal([]);
  });

  it('writes a briefing, in which a post is text', async () => {
    const { page, problems } = await open(undefined, 'opinion-briefing');
    await page.waitForSelector('.op-segments');
    await page.click('[data-period=week]');
    await page.waitForSelector('.op-briefing');
    const html = await page.$eval('.op-briefing', (frame) => (frame as unknown as { srcdoc: string }).srcdoc); // prettier-ignore
    expect(html).to.contain(String(database.count()));
    expect(html).not.to.match(/<img|<script/);
    await keepScreenshot(page, 'opinion-briefing');
    expect(problems).to.deep.equal([]);
  });

  it('shows an alert within a minute of the replayed feed, and sends it by MQTT', async () => {
    const { page, problems } = await open();
    const { flows } = await nodeRed.flows();
    const buttons = flows as { id: string; type: string; props?: { p: string; v?: string }[] }[];
    const button = buttons.find(({ props }) =>
      props?.some(({ p, v }) => p === 'speed' && v === '720'),
    );
    const told: { topic: string; kind: string; time: number }[] = [];
    client.on('message', (_topic, payload) =>
      told.push(JSON.parse(payload.toString()) as (typeof told)[0]),
    );
    await client.subscribeAsync('opinion/alerts/transit', { qos: 1 });
    const begins = Date.now() - 24 * 3_600_000;
    // Twenty times as fast as the button, which is the first that a newcomer presses.
    const props = [{ p: 'speed', v: '14400', vt: 'num' }];
    await fetch(`${nodeRed.url}/inject/${button!.id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ __user_inject_props__: props }),
    });
    await page.waitForFunction(
      "Number(document.querySelector('[data-op=alerts]')?.textContent) > 0",
      { timeout: 120_000 },
    );
    await page.waitForSelector('.op-alerts b');
    expect((await texts(page, '.op-alerts b')).join(' ')).to.contain('transit');
    const [row] = database.rows("SELECT * FROM alerts WHERE topic = 'transit' ORDER BY time");
    expect(row).to.include({ kind: 'volume', acknowledged: 0 });
    expect(JSON.parse(row!['evidence'] as string)).to.have.length.above(2);
    const minute = ((row!['time'] as number) - begins) / 60_000;
    expect(minute, 'minutes of the day, of which 720 pass in a minute').to.be.within(480, 720);
    await until(() => told.length > 0, 'the alert by MQTT');
    expect(told[0]).to.include({ topic: 'transit', kind: 'volume', time: row!['time'] });
    expect(problems).to.deep.equal([]);
  });

  it('speaks both languages, by day and by night, on a telephone', async () => {
    const { page, problems } = await open({ width: 360, height: 740 });
    const title = await texts(page, 'h1');
    await page.click('[data-op=locale]');
    expect(await texts(page, 'h1')).not.to.deep.equal(title);
    const background = () =>
      page.$eval('.op-card', (card) => {
        const page = globalThis as unknown as {
          getComputedStyle(element: unknown): { backgroundColor: string };
        };
        return page.getComputedStyle(card).backgroundColor;
      });
    const light = await background();
    await page.click('[data-op=theme]');
    expect(await background()).not.to.equal(light);
    await page.reload();
    await page.waitForSelector('.op-timeline');
    expect(await background()).not.to.equal(light);
    expect(await texts(page, 'h1')).not.to.deep.equal(title);
    expect(await page.evaluate('document.documentElement.scrollWidth')).to.be.at.most(360);
    const widest = await page.evaluate(
      "Math.max(...[...document.querySelectorAll('.op *')].map((e) => e.getBoundingClientRect().right))",
    );
    expect(widest).to.be.at.most(362);
    await keepScreenshot(page, 'opinion-telephone');
    expect(problems).to.deep.equal([]);
  });
});
