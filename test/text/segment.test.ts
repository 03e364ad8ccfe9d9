import { expect } from 'chai';
import fc from 'fast-check';
import {
  intlCutter,
  loadChineseCutter,
  loadJieba,
  rememberingCutter,
  segment,
} from '../../lib/text/segment';

/** A word a character. */
const characters = { name: 'intl', cut: (run: string) => [...run] } as const;

describe('segment', () => {
  for (const load of [loadJieba, () => Promise.resolve(intlCutter())]) {
    describe(`with ${load === loadJieba ? 'jieba' : 'Intl.Segmenter'}`, () => {
      it('cuts Chinese into words and keeps tokens, words and marks whole', async () => {
        const words = segment("今天[允悲]真的很开心... don't covid-19 3.14 🇨🇳 👨‍👩‍👧", await load());
        expect(words).to.include.members([
          ...['今天', '[允悲]', '真的', '开心', '...', "don't", 'covid-19', '3.14', '🇨🇳', '👨‍👩‍👧'],
        ]);
      });

      it('loses nothing but blanks', async () => {
        const cutter = await load();
        const unit = fc.constantFrom(
          '我',
          '开心',
          '不',
          'ok',
          "'",
          '-',
          '[泪]',
          '[',
          ']',
          '1',
          '.',
          '😂',
          '\u200d',
          ' ',
          '\u0301',
        );
        fc.assert(
          fc.property(fc.array(unit, { maxLength: 12 }), (units) => {
            const text = units.join('');
            expect(segment(text, cutter).join('')).to.equal(text.replace(/\s/g, ''));
          }),
          { numRuns: 1000 },
        );
      });
    });
  }

  it('cuts the same run once', () => {
    const asked: string[] = [];
    const cutter = rememberingCutter({
      name: 'intl',
      cut: (run) => {
        asked.push(run);
        return [...run];
      },
    });
    const text = '地铁，公交，地铁。';
    expect(segment(text, cutter)).to.deep.equal([
      '地',
      '铁',
      '，',
      '公',
      '交',
      '，',
      '地',
      '铁',
      '。',
    ]);
    expect(segment(text, cutter)).to.deep.equal(segment(text, characters));
    expect(asked).to.deep.equal(['地铁', '公交']);
    const endless = '长'.repeat(10_000);
    expect(cutter.cut(endless)).to.have.length(10_000);
    expect(cutter.cut(endless)).to.have.length(10_000);
    expect(asked.length, 'endless runs are not kept').to.equal(4);
  });

  it('falls back to Intl.Segmenter where jieba has no binary', async () => {
    const cutter = await loadChineseCutter(() => Promise.reject(new Error('no native binding')));
    expect(cutter.name).to.equal('intl');
    expect(segment('我爱北京', cutter).join('')).to.equal('我爱北京');
  });
});
