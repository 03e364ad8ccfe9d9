import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import type { Post } from '../../lib/opinion/post';
import type { TopicRule } from '../../lib/opinion/topic-matcher';
import { Flow, type Outcome } from './harness';

const RULES: TopicRule[] = [
  { id: 'fares', rule: '(地铁 OR 公交) AND 涨价 NOT 招聘' },
  { id: 'service', rule: 'service' },
];
const topic = { id: 'topic', type: 'emotion-topic', rules: RULES, wires: [['out'], ['aside']] };

const message = (value: object) => value as NodeMessage;
const topicsOf = ({ sent }: Outcome) =>
  (sent[0] as unknown as { posts: Post[] }).posts.map(({ topics }) => topics);
const codes = ({ caught }: Outcome) => caught.map(({ error }) => error.code);

describe('emotion-topic', () => {
  let flow: Flow;
  afterEach(() => flow.stop());

  const send = (posts: unknown, more: object = {}) =>
    flow.send('topic', message({ posts, ...more }));
  const command = async (action: string, payload?: unknown) =>
    (await flow.node('topic', message({ action, payload }))).payload as TopicRule[];

  it('says which topics posts are about and leaves everything else', async () => {
    flow = await Flow.start([topic]);
    const first = {
      text: '地铁要涨价',
      source: 'weibo',
      id: 'a',
      time: 1.75e12,
      received: 1.75e12,
    };
    const posts = [
      first,
      { ...first, id: 'b', text: 'Bad SERVICES, 公交涨价' },
      { ...first, text: 'x' },
    ];
    const outcome = await send(posts, { payload: ['kept'], buffer: { batch: 1 } });
    expect(topicsOf(outcome)).to.deep.equal([['fares'], ['fares', 'service'], []]);
    expect(outcome.sent[0]).to.deep.include({ payload: ['kept'], buffer: { batch: 1 } });
    expect(first).not.to.have.property('topics');
    expect(outcome.completed).to.deep.equal(['topic']);
  });

  it('answers a post alone as it came, at the property of the settings', async () => {
    flow = await Flow.start([{ ...topic, property: 'payload' }]);
    const { sent } = await flow.send('topic', { payload: '公交涨价' });
    expect(sent[0]?.payload).to.deep.include({ text: '公交涨价', topics: ['fares'] });
  });

  it('takes rules by message, whole or not at all', async () => {
    flow = await Flow.start([topic]);
    expect(await command('list')).to.deep.equal(RULES);
    const late = { id: 'late', name: '晚点', rule: '晚点' };
    expect(await command('add', late)).to.deep.equal([...RULES, late]);
    expect(topicsOf(await send(['地铁晚点']))).to.deep.equal([['late']]);
    const service = { id: 'service', rule: '服务' };
    expect(await command('add', [service])).to.deep.equal([RULES[0], service, late]);
    expect(await command('remove', 'fares')).to.deep.equal([service, late]);

    const refused = await flow.sendUntilAnswered(
      'topic',
      message({
        action: 'replace',
        payload: [
          { id: 'good', rule: 'a' },
          { id: 'bad', rule: 'a OR' },
        ],
      }),
    );
    expect(codes(refused)).to.deep.equal(['opinion.rule-invalid']);
    expect(refused.caught[0]?.error.message).to.contain('"bad"').and.contain('Position 3');
    expect(refused.caught[0]?.error.cause?.details).to.include({
      problem: 'missing-right',
      position: 3,
    });
    expect(await command('list')).to.deep.equal([service, late]);

    expect(await command('check', late)).to.deep.equal([late]);
    expect(await command('replace', [])).to.deep.equal([]);
    expect(topicsOf(await send(['地铁晚点']))).to.deep.equal([[]]);
    expect(await command('restore')).to.deep.equal(RULES);
  });

  it('keeps what a message changed over a deploy, until the settings change', async () => {
    flow = await Flow.start([topic]);
    const own = [{ id: 'own', rule: '晚点' }];
    await command('replace', own);
    await flow.deploy([topic]);
    expect(await command('list')).to.deep.equal(own);
    const edited = [{ id: 'edited', rule: 'x' }];
    await flow.deploy([{ ...topic, rules: edited }]);
    expect(await command('list')).to.deep.equal(edited);
  });

  it('changes one after the other', async () => {
    flow = await Flow.start([topic]);
    const answers = flow.messages('aside');
    for (let index = 0; index < 20; index += 1) {
      flow.give('topic', message({ action: 'add', payload: { id: `r${index}`, rule: 'x' } }));
    }
    while (answers.length < 20) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await command('list')).to.have.length(22);
  });

  it('fails posts and not Node-RED while its settings are wrong, until a message repairs it', async () => {
    flow = await Flow.start([{ ...topic, rules: [{ id: 'bad', rule: '(' }] }]);
    expect(codes(await send(['x']))).to.deep.equal(['opinion.rule-invalid']);
    await command('replace', RULES);
    expect(topicsOf(await send(['公交涨价']))).to.deep.equal([['fares']]);
    await flow.deploy([{ ...topic, rules: 7 }]);
    expect(codes(await send(['x']))).to.deep.equal(['opinion.rule-invalid']);
  });

  const wrong: [string, unknown, string][] = [
    ['nothing', undefined, 'input.property-missing'],
    ['null', null, 'opinion.not-a-post'],
    ['a number', 7, 'opinion.not-a-post'],
    ['an array with a number', ['x', 7], 'opinion.not-a-post'],
    ['an empty text', '', 'opinion.not-a-post'],
    ['a buffer', Buffer.from('x'), 'opinion.not-a-post'],
    ['10 MB in one post', '涨'.repeat(10_000_000), 'input.too-large'],
  ];
  it('catches what is no post', async () => {
    flow = await Flow.start([topic]);
    for (const [name, posts, code] of wrong) {
      const outcome = await send(posts);
      expect(codes(outcome), name).to.deep.equal([code]);
      expect(outcome.sent).to.deep.equal([]);
    }
    for (const [action, payload] of [
      ['add', undefined],
      ['add', 7],
      ['remove', {}],
      ['replace', [{ id: 'a' }]],
    ] as const) {
      const outcome = await flow.sendUntilAnswered('topic', message({ action, payload }));
      expect(codes(outcome), action).to.deep.equal(['opinion.rule-invalid']);
    }
    expect(
      topicsOf(await send(['公交涨价', '<script>alert(1)</script> {{__proto__}}'])),
    ).to.deep.equal([['fares'], []]);
  });

  it('lets the event loop run while it reads 10,000 posts', async function () {
    this.timeout(120_000);
    flow = await Flow.start([topic]);
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const posts = Array.from({ length: 10_000 }, (_, index) => `公交涨价 ${index} `.repeat(50));
    const outcome = await send(posts);
    clearInterval(timer);
    expect(topicsOf(outcome)).to.have.length(10_000);
    expect(turns).to.be.above(3);
  });
});
