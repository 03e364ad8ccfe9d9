import { expect } from 'chai';
import { findCues } from '../../lib/text/cues';
import { normaliseText } from '../../lib/text/normalise';
import { loadJieba, segment, type ChineseCutter } from '../../lib/text/segment';

describe('findCues', () => {
  let jieba: ChineseCutter;
  before(async () => {
    jieba = await loadJieba();
  });

  /** `rule:cue>first,last words in scope` */
  function cuesOf(text: string): string[] {
    const { text: clean, language } = normaliseText(text);
    const words = segment(clean, jieba);
    return findCues(words, language).map((cue) => {
      expect(cue.at).to.be.within(0, words.length - 1);
      const scope = cue.scope.map((at) => words[at]).join(' ');
      return `${cue.rule}:${cue.cue}${scope && `>${scope}`}`;
    });
  }

  const cases: [string, string[]][] = [
    ['我不开心', ['negation:不>开心']],
    ['我并不觉得很高兴', ['negation:不>觉得 很 高兴', 'degree:很>高兴']],
    ['我没有生气', ['negation:没有>生气']],
    ['我不是不开心', ['negation:不是>不 开心', 'negation:不>开心']],
    ['一点也不好', ['degree:一点>不好', 'negation:不>不好']],
    ['没有人不喜欢他', ['negation:没有>人 不 喜欢 他', 'negation:不>喜欢 他']],
    ['你不能不喜欢', ['negation:不能不>喜欢', 'negation:不能不>喜欢']],
    ['没有一个人会觉得不高兴', ['negation:没有>一个 人会 觉得 不 高兴', 'negation:不>高兴']],
    ['有点难过', ['degree:有点>难过']],
    ['非常难过', ['degree:非常>难过']],
    ['高兴极了', ['degree:极了>高兴']],
    ['虽然下雨，但是很开心', ['contrast:但是>很 开心', 'degree:很>开心']],
    ['呵呵，真行', ['irony:呵呵', 'irony:真行']],
    ['太好笑了😂', ['degree:太>好笑', 'emoji:[笑cry]']],
    ['你高兴吗', ['question:吗']],
    ['i am not happy', ['negation:not>happy']],
    ["I don't think this is funny", ["negation:don't>think this is funny"]],
    ['not bad at all', ['negation:not>bad at all']],
    ['she was never happy, but calm', ['negation:never>happy', 'contrast:but>calm']],
    ['not happy because it rains', ['negation:not>happy']],
    ['I was kind of scared', ['degree:kind of>scared']],
    ['although it was sad, I enjoyed it', ['contrast:although>i enjoyed it']],
    ['yeah right', ['irony:yeah right']],
    ['are you sad?', ['question:?']],
  ];
  for (const [text, expected] of cases) {
    it(`finds ${expected.join(', ')} in ${JSON.stringify(text)}`, () => {
      expect(cuesOf(text)).to.deep.equal(expected);
    });
  }

  const affirmative = [
    '他不得不去',
    '真不错',
    '差不多',
    '没关系',
    '这非常重要',
    '不仅如此',
    '难道你不高兴',
    '忍不住笑了',
    '对不起',
    "can't help smiling",
    'not only good',
    "couldn't be happier",
    'no doubt',
    "isn't she lovely",
    "can't wait",
    'never been so happy',
  ];
  for (const text of affirmative) {
    it(`sees no negation in ${JSON.stringify(text)}`, () => {
      expect(cuesOf(text).filter((cue) => cue.startsWith('negation'))).to.deep.equal([]);
    });
  }

  it('finds nothing in nothing', () => {
    expect(findCues([], 'zh')).to.deep.equal([]);
    expect(findCues(['!', '。', '[桌子]'], 'en')).to.deep.equal([]);
  });
});
