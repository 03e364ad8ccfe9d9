import { EMOTION_NAMES, EMOTIONS, type Emotion, type Locale } from '../emotion/labels';
import type { Briefing, BriefingPost, Share } from './briefing';
import { csvFile, escapeHtml, escapeMarkdown, oneLine } from './escape';

const WORDS = {
  en: {
    period: 'Period',
    posts: 'Posts',
    certain: 'with a certain emotion',
    uncertain: 'uncertain',
    before: 'before',
    emotions: 'Emotions',
    emotion: 'Emotion',
    count: 'Posts',
    weight: 'Weight',
    share: 'Share',
    interval: '95 % interval',
    earlier: 'Before',
    negative: 'Negative',
    rising: 'Rising words',
    cloud: 'Words of each emotion',
    word: 'Word',
    sources: 'Sources',
    source: 'Source',
    negativeShare: 'Negative share',
    differs: 'differs from the others',
    examples: 'Posts',
    volume: 'Posts an hour',
    none: 'There are no posts in this period.',
    note: 'Shares are of the posts whose emotion the model is sure of; uncertain posts are not counted as neutral.',
    section: 'section',
    name: 'name',
    low: 'low',
    high: 'high',
    z: 'z',
    text: 'text',
    time: 'time',
    score: 'score',
    changed: '*',
  },
  zh: {
    period: '时段',
    posts: '帖子',
    certain: '情绪明确',
    uncertain: '不确定',
    before: '之前',
    emotions: '情绪分布',
    emotion: '情绪',
    count: '条数',
    weight: '权重',
    share: '占比',
    interval: '95 % 区间',
    earlier: '之前',
    negative: '负面',
    rising: '上升词',
    cloud: '各情绪的特征词',
    word: '词',
    sources: '来源对比',
    source: '来源',
    negativeShare: '负面占比',
    differs: '与其他来源不同',
    examples: '代表帖子',
    volume: '每小时帖数',
    none: '此时段没有帖子。',
    note: '占比只计模型有把握的帖子；不确定的帖子不算作中性。',
    section: '部分',
    name: '名称',
    low: '下限',
    high: '上限',
    z: 'z',
    text: '正文',
    time: '时间',
    score: '分数',
    changed: '*',
  },
} as const;

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
const interval = ({ low, high }: Share) => `${percent(low)} – ${percent(high)}`;

function nameOf(emotion: Emotion, locale: Locale): string {
  return EMOTION_NAMES[locale][emotion];
}

function clock(locale: Locale, timeZone?: string): (time: number) => string {
  const format = new Intl.DateTimeFormat(locale === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
    ...(timeZone && { timeZone }),
  });
  return (time) => format.format(time);
}

/** `12.0 % (before 8.0 %*)`: the star where the change is more than chance. */
function changeOf({ before, changed }: Share): string {
  return before === undefined ? '' : `${percent(before)}${changed ? ' *' : ''}`;
}

const STYLE = `body{font:15px/1.5 system-ui,"PingFang SC","Microsoft YaHei",sans-serif;max-width:52em;margin:1em auto;padding:0 1em;color:#222;background:#fff}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:1.6em}table{border-collapse:collapse;width:100%}td,th{padding:.25em .5em;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}
.bar{display:inline-block;height:.7em;background:#b5566b;min-width:1px}.n{text-align:right;white-space:nowrap}th:nth-child(n+3){text-align:right}.w{display:inline-block;margin:.1em .35em}blockquote{margin:.4em 0;padding:.1em .8em;border-left:3px solid #b5566b;overflow-wrap:anywhere}small{color:#666}
@media(max-width:520px){table{font-size:.8em}td,th{padding:.25em .2em}td:first-child{min-width:3em}.bar{font-size:.4em;height:1.7em}}
@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}td,th{border-color:#444}small{color:#aaa}}`;

/**
 * A briefing as a page that needs nothing else: no script, no font, no picture from anywhere. Every
 * word that a stranger wrote is escaped; links are http or https.
 */
