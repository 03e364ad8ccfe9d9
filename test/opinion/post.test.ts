import { expect } from 'chai';
import fc from 'fast-check';
import { EmotionError } from '../../lib/emotion/error';
import type { Result } from '../../lib/emotion/result';
import {
  certainLabel,
  decisiveWords,
  parsePost,
  readPosts,
  toRow,
  withResults,
} from '../../lib/opinion/post';
import { emptyResult, resultOf } from '../fusion/results';

const NOW = 1_750_000_000_000;
const post = (value: unknown) => parsePost(value, { received: NOW, source: 'weibo' });

function refusal(value: unknown): EmotionError {
  try {
    parsePost(value);
  } catch (error) {
    return error as EmotionError;
  }
  throw new Error('accepted');
}

describe('a post', () => {
  it('is a text with what its sender left out', () => {
    expect(post('地铁又涨价了')).to.deep.equal({
      id: post('地铁又涨价了').id,
      text: '地铁又涨价了',
      source: 'weibo',
      time: NOW,
      received: NOW,
    });
  });

  it('keeps what is given and leaves out what no post has', () => {
    const given = {
      id: 7,
      text: 'x',
      topic: 'metro',
      source: 'tieba',
      author: 'a',
      url: 'https://example.com/1?a=b',
      time: 1_714_521_600_123,
      received: NOW - 5,
      topics: ['fares'],
      weight: 0.5,
      duplicate: { group: 'g', count: 2, first: false, similarity: 0.9 },
    };
    const more = JSON.parse('{ "likes": 5, "__proto__": { "polluted": true } }') as object;
    expect(post(Object.assign(more, given))).to.deep.equal({ ...given, id: '7' });
  });

  const times: [string, unknown, number][] = [
    ['milliseconds', 1_714_521_600_123, 1_714_521_600_123],
    ['seconds', 1_714_521_600, 1_714_521_600_000],
    ['seconds in a string', '1714521600.5', 1_714_521_600_500],
    ['ISO 8601', '2024-05-01T00:00:00Z', 1_714_521_600_000],
    ['ISO 8601 with an offset', '2024-05-01T08:00:00+08:00', 1_714_521_600_000],
    ['a Date', new Date(1_714_521_600_000), 1_714_521_600_000],
    ['nothing', '', NOW],
  ];
  for (const [name, time, expected] of times) {
    it(`reads its time from ${name}`, () => {
      expect(post({ text: 'x', time }).time).to.equal(expected);
    });
  }

  it('has the same id when it is sent twice, whenever it arrives', () => {
    const sent = { text: '涨价', author: 'a', source: 's', time: '2024-05-01T00:00:00Z' };
    const first = parsePost(sent, { received: 1e12 });
    const again = parsePost({ ...sent, time: 1_714_521_600 }, { received: 2e12 });
    expect(again.id).to.equal(first.id);
    expect(parsePost('x', { received: 1e12 }).id).to.equal(parsePost('x', { received: 2e12 }).id);
    expect(parsePost(first).id).to.equal(first.id);
  });

  it('has another id by another source, author, time or text', () => {
    const variants = [
      { text: 'ab', author: 'c' },
      { text: 'a', author: 'bc' },
      { text: 'a' },
      { text: 'a', author: 'bc', time: 1e12 },
      { text: 'a', author: 'bc', source: 'other' },
      { text: 'a', source: 'bc' },
    ];
    expect(new Set(variants.map((value) => parsePost(value).id)).size).to.equal(variants.length);
  });

  it('is itself when it is parsed again', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            text: fc.string({ unit: 'binary', minLength: 1 }).filter((text) => text.trim() !== ''),
            author: fc.string(),
            source: fc.string({ unit: 'binary' }),
            url: fc.oneof(fc.webUrl(), fc.string()),
            time: fc.integer({ min: 1e8, max: 2e12 }),
          },
          { requiredKeys: ['text'] },
        ),
        (value) => {
          const parsed = parsePost(value);
          expect(parsePost(parsed)).to.deep.equal(parsed);
          expect(parsePost(JSON.parse(JSON.stringify(parsed)))).to.deep.equal(parsed);
        },
      ),
    );
  });

  it('holds nothing that a database cannot', () => {
    const { text, author } = post({ text: 'a\u0000b\ud800c😀', author: 'x\udc00\u0000' });
    expect([text, author]).to.deep.equal(['a\ufffdb\ufffdc😀', 'x\ufffd']);
  });

  it('has no address that would run in a page', () => {
    for (const url of [
      'javascript:alert(1)',
      'data:text/html,x',
      ' https://a b',
      'https://a"x',
      7,
    ]) {
      expect(post({ text: 'x', url })).not.to.have.property('url');
    }
  });

  const wrong: [string, unknown, string][] = [
    ['nothing', undefined, 'post'],
    ['null', null, 'post'],
    ['a number', 7, 'post'],
    ['an array', ['x'], 'post'],
    ['a buffer', Buffer.from('x'), 'post'],
    ['an object without a text', { message: 'x' }, 'text'],
    ['a text that is a number', { text: 7 }, 'text'],
    ['a text of blanks', ' \n\u3000', 'text'],
    ['an author that is an object', { text: 'x', author: {} }, 'author'],
    ['a topic with an MQTT wildcard', { text: 'x', topic: 'a/#' }, 'topic'],
    ['a topic with a +', { text: 'x', topic: '+' }, 'topic'],
    ['a time that is none', { text: 'x', time: 'yesterday' }, 'time'],
    ['a time before 1973', { text: 'x', time: 5 }, 'time'],
    ['a time below zero', { text: 'x', time: -5 }, 'time'],
    ['a time beyond all calendars', { text: 'x', time: 1e18 }, 'time'],
    ['an id of a thousand characters', { text: 'x', id: 'x'.repeat(1000) }, 'id'],
    ['topics that are a string', { text: 'x', topics: 'a' }, 'topics'],
    ['a weight below zero', { text: 'x', weight: -1 }, 'weight'],
    ['a duplicate without its group', { text: 'x', duplicate: {} }, 'duplicate'],
  ];
  for (const [name, value, member] of wrong) {
    it(`is not ${name}`, () => {
      const error = refusal(value);
      expect(error).to.be.instanceOf(EmotionError);
      expect([error.code, error.details.member]).to.deep.equal(['opinion.not-a-post', member]);
    });
  }

  it('is not a text of 10 MB, unless that is wanted', () => {
    const text = '涨'.repeat(10_000_000);
    expect(refusal(text)).to.include({ code: 'input.too-large', status: 413 });
    expect(refusal(text).message).to.have.length.below(200);
    expect(parsePost(text, { maxLength: 2e7 }).text).to.have.length(10_000_000);
  });

  it('may be without text when it brings its result', () => {
    const result = resultOf('video', { happy: 0.9, sad: 0.1 });
    const one = post({ source: 'camera-1', time: 1e12, result });
    expect(one).to.include({ text: '', source: 'camera-1' });
    expect(post({ source: 'camera-1', time: 1e12, result }).id).to.equal(one.id);
    const other = resultOf('video', { happy: 0.8, sad: 0.2 });
    expect(post({ source: 'camera-1', time: 1e12, result: other }).id).not.to.equal(one.id);
    expect(refusal({ text: 'x', result: { label: 'happy' } }).code).to.equal('fusion.not-a-result');
  });

  it('comes alone or in an array', () => {
    expect(readPosts('a').many).to.equal(false);
    expect(readPosts([]).posts).to.deep.equal([]);
    expect(readPosts(['a', { text: 'b' }]).posts.map(({ text }) => text)).to.deep.equal(['a', 'b']);
    expect(() => readPosts(['a', 7])).to.throw(EmotionError, 'Not a post');
  });
});

