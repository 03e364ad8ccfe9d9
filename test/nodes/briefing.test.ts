import { expect } from 'chai';
import type { Briefing } from '../../lib/opinion/briefing';
import { life, MONDAY } from '../opinion/days';
import { Flow } from './harness';

const node = { id: 'briefing', type: 'emotion-briefing', timeZone: 'UTC', locale: 'en' };
const posts = [...life({ seed: 1, from: MONDAY, days: 0.5, rate: 2 })].flat();

describe('emotion-briefing', function () {
  this.timeout(120_000);
  let flow: Flow;
  afterEach(() => flow.stop());
  const send = (payload: unknown, more: object = {}) => flow.send('briefing', { payload, ...more });

  it('sums posts up in all formats, and leaves everything else', async () => {
    flow = await Flow.start([node]);
    const { sent } = await send(posts, { title: 'Monday', kept: 1 });
    const { briefing, html, markdown, csv } = sent[0]!.payload as {
      briefing: Briefing;
      html: string;
      markdown: string;
      csv: string;
    };
    expect(briefing).to.include({ title: 'Monday', posts: posts.length });
    expect(html)
      .to.match(/^<!DOCTYPE html>/)
      .and.to.contain('<h1>Monday</h1>');
    expect(markdown).to.match(/^# Monday\n/);
    expect(csv).to.match(/^\ufeffsection,name,/);
    expect(sent[0]).to.include({ kept: 1 });
  });

  it('gives one format where that is wanted, by the message before the settings', async () => {
    flow = await Flow.start([{ ...node, format: 'markdown', locale: 'zh', title: '日报' }]);
    expect((await send(posts)).sent[0]!.payload).to.match(/^# 日报\n/);
    expect((await send(posts, { format: 'csv' })).sent[0]!.payload).to.match(/^\ufeff部分/);
    expect((await send(posts, { format: 'object', before: posts })).sent[0]!.payload).to.include({
      before: posts.length,
    });
  });

  it('catches what is no post, and goes on', async () => {
    flow = await Flow.start([{ ...node, timeZone: 'Mars/Olympus' }]);
    for (const [payload, more, code] of [
      [undefined, {}, 'input.property-missing'],
      [7, {}, 'opinion.not-a-post'],
      [[null], {}, 'opinion.not-a-post'],
      [[{ label: 'happy', text: 7 }], {}, 'opinion.not-a-post'],
      [posts, { before: 'x'.repeat(10_000_000) }, 'input.too-large'],
    ] as const) {
      const { caught } = await send(payload, more);
      expect(caught.map(({ error }) => error.code)).to.deep.equal([code]);
    }
    expect((await send([])).sent).to.have.length(1);
  });
});