export function briefingHtml(briefing: Briefing, locale: Locale, timeZone?: string): string {
  const t = WORDS[locale];
  const time = clock(locale, timeZone);
  const e = escapeHtml;
  const title = e(oneLine(briefing.title));
  const row = (cells: readonly string[]) => `<tr>${cells.join('')}</tr>`;
  const cell = (text: string, className = '') =>
    `<td${className && ` class="${className}"`}>${text}</td>`;
  const head = (names: readonly string[]) => row(names.map((name) => `<th>${e(name)}</th>`));
  const share = (name: string, one: Share) =>
    row([
      cell(e(name)),
      cell(`<span class="bar" style="width:${(one.share * 8).toFixed(2)}em"></span>`),
      cell(percent(one.share), 'n'),
      cell(interval(one), 'n'),
      cell(String(one.posts), 'n'),
      cell(changeOf(one), 'n'),
    ]);
  const example = ({ text, source, author, url, time: at, score, count }: BriefingPost) => {
    const by = e([source, author, time(at)].filter(Boolean).join(' · '));
    const link = url === undefined ? by : `<a href="${e(url)}" rel="noreferrer nofollow">${by}</a>`;
    const times = count > 1 ? ` · ×${count}` : '';
    return `<blockquote>${e(text)}<br><small>${link} · ${score.toFixed(2)}${times}</small></blockquote>`;
  };
  const cloud = EMOTIONS.filter((emotion) => briefing.words[emotion]?.length).map((emotion) => {
    const words = briefing.words[emotion]!;
    const most = Math.max(...words.map(({ z }) => z));
    const spans = words.map(
      ({ word, z }) =>
        `<span class="w" style="font-size:${(0.8 + (0.9 * z) / most).toFixed(2)}em">${e(word)}</span>`,
    );
    return `<p><b>${e(nameOf(emotion, locale))}</b> ${spans.join(' ')}</p>`;
  });
  const peak = Math.max(1, ...briefing.hours.map(({ posts }) => posts));
  const hours = briefing.hours.map(({ time: at, posts, negative }) =>
    row([
      cell(e(time(at))),
      cell(`<span class="bar" style="width:${((posts / peak) * 20).toFixed(2)}em"></span>`),
      cell(String(posts), 'n'),
      cell(String(negative), 'n'),
    ]),
  );
  const parts = [
    `<p>${e(overview(briefing, locale, time))}</p>`,
    ...(briefing.posts === 0
      ? [`<p>${e(t.none)}</p>`]
      : [
          `<h2>${e(t.emotions)}</h2><table>${head([t.emotion, '', t.share, t.interval, t.count, t.earlier])}`,
          ...briefing.emotions.map((one) => share(nameOf(one.emotion, locale), one)),
          share(t.negative, briefing.negative),
          `</table><p><small>${e(t.note)}</small></p>`,
          `<h2>${e(t.volume)}</h2><table>${head([t.time, '', t.posts, t.negative])}${hours.join('')}</table>`,
          `<h2>${e(t.rising)}</h2><p>${briefing.rising.map(({ word, count }) => `<span class="w">${e(word)} <small>${count}</small></span>`).join(' ')}</p>`,
          `<h2>${e(t.cloud)}</h2>${cloud.join('')}`,
          `<h2>${e(t.sources)}</h2><table>${head([t.source, '', t.negativeShare, t.interval, t.posts, ''])}`,
          ...briefing.sources.map((one) =>
            row([
              cell(e(one.source)),
              cell(`<span class="bar" style="width:${(one.share * 8).toFixed(2)}em"></span>`),
              cell(percent(one.share), 'n'),
              cell(interval(one), 'n'),
              cell(String(one.total), 'n'),
              cell(one.differs ? e(t.differs) : ''),
            ]),
          ),
          `</table><h2>${e(t.examples)}</h2>`,
          ...EMOTIONS.flatMap((emotion) => {
            const examples = briefing.examples[emotion] ?? [];
            if (examples.length === 0) return [];
            return [`<p><b>${e(nameOf(emotion, locale))}</b></p>`, ...examples.map(example)];
          }),
        ]),
  ];
  return `<!DOCTYPE html>
<html lang="${locale}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>${title}</title><style>${STYLE}</style></head>
<body><h1>${title}</h1>
${parts.join('\n')}
</body></html>
`;
}

function overview(briefing: Briefing, locale: Locale, time: (at: number) => string): string {
  const t = WORDS[locale];
  const { posts, certain, uncertain, before, from, to } = briefing;
  const [colon, comma] = locale === 'zh' ? ['：', '，'] : [': ', ', '];
  const parts = [
    ...(posts > 0 ? [`${t.period}${colon}${time(from)} – ${time(to)}`] : []),
    `${t.posts}${colon}${posts}`,
    `${t.certain} ${certain}`,
    `${t.uncertain} ${uncertain}`,
    ...(before === undefined ? [] : [`${t.before} ${before}`]),
  ];
  return parts.join(comma);
}

