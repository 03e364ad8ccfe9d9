import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import type { Alert } from '../../lib/opinion/alert';
import {
  csvCell,
  csvFile,
  escapeHtml,
  escapeMarkdown,
  withinBytes,
} from '../../lib/opinion/escape';
import {
  alertMail,
  describeAlert,
  webhookRequest,
  type WebhookFormat,
} from '../../lib/opinion/webhooks';

const HOSTILE =
  '<script>alert(1)</script> <@all> <!channel> <at id=all></at> [点我](http://evil) *b* `c` @所有人\r\nBcc: x\u202e';

const alert: Alert = {
  id: 'a1',
  incident: 'i1',
  event: 'raised',
  kind: 'negative-share',
  topic: '地铁',
  severity: 'warning',
  time: Date.UTC(2026, 2, 2, 12, 5),
  since: Date.UTC(2026, 2, 2, 12, 0),
  value: 0.58,
  baseline: 0.22,
  z: 6.5,
  posts: 120,
  certain: 110,
  uncertain: 10,
  evidence: [
    {
      id: 'p1',
      text: '又涨价了',
      source: 'weibo',
      url: 'https://example.com/?a="b"',
      time: 1,
      label: 'angry',
      score: 0.97,
      count: 12,
    },
    { id: 'p2', text: HOSTILE, source: HOSTILE, time: 2, label: null, score: 0, count: 1 },
  ],
};
const long: Alert = {
  ...alert,
  evidence: Array.from({ length: 5 }, (_, index) => ({
    ...alert.evidence[0]!,
    text: `${index}${'字😀'.repeat(2000)}`,
  })),
};

const UTC = { timeZone: 'UTC' };
const request = (format: WebhookFormat, one = alert, more = {}) =>
  webhookRequest(one, { format, locale: 'zh', ...UTC, ...more });
const bytes = (value: unknown) => Buffer.byteLength(String(value));

describe('a webhook', () => {
  it('says what happened, in both languages', () => {
    expect(describeAlert(alert, 'zh', 'UTC').title).to.equal(
      '【警告】“地铁”负面占比上升：58 %（平时 22 %）',
    );
    expect(describeAlert(alert, 'en', 'UTC').title).to.equal(
      'Warning: negative share of “地铁” is up, 58 % (usually 22 %)',
    );
    const volume: Alert = { ...alert, kind: 'volume', value: 31.2, baseline: 4.44 };
    expect(describeAlert(volume, 'en').title)
      .to.contain('posts a minute')
      .and.contain('31 (usually 4.4)');
    const over: Alert = { ...alert, event: 'recovered', evidence: [] };
    expect(describeAlert(over, 'zh').title).to.contain('恢复');
    expect(describeAlert({ ...over, newNormal: true }, 'zh').title).to.contain('新常态');
    expect(describeAlert(alert, 'zh', 'Asia/Shanghai').lines[0]).to.contain('20:00');
  });

  it('of 企业微信 is markdown of 4096 bytes or text of 2048', () => {
    const { payload } = request('wecom') as {
      payload: { msgtype: string; markdown: { content: string } };
    };
    expect(Object.keys(payload)).to.deep.equal(['msgtype', 'markdown']);
    expect(payload.msgtype).to.equal('markdown');
    expect(payload.markdown.content)
      .to.contain('又涨价了')
      .and.not.match(/<@|\[点我\]/);
    const cut = request('wecom', long).payload as { markdown: { content: string } };
    expect(bytes(cut.markdown.content)).to.be.within(4000, 4096);
    const text = request('wecom-text', long).payload as {
      msgtype: string;
      text: { content: string };
    };
    expect(text.msgtype).to.equal('text');
    expect(bytes(text.text.content)).to.be.within(2000, 2048);
    expect(text.text.content).not.to.match(/\ufffd/);
  });

  it('of 飞书 is a card or a text, signed over nothing with timestamp and secret', () => {
    const now = 1_750_000_000_123;
    const card = request('feishu', alert, { secret: 's3', now }).payload as {
      timestamp: string;
      sign: string;
      msg_type: string;
      card: { header: { template: string; title: { tag: string } }; elements: object[] };
    };
    expect(card).to.include({ timestamp: '1750000000', msg_type: 'interactive' });
    expect(card.sign).to.equal(createHmac('sha256', '1750000000\ns3').update('').digest('base64'));
    expect(card.card.header).to.deep.include({ template: 'orange' });
    expect(card.card.header.title.tag).to.equal('plain_text');
    expect(JSON.stringify(card.card.elements)).not.to.contain('<at');
    const text = request('feishu-text').payload as { content: { text: string } };
    expect(text).to.have.all.keys('msg_type', 'content');
    expect(text.content.text).not.to.contain('<at');
    expect(bytes(JSON.stringify(request('feishu', long).payload))).to.be.below(20_000);
  });

  it('of 钉钉 is markdown, signed in the address', () => {
    const now = 1_750_000_000_123;
    const url = 'https://oapi.dingtalk.com/robot/send?access_token=x';
    const signed = request('dingtalk', alert, { url, secret: 'SECx', now });
    const address = new URL(signed.url!);
    expect(address.searchParams.get('access_token')).to.equal('x');
    expect(address.searchParams.get('timestamp')).to.equal(String(now));
    expect(address.searchParams.get('sign')).to.equal(
      createHmac('sha256', 'SECx').update(`${now}\nSECx`).digest('base64'),
    );
    expect(signed.payload).to.have.nested.property('markdown.title');
    expect(signed.payload).to.deep.include({ msgtype: 'markdown', at: { isAtAll: false } });
    expect(request('dingtalk', alert, { url }).url).to.equal(url);
    expect(bytes(JSON.stringify(request('dingtalk', long).payload))).to.be.below(20_000);
  });

  it('of Slack has a text to fall back on and blocks within their limits', () => {
    for (const one of [alert, long]) {
      const { text, blocks } = request('slack', one).payload as {
        text: string;
        blocks: { type: string; text: { type: string; text: string } }[];
      };
      expect(text).to.be.a('string');
      expect(blocks.map(({ type }) => type)).to.deep.equal(['header', 'section', 'section']);
      expect(blocks[0]!.text.type).to.equal('plain_text');
      expect(blocks[0]!.text.text.length).to.be.within(1, 150);
      for (const block of blocks.slice(1)) expect(block.text.text.length).to.be.within(1, 3000);
      expect(JSON.stringify(blocks)).not.to.match(/<!|<@|<http/);
    }
  });

  it('names its address only where it is known', () => {
    expect(request('wecom')).not.to.have.property('url');
    expect(request('wecom', alert, { url: 'https://x' })).to.include({
      url: 'https://x',
      method: 'POST',
    });
  });
});

