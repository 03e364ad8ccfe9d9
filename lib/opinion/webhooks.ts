import { createHmac } from 'node:crypto';
import { EMOTION_NAMES, type Locale } from '../emotion/labels';
import type { Alert, Evidence } from './alert';
import { defuseMarkup, escapeHtml, oneLine, withinBytes } from './escape';

export const WEBHOOK_FORMATS = [
  'wecom',
  'wecom-text',
  'feishu',
  'feishu-text',
  'dingtalk',
  'slack',
] as const;

export type WebhookFormat = (typeof WEBHOOK_FORMATS)[number];

export interface WebhookOptions {
  readonly format: WebhookFormat;
  readonly locale: Locale;
  /** Address of the webhook, which is a secret itself. */
  readonly url?: string | undefined;
  /** Key of the signature: 飞书 and 钉钉, where the robot asks for one. */
  readonly secret?: string | undefined;
  /** The clock, for the signature; milliseconds since 1970. */
  readonly now?: number;
  readonly timeZone?: string | undefined;
}

/** What an HTTP client needs; Node-RED's http request node reads it off a message. */
export interface WebhookRequest {
  readonly method: 'POST';
  readonly url?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: object;
}

/**
 * What the services accept at most: 企业微信 2,048 bytes of text and 4,096 of markdown; 飞书 20 kB a
 * request; 钉钉 20,000 bytes; Slack 150 characters in a header, 3,000 in a section, 50 blocks.
 */
const LIMITS = {
  wecomText: 2048,
  wecomMarkdown: 4096,
  feishu: 18_000,
  dingtalk: 18_000,
  slackHeader: 150,
  slackSection: 3000,
} as const;

const COLOURS = { notice: 'blue', warning: 'orange', critical: 'red' } as const;

/**
 * An alert as the request that makes a chat robot tell it.
 *
 * The shapes are those that the services document: 企业微信 "群机器人配置说明"
 * (developer.work.weixin.qq.com/document/path/91770), 飞书 "自定义机器人使用指南"
 * (open.feishu.cn/document/client-docs/bot-v3/add-custom-bot; signature: HMAC-SHA256 with the key
 * `timestamp\nsecret` over nothing, seconds), 钉钉 "自定义机器人" (open.dingtalk.com; HMAC-SHA256 of
 * `timestamp\nsecret` with the key `secret`, in the address, milliseconds), Slack "Incoming webhooks"
 * and Block Kit (docs.slack.dev). What strangers wrote cannot format, link or mention.
 *
 * @example webhookRequest(alert, { format: 'dingtalk', locale: 'zh', url, secret });
 * // → { method: 'POST', url: 'https://oapi…&timestamp=…&sign=…', payload: { msgtype: 'markdown', … } }
 */
export function webhookRequest(alert: Alert, options: WebhookOptions): WebhookRequest {
  const { format, url, secret, now = Date.now() } = options;
  const signed = secret !== undefined && secret !== '';
  const address =
    url && signed && format === 'dingtalk' ? signedAddress(url, secret, now) : url || undefined;
  const signature =
    signed && (format === 'feishu' || format === 'feishu-text') ? feishuSignature(secret, now) : {};
  return {
    method: 'POST',
    ...(address !== undefined && { url: address }),
    headers: { 'content-type': 'application/json; charset=utf-8' },
    payload: { ...signature, ...body(alert, options) },
  };
}

function body(alert: Alert, { format, locale, timeZone }: WebhookOptions): object {
  const words = describeAlert(alert, locale, timeZone);
  const title = defuseMarkup(words.title);
  const plain = [words.title, ...words.lines, ...words.evidence].map(oneLine).join('\n');
  const marked = [
    ...words.lines.map(defuseMarkup),
    ...words.evidence.map((line) => `> ${defuseMarkup(line)}`),
  ];
  switch (format) {
    case 'wecom':
      return {
        msgtype: 'markdown',
        markdown: {
          content: withinBytes([`**${title}**`, ...marked].join('\n'), LIMITS.wecomMarkdown),
        },
      };
    case 'wecom-text':
      return { msgtype: 'text', text: { content: withinBytes(plain, LIMITS.wecomText) } };
    case 'feishu':
      return {
        msg_type: 'interactive',
        card: {
          config: { wide_screen_mode: true },
          header: {
            template: alert.event === 'recovered' ? 'green' : COLOURS[alert.severity],
            title: { tag: 'plain_text', content: withinBytes(oneLine(words.title), 1000) },
          },
          elements: [
            {
              tag: 'div',
              text: {
                tag: 'lark_md',
                content: withinBytes(marked.join('\n'), LIMITS.feishu - 2000),
              },
            },
          ],
        },
      };
    case 'feishu-text':
      // `<at user_id="all">` is markup even here.
      return {
        msg_type: 'text',
        content: { text: withinBytes(plain.replaceAll('<', '＜'), LIMITS.feishu) },
      };
    case 'dingtalk':
      return {
        msgtype: 'markdown',
        markdown: {
          title: withinBytes(title, 200),
          text: withinBytes([`#### ${title}`, ...marked].join('\n\n'), LIMITS.dingtalk),
        },
        at: { isAtAll: false },
      };
    case 'slack':
      return {
        text: slackText(words.title),
        blocks: [
          {
            type: 'header',
            text: {
              type: 'plain_text',
              text: withinCharacters(oneLine(words.title), LIMITS.slackHeader),
              emoji: false,
            },
          },
          section(words.lines.map(slackText)),
          ...(words.evidence.length > 0
            ? [section(words.evidence.map((line) => `>${slackText(line)}`))]
            : []),
        ],
      };
  }
}

function section(lines: readonly string[]): object {
  const text = withinCharacters(lines.join('\n'), LIMITS.slackSection);
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } };
}

