import { expect } from 'chai';
import { detectLanguage } from '../../lib/text/language';

describe('detectLanguage', () => {
  const cases: [string, 'zh' | 'en'][] = [
    ['今天真开心', 'zh'],
    ['What a day', 'en'],
    ['今天的 meeting 好 boring', 'zh'],
    ['I really love you 中国', 'en'],
    ['[NAME] 太棒了', 'zh'],
    ['[泪] oh no', 'en'],
    ['[泪][泪]', 'zh'],
    ["don't you-know", 'en'],
    ['これは楽しい', 'zh'],
    ['Привет', 'en'],
    ['안녕하세요', 'en'],
    ['𠀀𠀁', 'zh'],
  ];
  for (const [text, language] of cases) {
    it(`reads ${JSON.stringify(text)} as ${language}`, () => {
      expect(detectLanguage(text)).to.equal(language);
    });
  }

  it('falls back where there is no letter', () => {
    expect(detectLanguage('123 !!! 🦀', 'zh')).to.equal('zh');
    expect(detectLanguage('', 'en')).to.equal('en');
  });
});
