import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import type { Post } from '../../lib/opinion/post';
import { Flow } from './harness';

const node = { id: 'duplicate', type: 'emotion-duplicate', weight: 'first' };
const TEXT = '地铁公司宣布下月起票价上调百分之二十';

describe('emotion-duplicate', () => {
  let flow: Flow;
  afterEach(() => flow.stop());

  const send = async (posts: unknown, more: object = {}) => {
    const outcome = await flow.send('duplicate', { posts, ...more });
    return outcome;
  };
  const postsOf = (sent: NodeMessage[]) => (sent[0] as unknown as { posts: Post[] }).posts;

  it('says to which group posts belong and leaves everything else', async () => {
    flow = await Flow.start([node]);
    const posts = [
      { id: 'a', text: TEXT, topics: ['fares'], topic: 'metro', source: 's' },
      { id: 'b', text: `转发 //@某人: ${TEXT}` },
      { id: 'c', text: '今天天气真好，适合出门散步' },
    ];
    const { sent, completed } = await send(posts, { payload: 'kept' });
    const told = postsOf(sent).map(({ id, duplicate, weight }) => [id, duplicate?.group, weight]);
    expect(told).to.deep.equal([
      ['a', 'a', 1],
      ['b', 'a', 0],
      ['c', 'c', 1],
    ]);
    expect(postsOf(sent)[0]).to.deep.include({ topics: ['fares'], topic: 'metro', source: 's' });
    expect(sent[0]).to.include({ payload: 'kept' });
    expect(completed).to.deep.equal(['duplicate']);
    expect(posts[0]).not.to.have.property('duplicate');
  });

  it('remembers over a deploy, and forgets on reset', async () => {
    flow = await Flow.start([node]);
    await send([{ id: 'a', text: TEXT }]);
    await flow.deploy([{ ...node, weight: 'log' }]);
    expect(postsOf((await send([{ id: 'b', text: TEXT }])).sent)[0]?.duplicate).to.include({ group: 'a', count: 2 }); // prettier-ignore
    await flow.send('duplicate', { reset: true });
    expect(postsOf((await send([{ id: 'c', text: TEXT }])).sent)[0]?.duplicate?.group).to.equal(
      'c',
    );
  });

  it('catches what is no post, and goes on', async () => {
    flow = await Flow.start([node]);
    for (const [posts, code] of [
      [undefined, 'input.property-missing'],
      [null, 'opinion.not-a-post'],
      [[7], 'opinion.not-a-post'],
      ['涨'.repeat(10_000_000), 'input.too-large'],
    ] as const) {
      const { caught } = await send(posts);
      expect(caught.map(({ error }) => error.code)).to.deep.equal([code]);
    }
    const { sent } = await send({ id: 'x', text: '<img onerror=alert(1)>' });
    expect(sent[0]).to.have.nested.property('posts.duplicate.group', 'x');
  });
});
