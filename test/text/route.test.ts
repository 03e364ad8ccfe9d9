import { join } from 'node:path';
import { expect } from 'chai';
import { loadModel } from '../../lib/models/model';
import { packageRoot } from '../../lib/models/package-root';
import { TextPreparer, type PrepareOptions } from '../../lib/text/prepare';
import { languageRuns, RoutingPreparer } from '../../lib/text/route';

const OPTIONS: PrepareOptions = { language: 'auto', stopWords: 'none', split: 'text' };
const ROUTER = { id: 'auto', languages: ['zh', 'en'] };

async function front(id: string): Promise<TextPreparer> {
  const { manifest, folder } = await loadModel(
    join(packageRoot(), 'test', 'fixtures', 'models', id),
  );
  return TextPreparer.load(manifest, folder);
}

const runs = (text: string) =>
  [...languageRuns(text, 'en')].map((run) => [run.language, run.text] as const);

describe('languageRuns', () => {
  it('cuts where the language changes, between sentences only', () => {
    expect(runs('今天真好。我很高兴！ I love it! So good. 哈哈')).to.deep.equal([
      ['zh', '今天真好。我很高兴！'],
      ['en', 'I love it! So good.'],
      ['zh', '哈哈'],
    ]);
    expect(runs('今天的 meeting 好 boring')).to.have.length(1);
  });

  it('keeps what has no letter with the sentence before it', () => {
    expect(runs('太棒了！😂😂\n!!! 123')).to.deep.equal([['zh', '太棒了！😂😂\n!!! 123']]);
    expect(runs('😂')).to.deep.equal([['en', '😂']]);
    expect(runs('')).to.deep.equal([]);
  });
});

describe('RoutingPreparer', () => {
  let router: RoutingPreparer;
  let zh: TextPreparer;
  let en: TextPreparer;

  before(async () => {
    [zh, en] = await Promise.all([front('tiny-text'), front('tiny-conv')]);
    router = new RoutingPreparer(ROUTER, { zh, en });
  });

  it('gives each model what it would have been given of its own run alone', () => {
    const [sample] = router.prepare(['我很高兴。 I am furious!'], OPTIONS);
    expect(sample!.model).to.equal('auto');
    expect(sample!.tensors).to.deep.equal({});
    expect(sample!.segments.map(({ model, text }) => [model, text])).to.deep.equal([
      ['tiny-text', '我很高兴。'],
      ['tiny-conv', 'I am furious!'],
    ]);
    const [alone] = en.prepare(['I am furious!'], { ...OPTIONS, language: 'en' });
    expect(sample!.parts![1]).to.deep.equal(alone);
    expect(Object.keys(sample!.parts![1]!.tensors)).to.deep.equal(['input_ids']);
    expect(sample!.source).to.deep.equal({ text: '我很高兴。 I am furious!', language: 'en' });
  });

  it('names places in the whole text', () => {
    const text = '我很高兴。 I am furious! 好。';
    const [sample] = router.prepare([text], OPTIONS);
    for (const { text: sentence, start, end } of sample!.features!.sentences) {
      expect(text.slice(start, end)).to.equal(sentence);
    }
    expect(sample!.features!.sentences).to.have.length(3);
  });

  it('gives all of a text to the model of a language that was chosen', () => {
    const [sample] = router.prepare(['我很高兴。 I am furious!'], { ...OPTIONS, language: 'zh' });
    expect(sample!.parts!.map(({ model }) => model)).to.deep.equal(['tiny-text']);
  });

  it('counts the rows of all parts together and says where it stopped', () => {
    const text = '我很高兴。I am sad. 我很怒。I am furious!';
    const [sample] = router.prepare([text], { ...OPTIONS, maxRows: 2 });
    expect(sample!.segments.map(({ text: row }) => row)).to.deep.equal(['我很高兴。', 'I am sad.']);
    const { cut } = sample!.features!;
    expect(text.slice(cut!.start, cut!.end)).to.equal('我很怒。I am furious!');
  });

  it('says why there is nothing to judge', () => {
    const [sample] = router.prepare([' \n '], OPTIONS);
    expect(sample).to.deep.include({ segments: [], parts: [], reason: 'empty-text' });
  });

  it('refuses what is no text', () => {
    expect(() => router.prepare([42 as unknown as string], OPTIONS)).to.throw('expected a string');
  });
});
