import { expect } from 'chai';
import type { Emotion } from '../../lib/emotion/labels';
import {
  BRIEFING_NEGATIVE,
  briefingEntries,
  makeBriefing,
  type BriefingOptions,
} from '../../lib/opinion/briefing';
import { briefingCsv, briefingHtml, briefingMarkdown } from '../../lib/opinion/briefing-formats';
import { toRow, type Post } from '../../lib/opinion/post';
import { median, shareZ, theilSen, wilsonInterval } from '../../lib/opinion/statistics';
import { markedWords, WordCounts } from '../../lib/opinion/word-statistics';
import { intlCutter } from '../../lib/text/segment';
import { HOUR, MONDAY, post } from './days';

const options: BriefingOptions = {
  title: '每日简报',
  negative: BRIEFING_NEGATIVE,
  words: 10,
  examples: 3,
  sources: 5,
  cutter: intlCutter(),
};

let serial = 0;
function posts(
  count: number,
  label: Emotion,
  text: string,
  more: Partial<Post> & { uncertain?: boolean } = {},
) {
  return Array.from({ length: count }, (_, at) => {
    serial += 1;
    return post(`b${serial}`, MONDAY + (at % 24) * HOUR, label, {
      text: `${text} 第${serial}号`,
      ...more,
    });
  });
}

const day = [
  ...posts(60, 'angry', '地铁票价又涨了，愤怒', { source: 'weibo' }),
  ...posts(30, 'happy', '公园里樱花开了，周末去赏花', { source: 'weibo' }),
  ...posts(90, 'neutral', '今日发布会介绍了时间安排', { source: 'news' }),
  ...posts(10, 'happy', 'Lovely cherry blossoms in the park', { source: 'twitter' }),
  ...posts(20, 'angry', '说不清楚的事情', { source: 'news', uncertain: true }),
];
const before = [
  ...posts(10, 'angry', '食堂饭菜太咸', { source: 'weibo' }),
  ...posts(90, 'neutral', '今日发布会介绍了时间安排', { source: 'news' }),
];

const brief = (list: unknown, more: Partial<BriefingOptions> = {}) =>
  makeBriefing(briefingEntries(list), { ...options, ...more });

describe('a briefing', () => {
  it('counts what is certain and tells what is not', async () => {
    const { posts: all, certain, uncertain, emotions, negative } = await brief(day);
    expect([all, certain, uncertain]).to.deep.equal([210, 190, 20]);
    const neutral = emotions.find(({ emotion }) => emotion === 'neutral')!;
    expect(neutral).to.include({ posts: 90, share: 0.4737 });
    expect(emotions[0]).to.equal(neutral);
    expect(negative).to.include({ posts: 60, share: 0.3158 });
    expect([negative.low, negative.high]).to.deep.equal([0.2539, 0.385]);
    expect(emotions.reduce((sum, { share }) => sum + share, 0)).to.be.closeTo(1, 1e-3);
  });

  it('compares with the time before', async () => {
    const {
      negative,
      emotions,
      before: earlier,
    } = await brief(day, { before: briefingEntries(before) });
    expect(earlier).to.equal(100);
    expect(negative).to.include({ before: 0.1, changed: true });
    const same = await brief(before, { before: briefingEntries(before) });
    expect(same.negative.changed).to.equal(false);
    expect(emotions.find(({ emotion }) => emotion === 'fear')).to.include({ share: 0, before: 0 });
  });

  it('weighs posts as they are weighted, with wider intervals', async () => {
    const flood = [
      ...posts(50, 'happy', 'a'),
      ...posts(1, 'angry', 'b', { weight: 1 }),
      ...posts(99, 'angry', 'b', { weight: 0 }),
    ];
    const { negative } = await brief(flood);
    expect(negative).to.include({ posts: 100, weight: 1, share: 0.0196 });
  });

  it('finds the words of each emotion and those that rise', async () => {
    const { words, rising } = await brief(day, { before: briefingEntries(before) });
    expect(words.angry!.map(({ word }) => word)).to.include('地铁');
    expect(words.happy!.map(({ word }) => word))
      .to.include('樱花')
      .and.to.include('park');
    expect(words.happy!.map(({ word }) => word)).not.to.include('地铁');
    for (const { z } of words.angry!) expect(z).to.be.above(0);
    const risen = rising.map(({ word }) => word);
    expect(risen).to.include('地铁').and.to.include('樱花');
    expect(risen).not.to.include('发布会').and.not.to.include('the');
  });

  it('compares sources', async () => {
    const { sources } = await brief(day);
    expect(sources.map(({ source, total }) => [source, total])).to.deep.equal([
      ['news', 110],
      ['weibo', 90],
      ['twitter', 10],
    ]);
    expect(sources[1]).to.include({ share: 0.6667, differs: true });
  });

  it('gives examples, of what is the same one', async () => {
    const same = posts(40, 'angry', 'x').map((one) => ({ ...one, text: '转发：票价又涨了' }));
    const { examples } = await brief([...same, ...posts(2, 'angry', '另一件事情也很气人')]);
    expect(examples.angry!.map(({ count }) => count)).to.deep.equal([40, 1, 1]);
    expect(examples).to.have.all.keys('angry');
  });

  it('reads rows of a database as it reads posts', async () => {
    const rows = day.map((one) => {
      const row = toRow(one);
      return { ...row, scores: JSON.stringify(row.scores), words: JSON.stringify(row.words) };
    });
    expect(await brief(rows)).to.deep.equal(await brief(day));
    const text = rows.map((row) => ({
      ...row,
      time: String(row.time),
      uncertain: String(row.uncertain),
    }));
    expect(await brief(text)).to.deep.equal(await brief(day));
  });

  it('is made of nothing too', async () => {
    const empty = await brief([]);
    expect(empty).to.include({ posts: 0, certain: 0 });
    expect(briefingHtml(empty, 'en')).to.contain('There are no posts');
    expect(briefingMarkdown(empty, 'zh')).to.contain('没有帖子');
    expect(briefingCsv(empty, 'zh')).to.match(/^\ufeff部分,/);
    const unsure = await brief(posts(5, 'sad', 'x', { uncertain: true }));
    expect(unsure.negative).to.include({ share: 0, low: 0, high: 1 });
  });

  it('is refused for what is no post and for too many', () => {
    for (const value of [undefined, 7, [null], [{ label: 'happy' }]]) {
      expect(() => briefingEntries(value)).to.throw('Not a post');
    }
    expect(() => briefingEntries(Array(200_001).fill(day[0]))).to.throw('at most 200000');
  });
});

