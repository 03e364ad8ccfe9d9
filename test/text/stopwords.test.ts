import { expect } from 'chai';
import stopwordsIso from 'stopwords-iso';
import { Stemmer } from '../../lib/text/stem';
import { stopWordSet } from '../../lib/text/stopwords';

describe('stopWordSet', () => {
  it('leaves out what carries no feeling', () => {
    const english = stopWordSet('default', 'en');
    const chinese = stopWordSet('default', 'zh');
    for (const word of ['the', 'of', 'and', 'is']) expect(english.has(word), word).to.equal(true);
    for (const word of ['的', '了', '在', '我们']) expect(chinese.has(word), word).to.equal(true);
  });

  it('keeps negations, degrees, contrasts and emotions that stopwords-iso lists', () => {
    const english = stopWordSet('default', 'en');
    const chinese = stopWordSet('default', 'zh');
    const kept = {
      en: [
        'not',
        'no',
        'never',
        "don't",
        'without',
        'hardly',
        'good',
        'sorry',
        'very',
        'but',
        'though',
        'great',
        'unfortunately',
      ],
      zh: ['不', '不是', '没', '别', '非', '但是', '却', '虽然', '哈哈', '呵呵', '好', '极了'],
    };
    for (const word of kept.en) {
      expect(english.has(word), word).to.equal(false);
    }
    for (const word of kept.zh) {
      expect(chinese.has(word), word).to.equal(false);
    }
    expect(stopwordsIso.en, 'the list has changed: this test proves nothing').to.include.members([
      'not',
      'good',
      'sorry',
    ]);
    expect(stopwordsIso.zh).to.include('不');
  });

  it('takes words of one’s own, negations aside, and none', () => {
    expect([...stopWordSet(['Foo', 'not', 'bar'], 'en')]).to.deep.equal(['foo', 'bar']);
    expect(stopWordSet('none', 'zh').size).to.equal(0);
  });
});

describe('Stemmer', () => {
  it('stems English as Porter 2 and leaves the rest', () => {
    const stemmer = new Stemmer();
    // Reference: the vocabulary of snowballstem.org, algorithms/english.
    const reference = {
      consistently: 'consist',
      knocking: 'knock',
      knightly: 'knight',
      kindness: 'kind',
    };
    for (const [word, expected] of Object.entries(reference)) {
      expect(stemmer.stem(word, 'en')).to.equal(expected);
    }
    expect(stemmer.stem("don't", 'en')).to.equal("don't");
    expect(stemmer.stem('[crying]', 'en')).to.equal('[crying]');
    expect(stemmer.stem('开心', 'zh')).to.equal('开心');
  });

  it('remembers no more words than it may', () => {
    const stemmer = new Stemmer(2);
    for (const word of ['loving', 'hating', 'running', 'loving']) {
      expect(stemmer.stem(word, 'en')).to.match(/^(love|hate|run)$/);
    }
  });
});
