import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { Flow, type FlowNodeDefinition } from './harness';

const model = { id: 'model', type: 'emotion-model', source: 'installed', model: 'tiny-text' };
const preprocess: FlowNodeDefinition = {
  id: 'preprocess',
  type: 'emotion-preprocess-text',
  model: 'model',
  wires: [['infer']],
};
const infer: FlowNodeDefinition = { id: 'infer', type: 'emotion-infer', model: 'model' };

describe('emotion-preprocess-text and emotion-infer', () => {
  let flow: Flow;
  afterEach(() => flow.stop());

  it('turn a text into an emotion and leave the rest of the message as it was', async () => {
    flow = await Flow.start([model, preprocess, infer]);
    const response = { _res: { headersSent: false } };
    const { sent, completed } = await flow.send('preprocess', {
      payload: 'I am happy!',
      topic: 'mood',
      parts: { id: 'one', index: 0 },
      res: response,
    });
    expect(sent).to.have.length(1);
    expect(sent[0]).to.deep.include({ topic: 'mood', parts: { id: 'one', index: 0 } });
    expect(sent[0]?.res).to.equal(response);
    expect(Object.keys(sent[0]!)).to.have.members(['_msgid', 'payload', 'topic', 'parts', 'res']);
    const result = sent[0]?.payload as Result;
    expect(result).to.include({ modality: 'text', label: 'happy', model: 'tiny-text' });
    expect(result.source).to.include({ text: 'I am happy!', language: 'en' });
    expect(completed).to.deep.equal(['preprocess', 'infer']);
  });

  it('answer an array with an array in the same order', async () => {
    flow = await Flow.start([model, preprocess, infer]);
    const texts = ['so sad', '', '我很高兴', 'so angry'];
    const { sent } = await flow.send('preprocess', { payload: texts });
    const results = sent[0]?.payload as Result[];
    expect(results.map(({ label }) => label)).to.deep.equal(['sad', null, 'happy', 'angry']);
    expect(results.map(({ source }) => source.text)).to.deep.equal(texts);
    expect((await flow.send('preprocess', { payload: [] })).sent[0]?.payload).to.deep.equal([]);
  });

  it('answer the same text from the cache', async () => {
    flow = await Flow.start([model, preprocess, infer]);
    const first = (await flow.send('preprocess', { payload: 'so sad' })).sent[0]?.payload as Result;
    const again = (await flow.send('preprocess', { payload: 'so sad' })).sent[0]?.payload as Result;
    expect([first.cached, again.cached]).to.deep.equal([false, true]);
    expect(again.scores).to.deep.equal(first.scores);
  });
});
