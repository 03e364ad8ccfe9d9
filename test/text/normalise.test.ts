import { expect } from 'chai';
import fc from 'fast-check';
import { EMOJI_MEANINGS, meaningOfToken } from '../../lib/text/emoji';
import { BRACKET_TOKEN, normalise, normaliseText } from '../../lib/text/normalise';

describe('normalise', () => {
  const cases: [string, string, string][] = [
    ['folds full-width forms and case', 'ＮＢ！ Ａｂｃ①', 'nb! abc1'],
    ['shortens a run of one character', 'soooooo goooood!!!!!!', 'sooo goood!!!'],
    ['shortens a run of one syllable', 'hahahahahahaha 啊哈啊哈啊哈啊哈', 'hahaha 啊哈啊哈啊哈'],
    ['keeps numbers as they are', '10000 人 5.55555 2000000', '10000 人 5.55555 2000000'],
    ['shortens a run of four characters', '笑死我了'.repeat(5), '笑死我了'.repeat(3)],
    ['shortens a run of rare characters', '𠀀𠀁𠀂𠀃'.repeat(4), '𠀀𠀁𠀂𠀃'.repeat(3)],
    ['leaves what stands there three times', '笑死我了'.repeat(3), '笑死我了'.repeat(3)],
    ['shortens laughing and crying numbers', '233333333 66666 55555', '2333 666 555'],
    ['collapses white space of all kinds', ' a \t\n\u3000b\u00a0\u0085c ', 'a b c'],
    ['drops controls, zero-width and direction marks', 'a\0b\u200bc\u202ed\ufeff\u2066e', 'abcde'],
    ['drops lone surrogates and keeps pairs', 'a\ud800b\udc00c𠀀', 'abc𠀀'],
    ['marks links', '看这里http://t.cn/RtBZZPH真好', '看这里 [url] 真好'],
    ['marks names and keeps what follows a blank', '谢谢@小明 你真好', '谢谢@ 你真好'],
    [
      'keeps a run that is too long for a name',
      '@天天看余杭发生在塘宁路上的惨案',
      '@ 天天看余杭发生在塘宁路上的惨案',
    ],
    [
      'cuts a Latin name off Chinese text',
      '@CCTV5今天的比赛真是太难看了气死我了',
      '@ 今天的比赛真是太难看了气死我了',
    ],
    ['leaves mail addresses alone', 'write to me@example.org', 'write to me@example.org'],
    ['marks the joints of repost chains', '同意//@李百瑶:好//@郝聚民：担心', '同意 // 好 // 担心'],
    ['drops whom a reply is to', '回复@北派七叔:[害羞]好', '@ [害羞]好'],
    ['keeps the words of hashtags', '#早睡打卡#养成习惯', '#早睡打卡#养成习惯'],
    ['splits English hashtags at capitals', '#SoHappyToday yes', '#so happy today yes'],
    [
      'keeps bracket tokens whole, three at most',
      '好[允悲][泪][泪][泪][泪][泪]',
      '好[允悲][泪][泪][泪]',
    ],
    ['keeps the marks of GoEmotions', '[NAME] is [RELIGION]', '[name] is [religion]'],
    ['decodes entities', 'a &lt;b&gt; &amp;amp; &#39;c&#39;', "a <b> & 'c'"],
    ['straightens apostrophes', 'I don’t', "i don't"],
    ['spells out emoji in Chinese', '太好笑了😂', '太好笑了[笑cry]'],
    ['spells out emoji in English', 'so funny😂!', 'so funny [laughing] !'],
    ['ignores skin tones, genders and selectors', 'ok 🤷🏽‍♀️ ❤️', 'ok [shrug] [heart]'],
    ['knows joined emoji of their own meaning', 'well 😮‍💨', 'well [sigh]'],
    ['takes the known part of a joined emoji', 'us 👩‍❤️‍👨', 'us [heart]'],
    ['leaves unknown emoji whole', 'see 🦀 👨‍👩‍👧', 'see 🦀 👨‍👩‍👧'],
    ['knows the private code points of old phones', '哈哈\ue412', '哈哈[笑cry]'],
    ['turns emoji punctuation into punctuation', 'what❓❗', 'what?!'],
    [
      'spells out Western emoticons',
      'nice :-) sad :( lol XD <3',
      'nice [smile] sad [sad] lol [laughing] [heart]',
    ],
    ['spells out kaomoji', '好累T_T 晕orz QAQ (￣▽￣)', '好累[泪] 晕[跪了] [大哭] [哈哈]'],
    ['takes outlines and arms with a face', '耶ヾ(≧▽≦*)o 哼(╯°□°)╯︵ ┻━┻', '耶[哈哈] 哼[怒]'],
    [
      'sees no face in times, lists and words',
      '10:30 说:(一)好 id:d3 exxd 秘密:3月',
      '10:30 说:(一)好 id:d3 exxd 秘密:3月',
    ],
  ];
  for (const [what, from, to] of cases) {
    it(what, () => expect(normalise(from)).to.equal(to));
  }

  it('keeps capitals on request', () => {
    expect(normalise('Hello NB', { case: 'keep' })).to.equal('Hello NB');
  });

  it('writes emoji in the language that it is told', () => {
    expect(normalise('好😂', { language: 'en' })).to.equal('好 [laughing]');
    expect(normaliseText('😂', { fallbackLanguage: 'zh' })).to.deep.equal({
      text: '[笑cry]',
      language: 'zh',
    });
  });

  it('is empty for text without a visible character', () => {
    for (const text of ['', ' \n\t', '\u200b\ufeff\u2060', '\0\0', '\ud800', '\u202e\u202c']) {
      expect(normalise(text), JSON.stringify(text)).to.equal('');
    }
  });

  it('changes nothing the second time', () => {
    const parts = [
      '哈',
      'ha',
      ' ',
      '[泪]',
      '😂',
      ':)',
      'T_T',
      '@小明',
      '//',
      '#',
      '!',
      '8',
      'A',
      '\u200d',
      '♀️',
      'ｂ',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 6 }), (words) => {
        const once = normalise(words.join(' '), { language: 'zh' });
        expect(normalise(once, { language: 'zh' })).to.equal(once);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives one well-formed, lower-case line for any string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const result = normalise(text);
        expect(result).to.equal(result.trim());
        expect(result).not.to.match(/\p{Cc}|\u200b|\u202e|\ufeff|\p{Surrogate}|\s\s/u);
        expect(encodeURIComponent(result)).to.be.a('string');
      }),
      { numRuns: 2000 },
    );
  });

  it('takes time in proportion to the length, whatever the text', () => {
    const time = (text: string): number => {
      const start = process.cpuUsage();
      normalise(text);
      return process.cpuUsage(start).user / 1000;
    };
    const units = [
      'a',
      '。',
      '[',
      '[a',
      '@a',
      '//@',
      '#',
      ':(',
      '(',
      '^_',
      '😂',
      'http://',
      '&amp;',
      'ab',
    ];
    for (const unit of units) {
      time(unit.repeat(1000));
      const long = unit.repeat(200_000 / unit.length);
      expect(time(long), `200,000 units of ${unit}`).to.be.below(2000);
    }
  });
});

