import { cp, appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import type { Post } from '../../lib/opinion/post';
import { until } from '../media/fixtures';
import { Flow } from './harness';

const node = { id: 'duplicate', type: 'emotion-duplicate', weight: 'first' };
const TEXT = '地铁公司宣布下月起票价上调百分之二十';

describe('emotion-duplicate', () => {
  let flow: Flow;
  let userDir: string;
  beforeEach(async () => {
    userDir = await mkdtemp(join(tmpdir(), 'emotion-duplicate-'));
  });
  afterEach(async () => {
    await flow.stop();
    await rm(userDir, { recursive: true, force: true });
  });

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
    flow = await Flow.start([node], { userDir });
    await send([{ id: 'a', text: TEXT }]);
    await flow.deploy([{ ...node, weight: 'log' }]);
    expect(postsOf((await send([{ id: 'b', text: TEXT }])).sent)[0]?.duplicate).to.include({ group: 'a', count: 2 }); // prettier-ignore
    await flow.send('duplicate', { reset: true });
    expect(postsOf((await send([{ id: 'c', text: TEXT }])).sent)[0]?.duplicate?.group).to.equal(
      'c',
    );
  });

  it('goes on with its groups after it was killed', async () => {
    flow = await Flow.start([node], { userDir });
    await send([{ id: 'a', text: TEXT }]);
    await send([{ id: 'b', text: TEXT }]);
    const file = join(userDir, 'emotion-duplicates/duplicate.jsonl');
    await until(async () => (await readFile(file, 'utf8').catch(() => '')).includes('"b"'), 'it is written'); // prettier-ignore
    // As a killed process leaves it: never closed, and the last line half written.
    const left = join(userDir, 'left');
    await cp(join(userDir, 'emotion-duplicates'), join(left, 'emotion-duplicates'), { recursive: true }); // prettier-ignore
    await appendFile(join(left, 'emotion-duplicates/duplicate.jsonl'), '\n{"n":1,"g":[{"id":"ha');
    await flow.stop();

    flow = await Flow.start([node], { userDir: left });
    const { sent } = await send([
      { id: 'c', text: TEXT },
      { id: 'b', text: TEXT },
    ]);
    const told = postsOf(sent).map(({ duplicate, weight }) => [duplicate?.group, duplicate?.count, weight]); // prettier-ignore
    expect(told, 'a new post, and one that comes again').to.deep.equal([
      ['a', 3, 0],
      ['a', 2, 0],
    ]);
  });

  it('leaves no file behind when it is removed from the flow', async () => {
    flow = await Flow.start([node], { userDir });
    const file = join(userDir, 'emotion-duplicates/duplicate.jsonl');
    const isThere = () => stat(file).then(() => true, () => false); // prettier-ignore
    await send([{ id: 'a', text: TEXT }]);
    await until(isThere, 'it is written');
    await flow.deploy([{ id: 'other', type: 'emotion-topic' }]);
    await until(async () => !(await isThere()), 'it is gone');
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
