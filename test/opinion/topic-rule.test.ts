import { expect } from 'chai';
import fc from 'fast-check';
import { EmotionError } from '../../lib/emotion/error';
import { AhoCorasick } from '../../lib/opinion/aho-corasick';
import { parseTopicRules, TopicMatcher } from '../../lib/opinion/topic-matcher';
import { evaluate, parseRule, type Expression } from '../../lib/opinion/topic-rule';

/** A rule as it was understood. */
function shown(expression: Expression): string {
  switch (expression.kind) {
    case 'term':
      return expression.term.exact ? `"${expression.term.text}"` : expression.term.text;
    case 'not':
      return `not(${shown(expression.part)})`;
    default:
      return `${expression.kind}(${expression.parts.map(shown).join(', ')})`;
  }
}

const understood = (rule: string) => shown(parseRule(rule));
const matches = (rule: string, text: string) =>
  new TopicMatcher([{ id: 'x', rule }]).match(text).length === 1;

function refusal(rule: string): EmotionError {
  try {
    parseRule(rule);
  } catch (error) {
    return error as EmotionError;
  }
  throw new Error(`accepted: ${rule}`);
}

describe('a topic rule', () => {
  const rules: [string, string][] = [
    ['地铁', '地铁'],
    ['地铁 涨价', 'and(地铁, 涨价)'],
    ['(地铁 OR 公交) AND 涨价 NOT 招聘', 'and(or(地铁, 公交), 涨价, not(招聘))'],
    ['a OR b AND c', 'or(a, and(b, c))'],
    ['a OR b c', 'or(a, and(b, c))'],
    ['NOT a AND b', 'and(not(a), b)'],
    ['a NOT NOT b', 'and(a, not(not(b)))'],
    ['a NOT (b OR c)', 'and(a, not(or(b, c)))'],
    ['地铁 且 涨价 或 公交 非 招聘', 'or(and(地铁, 涨价), and(公交, not(招聘)))'],
    ['（地铁　ＯＲ　公交）ＡＮＤ 涨价', 'and(or(地铁, 公交), 涨价)'],
    ['a & b | c', 'or(and(a, b), c)'],
    ['"customer  Service" bad', 'and("customer service", bad)'],
    ['“客服”或「态度」', 'or("客服", "态度")'],
    ['a"b"c(d)', 'and(a, "b", c, d)'],
    ['"AND" "或"', 'and("and", "或")'],
    ['或许 非常', 'and(或许, 非常)'],
    ['C++ R&D #tag @user', 'and(c++, r&d, #tag, @user)'],
    ['Ｐｒｉｃｅ', 'price'],
  ];
  for (const [rule, expected] of rules) {
    it(`reads ${rule}`, () => expect(understood(rule)).to.equal(expected));
  }

  const wrong: [string, string, number][] = [
    ['', 'empty', 1],
    [' \u3000\u200b ', 'empty', 1],
    ['a "b c', 'unclosed-quote', 3],
    ['a "" b', 'empty-quote', 3],
    ['a (b OR c', 'unclosed-parenthesis', 3],
    ['a AND (', 'unclosed-parenthesis', 7],
    ['a b) c', 'unopened-parenthesis', 4],
    [') a', 'unopened-parenthesis', 1],
    ['a ( ) b', 'empty-parenthesis', 3],
    ['AND a', 'missing-left', 1],
    ['a AND (OR b)', 'missing-left', 8],
    ['a OR', 'missing-right', 3],
    ['a AND OR b', 'missing-right', 3],
    ['(a AND) b', 'missing-right', 4],
    ['a NOT', 'missing-right', 3],
    ['a and b', 'small-operator', 3],
    ['a Or b', 'small-operator', 3],
    ['地铁，公交', 'separator', 3],
    ['a,b', 'separator', 2],
    ['涨*', 'wildcard', 2],
    ['why?', 'wildcard', 4],
    ['a \u2060', 'no-word', 3],
    ['NOT 招聘', 'matches-all', 1],
    ['a OR NOT b', 'matches-all', 1],
    ['NOT (a AND NOT b)', 'matches-all', 1],
    ['a'.repeat(4001), 'too-long', 4001],
    [`${'('.repeat(51)}a`, 'too-deep', 51],
    [`${'NOT '.repeat(52)}a`, 'too-deep', 201],
    ['a '.repeat(501), 'too-many-terms', 1001],
  ];
  for (const [rule, problem, position] of wrong) {
    const name = rule.length > 30 ? `${rule.slice(0, 30)}…` : rule;
    it(`refuses "${name}": ${problem} at ${position}`, () => {
      const error = refusal(rule);
      expect(error).to.be.instanceOf(EmotionError);
      expect(error.code).to.equal('opinion.rule-invalid');
      expect(error.details).to.include({ problem, position });
      expect(error.message).to.contain(`Position ${position}`);
    });
  }

  it('is either understood or refused, whatever it holds', () => {
    const piece = fc.constantFrom(
      'a',
      '地铁',
      '(',
      ')',
      '"',
      'AND',
      'OR',
      'NOT',
      '且',
      '*',
      ' ',
      '，',
    );
    const rule = fc.oneof(
      fc.array(piece).map((all) => all.join(' ')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(rule, (text) => {
        let expression: Expression;
        try {
          expression = parseRule(text);
        } catch (error) {
          expect(error).to.be.instanceOf(EmotionError);
          const { position } = (error as EmotionError).details;
          expect(position).to.be.within(1, text.length + 1);
          return;
        }
        expect(evaluate(expression, () => false)).to.equal(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what a rule matches', () => {
  const cases: [string, string, boolean][] = [
    ['涨价', '地铁又涨价了', true],
    ['涨价', '地铁又涨 价了', false],
    ['price', 'Prices went up', true],
    ['prices', 'the PRICE', true],
    ['complain', 'people complained loudly', true],
    ['price', 'a priceless moment', false],
    ['"price"', 'prices', false],
    ['"price"', 'the price.', true],
    ['"price up"', 'price  UP!', true],
    ['"price up"', 'price upgrade', false],
    ['iphone', '我的iPhone坏了', true],
    ['iphone手机', '我的iphone手机坏了', true],
    ['iphone手机', '我的xiphone手机坏了', false],
    ['5G', '开通5G套餐', true],
    ['5G', '开通15G套餐', false],
    ['c++', 'I hate C++.', true],
    ['c++', 'I hate objC++', false],
    ['AT&T', 'at&t is down', true],
    ['#地铁涨价#', '#地铁涨价# 怎么看', true],
    ['😡', '又晚点😡😡', true],
    ["don't", 'I don’t care', true],
    ['地铁 NOT 招聘', '地铁招聘', false],
    ['地铁 NOT 招聘', '地铁晚点', true],
    ['(地铁 OR 公交) AND 涨价 NOT 招聘', '公交要涨价', true],
    ['(地铁 OR 公交) AND 涨价 NOT 招聘', '公交要涨价，司机招聘', false],
    ['地铁', '地\u200b铁', true],
    ['metro', 'ＭＥＴＲＯ', true],
    ['a OR (b NOT c)', 'b c', false],
  ];
  for (const [rule, text, expected] of cases) {
    it(`${rule} ${expected ? 'finds' : 'does not find'} ${text}`, () => {
      expect(matches(rule, text)).to.equal(expected);
    });
  }

  it('is told for all rules in their order', () => {
    const matcher = new TopicMatcher([
      { id: 'b', rule: '公交' },
      { id: 'a', rule: '地铁' },
      { id: 'fare', rule: '涨价 (地铁 OR 公交)' },
      { id: 'none', rule: '高铁' },
    ]);
    expect(matcher.match('地铁公交都涨价')).to.deep.equal(['b', 'a', 'fare']);
    expect(matcher.match('')).to.deep.equal([]);
    expect(new TopicMatcher([]).match('地铁')).to.deep.equal([]);
  });

  it('is what a plain search says', () => {
    const word = fc.string({
      unit: fc.constantFrom('地', '铁', '涨', '价'),
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(word, { minLength: 1, maxLength: 8 }),
        fc.string({ unit: fc.constantFrom('地', '铁', '涨', '价', ' ', 'x'), maxLength: 40 }),
        (words, text) => {
          const matcher = new TopicMatcher(words.map((rule) => ({ id: rule, rule })));
          const folded = text.replace(/ +/g, ' ');
          expect(matcher.match(text)).to.deep.equal(words.filter((one) => folded.includes(one)));
        },
      ),
    );
  });

  it('is the same for long texts, wherever a slice ends', () => {
    const filler = (length: number) => '一 two '.repeat(Math.ceil(length / 6)).slice(0, length);
    const rules = [
      { id: 'zh', rule: '地铁涨价' },
      { id: 'en', rule: 'complaint' },
      { id: 'phrase', rule: '"very bad service"' },
    ];
    const matcher = new TopicMatcher(rules);
    for (let shift = 0; shift < 24; shift += 2) {
      for (const [words, id] of [
        ['地铁涨价', 'zh'],
        [' complaints ', 'en'],
        [' very bad service ', 'phrase'],
      ] as const) {
        const text = filler(65_536 - shift) + words + filler(70_000);
        expect(matcher.match(text), `${id} ${shift}`).to.deep.equal([id]);
      }
      expect(matcher.match(`${filler(65_536 - shift)} uncomplaint ${filler(99)}`)).to.deep.equal(
        [],
      );
    }
  });

  it('comes out of 10 MB, and of a thousand rules', function () {
    this.timeout(120_000);
    const rules = Array.from({ length: 1000 }, (_, index) => ({
      id: `r${index}`,
      rule: `(品牌${index} OR brand${index}) AND 投诉 NOT 招聘`,
    }));
    const matcher = new TopicMatcher(rules);
    expect(matcher.match('品牌7和brand500都被投诉')).to.deep.equal(['r7', 'r500']);
    for (const [unit, length] of [
      ['啊', 10_000_000],
      ['a', 10_000_000],
      ['ab ', 1_000_000],
      ['\ufdfa', 300_000],
      ['aaaa投', 1_000_000],
    ] as const) {
      const text = unit.repeat(length / unit.length);
      expect(matcher.match(`${text} 品牌999 投诉`)).to.deep.equal(['r999']);
    }
  });

  it('cannot be made to run away by words that begin alike', () => {
    const words = Array.from({ length: 400 }, (_, index) => `${'啊'.repeat(index + 1)}哦`);
    const matcher = new TopicMatcher([{ id: 'x', rule: words.slice(0, 60).join(' OR ') }]);
    expect(matcher.match('啊'.repeat(1_000_000))).to.deep.equal([]);
    expect(matcher.match(`${'啊'.repeat(1_000_000)}哦`)).to.deep.equal(['x']);
  });
});

describe('Aho–Corasick', () => {
  it('finds every occurrence, overlapping ones too', () => {
    const found: [number, number, number][] = [];
    new AhoCorasick(['he', 'she', 'his', 'hers']).scan('ushers', (...hit) => found.push(hit));
    expect(found).to.deep.equal([
      [1, 1, 4],
      [0, 2, 4],
      [3, 2, 6],
    ]);
  });
});

describe('a list of rules', () => {
  it('comes as one rule or several; a name stands for an id', () => {
    expect(parseTopicRules({ name: '涨价', rule: 'x' })).to.deep.equal([{ id: '涨价', rule: 'x' }]);
    expect(parseTopicRules([{ id: 1, name: 'One', rule: 'x' }])).to.deep.equal([
      { id: '1', name: 'One', rule: 'x' },
    ]);
  });

  for (const value of [
    undefined,
    null,
    7,
    'x',
    {},
    { id: 'a' },
    { rule: 'x' },
    [{ id: 'a', rule: 7 }],
  ]) {
    it(`is not ${JSON.stringify(value)}`, () => {
      expect(() => parseTopicRules(value)).to.throw(EmotionError, 'expected { id or name, rule }');
    });
  }

  it('names the topic whose rule is wrong, and an id that stands twice', () => {
    expect(() => new TopicMatcher([{ id: '涨价', rule: 'a AND' }])).to.throw(
      EmotionError,
      'Topic "涨价": Position 3',
    );
    const twice = [
      { id: 'a', rule: 'x' },
      { id: 'a', rule: 'y' },
    ];
    expect(() => parseTopicRules(twice)).to.throw(EmotionError, 'Two rules');
  });
});