/** Slack's own three entities; everything else that formats is defused. */
function slackText(text: string): string {
  return defuseMarkup(text).replaceAll('&', '&amp;');
}

function withinCharacters(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

function signedAddress(url: string, secret: string, now: number): string {
  const sign = createHmac('sha256', secret).update(`${now}\n${secret}`).digest('base64');
  const joint = url.includes('?') ? '&' : '?';
  return `${url}${joint}timestamp=${now}&sign=${encodeURIComponent(sign)}`;
}

function feishuSignature(secret: string, now: number): { timestamp: string; sign: string } {
  const timestamp = String(Math.floor(now / 1000));
  const sign = createHmac('sha256', `${timestamp}\n${secret}`).digest('base64');
  return { timestamp, sign };
}

/** An alert as a mail, in the members that Node-RED's e-mail node reads. */
export interface AlertMail {
  /** The subject: one line. */
  readonly topic: string;
  /** HTML. */
  readonly payload: string;
  readonly plaintext: string;
}

export function alertMail(alert: Alert, locale: Locale, timeZone?: string): AlertMail {
  const { title, lines, evidence } = describeAlert(alert, locale, timeZone);
  const subject = withinCharacters(oneLine(title), 200);
  const item = (text: string, { url }: Evidence) =>
    url === undefined
      ? `<li>${escapeHtml(text)}</li>`
      : `<li><a href="${escapeHtml(url)}" rel="noreferrer nofollow">${escapeHtml(text)}</a></li>`;
  const items = alert.evidence.map((one, index) => item(evidence[index]!, one));
  return {
    topic: subject,
    payload: [
      `<h3>${escapeHtml(subject)}</h3>`,
      ...lines.map((line) => `<p>${escapeHtml(line)}</p>`),
      ...(items.length > 0 ? [`<ul>${items.join('')}</ul>`] : []),
    ].join('\n'),
    plaintext: [subject, '', ...lines, ...evidence.map((line) => `- ${oneLine(line)}`)].join('\n'),
  };
}

const SEVERITY_NAMES = {
  en: { notice: 'Notice', warning: 'Warning', critical: 'Critical' },
  zh: { notice: '提示', warning: '警告', critical: '严重' },
} as const;

/** An alert in words, nothing of it escaped yet. */
export interface AlertWords {
  readonly title: string;
  readonly lines: readonly string[];
  /** One line a post of `alert.evidence`. */
  readonly evidence: readonly string[];
}

/** @example describeAlert(alert, 'en').title; // → 'Warning: negative share of “metro” is up, 58 % (usually 22 %)' */
export function describeAlert(alert: Alert, locale: Locale, timeZone?: string): AlertWords {
  const format = new Intl.DateTimeFormat(locale === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
    ...(timeZone && { timeZone }),
  });
  const time = (at: number) => format.format(at);
  return locale === 'zh' ? inChinese(alert, time) : inEnglish(alert, time);
}

function amount({ kind }: Alert, value: number): string {
  if (kind === 'negative-share') return `${Math.round(value * 100)} %`;
  return value >= 10 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}

function inEnglish(alert: Alert, time: (at: number) => string): AlertWords {
  const { kind, event, topic, severity, z, posts, uncertain } = alert;
  const what =
    kind === 'negative-share' ? `negative share of “${topic}”` : `posts a minute about “${topic}”`;
  const states = { raised: 'is up', escalated: 'is up further', recovered: 'is back' } as const;
  const state = alert.newNormal ? 'stays where it is' : states[event];
  const numbers = `${amount(alert, alert.value)} (usually ${amount(alert, alert.baseline)})`;
  const head = event === 'recovered' ? 'Over' : SEVERITY_NAMES.en[severity];
  return {
    title: `${head}: ${what} ${state}, ${numbers}`,
    lines: [
      `Since ${time(alert.since)}, noticed ${time(alert.time)}${alert.held ? ', held during quiet hours' : ''}`,
      `${Math.round(posts)} posts, ${Math.round(uncertain)} of them uncertain; ${z.toFixed(1)} standard deviations above normal`,
    ],
    evidence: alert.evidence.map(
      ({ text, source, label, score, count }) =>
        `${label === null ? '?' : EMOTION_NAMES.en[label]} ${score.toFixed(2)} · ${source}${count > 1 ? ` · ×${count}` : ''}: ${text}`,
    ),
  };
}

function inChinese(alert: Alert, time: (at: number) => string): AlertWords {
  const { kind, event, topic, severity, z, posts, uncertain } = alert;
  const what = kind === 'negative-share' ? `“${topic}”负面占比` : `“${topic}”每分钟帖数`;
  const states = { raised: '上升', escalated: '进一步上升', recovered: '已恢复' } as const;
  const state = alert.newNormal ? '持续，视为新常态' : states[event];
  const numbers = `${amount(alert, alert.value)}（平时 ${amount(alert, alert.baseline)}）`;
  const head = event === 'recovered' ? '恢复' : SEVERITY_NAMES.zh[severity];
  return {
    title: `【${head}】${what}${state}：${numbers}`,
    lines: [
      `始于 ${time(alert.since)}，发现于 ${time(alert.time)}${alert.held ? '，免打扰时段内暂缓发送' : ''}`,
      `共 ${Math.round(posts)} 条，其中 ${Math.round(uncertain)} 条不确定；高出常态 ${z.toFixed(1)} 个标准差`,
    ],
    evidence: alert.evidence.map(
      ({ text, source, label, score, count }) =>
        `${label === null ? '?' : EMOTION_NAMES.zh[label]} ${score.toFixed(2)} · ${source}${count > 1 ? ` · ×${count}` : ''}：${text}`,
    ),
  };
}