describe('a briefing as a file', () => {
  const hostile =
    '<img src=x onerror=alert(1)> [x](javascript:alert(1)) | =HYPERLINK("http://evil") `code` **b**';
  const made = brief(
    [
      ...day,
      ...posts(3, 'disgust', hostile, {
        source: '=cmd|x',
        author: '<b>',
        url: 'https://example.com/?a=1&b=2',
      }),
    ],
    { before: briefingEntries(before), title: '<script>简报</script>' },
  );

  for (const locale of ['zh', 'en'] as const) {
    it(`runs nothing that a post holds, in ${locale}`, async () => {
      const html = briefingHtml(await made, locale, 'UTC');
      expect(html).not.to.match(/<(?:script|img|b>)(?!.*<\/b>)/);
      expect(
        html.match(/<[a-z]+/g)!.filter((tag) => /^<(?:script|img|iframe)/.test(tag)),
      ).to.deep.equal([]);
      expect(html).to.contain('&lt;img src=x onerror').and.to.contain("default-src 'none'");
      expect(html.match(/href="[^"]*"/g)).to.satisfy((links: string[]) =>
        links.every((link) => link.startsWith('href="https://')),
      );

      const markdown = briefingMarkdown(await made, locale, 'UTC');
      expect(markdown).to.contain('\\<img').and.to.contain('\\[x\\]');
      for (const line of markdown.split('\n').filter((one) => one.startsWith('|'))) {
        expect(line.replaceAll('\\|', '').split('|').length).to.be.within(7, 7);
      }

      const rows = briefingCsv(await made, locale).split('\r\n');
      for (const line of rows) expect(line.replace(/^\ufeff/, '')).not.to.match(/(?:^|,)"?[=+@]/);
      expect(rows.some((line) => line.includes("'=cmd|x"))).to.equal(true);
    });
  }

  it('says the same in both languages', async () => {
    expect(briefingHtml(await made, 'zh'))
      .to.contain('愤怒')
      .and.to.contain('来源对比');
    expect(briefingHtml(await made, 'en'))
      .to.contain('angry')
      .and.to.contain('Sources');
  });
});

describe('statistics', () => {
  it('agree with published values', () => {
    // Newcombe, Statistics in Medicine 17 (1998), table I: 81/263, 15/148, 0/20.
    for (const [successes, trials, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
    ] as const) {
      const interval = wilsonInterval(successes, trials);
      expect(interval.low).to.be.closeTo(low, 1e-4);
      expect(interval.high).to.be.closeTo(high, 1e-4);
    }
    expect(wilsonInterval(0, 0)).to.deep.equal({ low: 0, high: 1 });
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).to.deep.equal([2, 2.5]);
    expect(theilSen([1, 3, 5, 100, 9])).to.deep.equal({ slope: 2, intercept: 1 });
    expect(shareZ(20, 100, 0.2)).to.be.closeTo(0, 0.05);
    expect(shareZ(32, 100, 0.2)).to.be.closeTo(3, 0.3);
  });

  it('mark words by log-odds and not by number', () => {
    const own = new WordCounts();
    const other = new WordCounts();
    const fill = (counts: WordCounts, words: Record<string, number>) => {
      for (const [word, count] of Object.entries(words)) counts.add([word], count);
    };
    for (let at = 0; at < 100; at += 1) {
      fill(own, { [`usual ${at}`]: 50 });
      fill(other, { [`usual ${at}`]: 50 });
    }
    fill(own, { common: 500, marked: 40, once: 1 });
    fill(other, { common: 500, marked: 2, elsewhere: 60 });
    const marked = markedWords(own, other, WordCounts.sum([own, other]), 5);
    expect(marked[0]).to.include({ word: 'marked', count: 40, other: 2 });
    expect(marked[0]!.z).to.be.above(3);
    expect(marked.map(({ word }) => word))
      .not.to.include('once')
      .and.not.to.include('elsewhere');
  });
});