/** The same in CommonMark with tables (GFM). Every word that a stranger wrote is escaped. */
export function briefingMarkdown(briefing: Briefing, locale: Locale, timeZone?: string): string {
  const t = WORDS[locale];
  const time = clock(locale, timeZone);
  const m = escapeMarkdown;
  const table = (names: readonly string[], rows: readonly (readonly string[])[]) => [
    `| ${names.join(' | ')} |`,
    `|${names.map(() => '---').join('|')}|`,
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    '',
  ];
  const share = (name: string, one: Share) => [
    m(name),
    percent(one.share),
    interval(one),
    String(one.posts),
    changeOf(one).replace('*', '\\*'),
  ];
  const example = ({ text, source, author, url, time: at, count }: BriefingPost) => {
    const by = m([source, author, time(at)].filter(Boolean).join(' · '));
    const link = url === undefined ? by : `[${by}](<${url.replaceAll('>', '%3E')}>)`;
    return [`> ${m(text)}`, `> — ${link}${count > 1 ? ` ×${count}` : ''}`, ''];
  };
  const lines = [`# ${m(briefing.title)}`, '', m(overview(briefing, locale, time)), ''];
  if (briefing.posts === 0) return [...lines, t.none, ''].join('\n');
  lines.push(
    `## ${t.emotions}`,
    '',
    ...table(
      [t.emotion, t.share, t.interval, t.count, t.earlier],
      [
        ...briefing.emotions.map((one) => share(nameOf(one.emotion, locale), one)),
        share(t.negative, briefing.negative),
      ],
    ),
    t.note,
    '',
    `## ${t.rising}`,
    '',
    briefing.rising.map(({ word, count }) => `${m(word)} (${count})`).join(', '),
    '',
    `## ${t.cloud}`,
    '',
    ...EMOTIONS.filter((emotion) => briefing.words[emotion]?.length).flatMap((emotion) => {
      const words = briefing.words[emotion]!.map(({ word }) => m(word)).join(', ');
      return [`- **${nameOf(emotion, locale)}** ${words}`];
    }),
    '',
    `## ${t.sources}`,
    '',
    ...table(
      [t.source, t.negativeShare, t.interval, t.posts, ''],
      briefing.sources.map((one) => [
        m(one.source),
        percent(one.share),
        interval(one),
        String(one.total),
        one.differs ? t.differs : '',
      ]),
    ),
    `## ${t.examples}`,
    '',
    ...EMOTIONS.flatMap((emotion) => {
      const examples = briefing.examples[emotion] ?? [];
      if (examples.length === 0) return [];
      return [`**${nameOf(emotion, locale)}**`, '', ...examples.flatMap(example)];
    }),
  );
  return lines.join('\n');
}

/** All figures as one table that a spreadsheet opens; cells that it would take for formulas are text. */
export function briefingCsv(briefing: Briefing, locale: Locale): string {
  const t = WORDS[locale];
  type Row = (string | number | null | undefined)[];
  const row = (section: string, name: string, one: Share, posts = one.posts): Row => [
    section,
    name,
    posts,
    one.weight,
    one.share,
    one.low,
    one.high,
    one.before,
    null,
    null,
  ];
  const empty: Row = [null, null, null, null, null, null];
  const rows: Row[] = [
    [t.section, t.name, t.count, t.weight, t.share, t.low, t.high, t.earlier, t.z, t.text],
    [t.posts, briefing.title, briefing.posts, briefing.weight, ...empty],
    [t.uncertain, '', briefing.uncertain, null, ...empty],
    ...briefing.emotions.map((one) => row(t.emotions, nameOf(one.emotion, locale), one)),
    row(t.emotions, t.negative, briefing.negative),
    ...briefing.sources.map((one) => row(t.sources, one.source, one, one.total)),
    ...briefing.rising.map(({ word, count, other, z }): Row => [
      t.rising,
      word,
      count,
      null,
      null,
      null,
      null,
      other,
      z,
      null,
    ]),
    ...EMOTIONS.flatMap((emotion) =>
      (briefing.words[emotion] ?? []).map(({ word, count, z }): Row => [
        `${t.word} ${nameOf(emotion, locale)}`,
        word,
        count,
        null,
        null,
        null,
        null,
        null,
        z,
        null,
      ]),
    ),
    ...briefing.hours.map(({ time, posts, negative }): Row => [
      t.volume,
      new Date(time).toISOString(),
      posts,
      null,
      posts > 0 ? Math.round((negative / posts) * 1e4) / 1e4 : null,
      null,
      null,
      null,
      null,
      null,
    ]),
    ...EMOTIONS.flatMap((emotion) =>
      (briefing.examples[emotion] ?? []).map(({ text, source, count, score }): Row => [
        `${t.examples} ${nameOf(emotion, locale)}`,
        source,
        count,
        null,
        score,
        null,
        null,
        null,
        null,
        text,
      ]),
    ),
  ];
  return csvFile(rows);
}