describe('EMOJI_MEANINGS', () => {
  it('covers two hundred emoji with bracket tokens that stay whole', () => {
    const whole = new RegExp(`^${BRACKET_TOKEN.source}$`, 'u');
    const emoji = EMOJI_MEANINGS.flatMap((meaning) => meaning.emoji.split(' ').filter(Boolean));
    expect(emoji.length).to.be.at.least(200);
    expect(new Set(emoji).size, 'an emoji with two meanings').to.equal(emoji.length);
    for (const { zh, en } of EMOJI_MEANINGS) {
      expect(zh).to.match(whole);
      expect(en).to.match(whole);
    }
  });

  it('spells out every emoji that it lists', () => {
    for (const { zh, en, emoji } of EMOJI_MEANINGS) {
      for (const one of emoji.split(' ').filter(Boolean)) {
        expect(normalise(one, { language: 'zh' }), one).to.equal(zh);
        expect(normalise(one, { language: 'en' }), one).to.equal(en);
      }
    }
  });

  it('tells the emotion of a token, of Weibo tokens without an emoji too', () => {
    expect(meaningOfToken('[Crying]')?.emotion).to.equal('sad');
    expect(meaningOfToken('[偷笑]')?.emotion).to.equal('happy');
    expect(meaningOfToken('[微笑]')?.ironic).to.equal(true);
    expect(meaningOfToken('[桌子]')).to.equal(undefined);
  });
});