describe('an alert by mail', () => {
  it('has a subject of one line, and HTML in which nothing of a post runs', () => {
    const { topic, payload, plaintext } = alertMail({ ...alert, topic: `x\r\nBcc: y` }, 'en');
    expect(topic).not.to.match(/[\r\n]/);
    expect(payload).to.contain('&lt;script&gt;').and.not.contain('<script');
    expect(payload).to.contain('href="https://example.com/?a=&quot;b&quot;"');
    expect(plaintext).to.contain('又涨价了');
    expect(plaintext.split('\n').some((line) => line.startsWith('Bcc:'))).to.equal(false);
  });
});

describe('words of strangers', () => {
  it('are words in HTML and Markdown', () => {
    expect(escapeHtml(`<a href="x" onclick='y'>&`)).to.equal(
      '&lt;a href=&quot;x&quot; onclick=&#39;y&#39;&gt;&amp;',
    );
    expect(escapeMarkdown('# [a](javascript:x)\n<b>')).to.equal(
      '\\# \\[a\\]\\(javascript\\:x\\) \\<b\\>',
    );
  });

  it('are no formulas in a table', () => {
    for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', ' =1', '＝1', '\r=1']) {
      expect(csvCell(text).replace(/^"/, '')).to.match(/^'/);
    }
    expect(csvCell('a "b", c')).to.equal('"a ""b"", c"');
    expect(csvCell('价格')).to.equal('价格');
    expect([csvCell(-5), csvCell(null), csvCell(NaN)]).to.deep.equal(['-5', '', '']);
    expect(
      csvFile([
        ['a', 1],
        ['b\nc', 2],
      ]),
    ).to.equal('\ufeffa,1\r\n"b\nc",2\r\n');
  });

  it('are cut between characters', () => {
    expect(withinBytes('价格', 6)).to.equal('价格');
    expect(withinBytes('价格啊', 8)).to.equal('价…');
    expect(withinBytes('😀😀', 7)).to.equal('😀…');
  });
});
