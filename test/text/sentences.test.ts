import { expect } from 'chai';
import fc from 'fast-check';
import { parts, sentences } from '../../lib/text/sentences';

const split = (text: string): string[] => [...sentences(text)].map((sentence) => sentence.text);

describe('sentences', () => {
  const cases: [string, string, string[]][] = [
    ['Chinese marks', '你好！真的吗？是的。走吧', ['你好！', '真的吗？', '是的。', '走吧']],
    ['English marks', 'Hi! Really? Yes. Go', ['Hi!', 'Really?', 'Yes.', 'Go']],
    ['line breaks', 'one\ntwo\r\n\r\nthree', ['one', 'two', 'three']],
    [
      'titles and initials',
      'Dr. J. K. Rowling met Mr. Smith.',
      ['Dr. J. K. Rowling met Mr. Smith.'],
    ],
    [
      'abbreviations',
      'At 5 p.m. today, e.g. here. U.S. troops left.',
      ['At 5 p.m. today, e.g. here.', 'U.S. troops left.'],
    ],
    [
      'numbers and addresses',
      'It is 3.14 on a.com and http://a.b/?q=1 ok.',
      ['It is 3.14 on a.com and http://a.b/?q=1 ok.'],
    ],
    ['an ellipsis within', 'well... maybe not', ['well... maybe not']],
    ['an ellipsis between', 'I waited... Nobody came', ['I waited...', 'Nobody came']],
    ['a Chinese ellipsis', '太难了……明天再说', ['太难了……', '明天再说']],
    ['a stammer', '我……不知道', ['我……不知道']],
    ['closing quotes', '他说：“你好！”然后走了。', ['他说：“你好！”', '然后走了。']],
    ['speech that goes on', '"Really?" she said.', ['"Really?" she said.']],
    [
      'emoji and tokens after the mark',
      '好！[允悲][允悲]走吧!😂😂 ok',
      ['好！[允悲][允悲]', '走吧!😂😂', 'ok'],
    ],
    ['marks without a word', 'ok. ... !!! 好', ['ok. ... !!!', '好']],
    ['nothing', ' \n \u3000', []],
  ];
  for (const [what, text, expected] of cases) {
    it(`splits at ${what}`, () => expect(split(text)).to.deep.equal(expected));
  }

  it('keeps everything visible, at offsets of the source', () => {
    const unit = fc.constantFrom(
      'a',
      'Mr',
      '好',
      '。',
      '.',
      '...',
      '!',
      '?',
      ' ',
      '\n',
      '”',
      '[泪]',
      '😂',
      '\ud800',
      '3',
      '，',
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 30 }), (units) => {
        const text = units.join('');
        let end = 0;
        for (const sentence of sentences(text)) {
          expect(text.slice(sentence.start, sentence.end)).to.equal(sentence.text);
          expect(sentence.text.trim()).to.equal(sentence.text);
          expect(text.slice(end, sentence.start).trim()).to.equal('');
          end = sentence.end;
        }
        expect(text.slice(end).trim()).to.equal('');
      }),
      { numRuns: 3000 },
    );
  });

  it('splits five megabytes of anything in seconds', () => {
    for (const unit of ['今天很好。', 'I am. ', 'a', '.', '. ', '…a', '😂', ' ', '\n', '"', '[']) {
      const text = unit.repeat(5_000_000 / unit.length);
      const start = process.cpuUsage();
      let count = 0;
      for (const { end } of sentences(text)) count += Number(end > 0);
      expect(process.cpuUsage(start).user / 1000, unit).to.be.below(5000);
      expect(count).to.be.at.least(unit.trim() === '' ? 0 : 1);
    }
  });
});

describe('parts', () => {
  it('cuts at commas and blanks, never inside a pair', () => {
    const text = '今天很好，明天更好，'.repeat(3) + '😂'.repeat(20);
    const cut = [...parts({ text, start: 7, end: 7 + text.length }, 11)];
    expect(cut.map((part) => part.text).join('')).to.equal(text);
    expect(cut[0]).to.deep.equal({ text: '今天很好，明天更好，', start: 7, end: 17 });
    for (const part of cut) {
      expect(part.text.length).to.be.at.most(11);
      expect(part.end - part.start).to.equal(part.text.length);
      expect(encodeURIComponent(part.text)).to.be.a('string');
    }
  });
});