describe('posts with results', () => {
  const happy = resultOf('text', { happy: 0.8, sad: 0.2 });

  it('are in the order of both', () => {
    const posts = [post('a'), post('b')];
    const sad = resultOf('text', { sad: 0.8, happy: 0.2 });
    const merged = withResults(posts, [happy, sad]);
    expect(merged.map(({ text, result }) => [text, result?.label])).to.deep.equal([
      ['a', 'happy'],
      ['b', 'sad'],
    ]);
    expect(posts[0]).not.to.have.property('result');
    expect(withResults([posts[0]!], happy)).to.have.length(1);
  });

  it('are refused when their numbers differ', () => {
    expect(() => withResults([post('a')], [happy, happy]))
      .to.throw(EmotionError, '1 posts, got 2')
      .with.property('code', 'opinion.results-mismatch');
  });

  it('have no emotion where the model is not sure', () => {
    expect(certainLabel({ result: happy })).to.equal('happy');
    expect(certainLabel({ result: { ...happy, uncertain: true } })).to.equal(undefined);
    expect(certainLabel({ result: emptyResult('text', 'empty-text') })).to.equal(undefined);
    expect(certainLabel({})).to.equal(undefined);
  });
});

describe('the row of a post', () => {
  const result = (): Result => ({
    ...resultOf('text', { angry: 0.9, sad: 0.1 }),
    source: { text: '地铁又涨价了！', language: 'zh' },
    segments: [
      {
        text: '地铁又涨价了！',
        label: 'angry',
        score: 0.9,
        scores: { angry: 0.9, sad: 0.1 },
        weight: 1,
        tokens: [
          { text: '地铁', weight: 0.2 },
          { text: '又', weight: 0.1 },
          { text: '涨', weight: 0.3 },
          { text: '价', weight: 0.3 },
          { text: '了', weight: 0.05 },
          { text: '！', weight: 0.05 },
        ],
      },
    ],
  });

  it('has a value for every column, and JSON can carry it', () => {
    const row = toRow({ ...post('地铁又涨价了！'), topics: ['fares'], result: result() });
    expect(row).to.deep.include({
      topic: null,
      author: null,
      language: 'zh',
      label: 'angry',
      uncertain: 0,
      weight: 1,
      topics: ['fares'],
      duplicate_group: null,
      fallback: null,
    });
    expect(JSON.parse(JSON.stringify(row))).to.deep.equal(row);
    expect(Object.values(row)).not.to.include(undefined);
  });

  it('is uncertain without a result', () => {
    expect(toRow(post('x'))).to.deep.include({ label: null, score: null, uncertain: 1, words: [] });
  });

  it('has the words that decided, whole and without marks', () => {
    expect(decisiveWords(result())).to.deep.equal([
      { text: '涨价', weight: 0.6 },
      { text: '地铁', weight: 0.2 },
      { text: '又', weight: 0.1 },
      { text: '了', weight: 0.05 },
    ]);
    expect(decisiveWords(result(), 1)).to.have.length(1);
  });

  it('joins the pieces of a word and weighs segments', () => {
    const scores = { sad: 1 };
    const segment = (text: string, weight: number, ...pieces: [string, number][]) => ({
      text,
      label: 'sad' as const,
      score: 1,
      scores,
      weight,
      tokens: pieces.map(([piece, share]) => ({ text: piece, weight: share })),
    });
    const words = decisiveWords({
      segments: [
        segment(
          'Unbelievably bad',
          0.75,
          ['un', 0.2],
          ['believ', 0.2],
          ['ably', 0.2],
          ['bad', 0.4],
        ),
        segment('so bad.', 0.25, ['so', 0.1], ['bad', 0.8], ['.', 0.1]),
      ],
    });
    expect(words).to.deep.equal([
      { text: 'bad', weight: 0.5 },
      { text: 'unbelievably', weight: 0.45 },
      { text: 'so', weight: 0.025 },
    ]);
  });
});
