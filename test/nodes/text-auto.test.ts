import { expect } from 'chai';
import helper from 'node-red-node-test-helper';
import type { Result } from '../../lib/emotion/result';
import { Flow } from './harness';

interface Listed {
  readonly id: string;
  readonly bytes: number;
  readonly languages: readonly string[];
  readonly precisions: readonly string[];
  readonly metrics: readonly { name: string; dataset: string; headline: boolean; model?: string }[];
  readonly headline?: object;
  readonly routes?: object;
}

describe('text-auto', function () {
  // Two encoders are loaded.
  this.timeout(120_000);
  let flow: Flow;
  before(async () => {
    flow = await Flow.start([
      { id: 'model', type: 'emotion-model', source: 'installed', model: 'text-auto' },
      { id: 'preprocess', type: 'emotion-preprocess-text', model: 'model', wires: [['infer']] },
      { id: 'infer', type: 'emotion-infer', model: 'model' },
    ]);
  });
  after(() => flow.stop());

  const ask = async (payload: unknown, more: object = {}): Promise<unknown> => {
    const { sent, caught } = await flow.send('preprocess', { payload, ...more });
    expect(caught).to.deep.equal([]);
    return sent[0]?.payload;
  };
  const answered = ({ segments = [] }: Result) =>
    segments.map(({ model, label }) => [model, label]);

  it('sends each sentence of a mixed text to the model of its language', async () => {
    const text = '收到礼物真的太开心了！ But my bag was stolen on the way home, I am furious.';
    const result = (await ask(text)) as Result;
    expect(result).to.include({ model: 'text-auto', modality: 'text' });
    expect(answered(result)).to.deep.equal([
      ['text-zh-bert', 'happy'],
      ['text-en-bert', 'angry'],
    ]);
    const sum = Object.values(result.scores).reduce((total, score) => total + score, 0);
    expect(sum).to.be.closeTo(1, 1e-9);
  });

  it('answers a text in one language as the model of that language does', async () => {
    const texts = ['今天被老板骂了，好难过', 'I miss my grandmother so much.', '😭😭', ''];
    const results = (await ask(texts)) as Result[];
    expect(results.map(answered)).to.deep.equal([
      [['text-zh-bert', 'sad']],
      [['text-en-bert', 'sad']],
      [['text-zh-bert', results[2]!.label]],
      [],
    ]);
    expect(results[3]).to.include({ label: null, reason: 'empty-text' });
  });

  it('leaves the choice to the message', async () => {
    const result = (await ask('Nice! 太好了！', { language: 'en' })) as Result;
    expect(answered(result).map(([model]) => model)).to.deep.equal(['text-en-bert']);
  });

  it('is listed with the size and the measurements of its models', async () => {
    const { body } = await helper.request().get('/emotion-model/models');
    const models = new Map((body as Listed[]).map((model) => [model.id, model]));
    const auto = models.get('text-auto')!;
    const parts = [models.get('text-zh-bert')!, models.get('text-en-bert')!];
    expect(auto.bytes).to.equal(parts[0]!.bytes + parts[1]!.bytes);
    expect(auto).to.deep.include({
      languages: ['zh', 'en'],
      precisions: ['int8'],
      routes: { zh: 'text-zh-bert', en: 'text-en-bert' },
    });
    expect(auto).not.to.have.property('headline');
    expect(auto.metrics).to.deep.equal(
      parts.flatMap(({ id, metrics }) => metrics.map((metric) => ({ ...metric, model: id }))),
    );
    expect(auto.metrics.filter(({ headline }) => headline)).to.have.length(2);
  });
});
