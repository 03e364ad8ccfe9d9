import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import type { ModelSummary } from '../../lib/models/registry';
import { childrenOf } from '../flows/node-red';
import { Flow, type FlowNodeDefinition, type Outcome } from './harness';

const model = { id: 'model', type: 'emotion-model', source: 'installed', model: 'slow-text' };
const preprocess: FlowNodeDefinition = {
  id: 'preprocess',
  type: 'emotion-preprocess-text',
  model: 'model',
  wires: [['infer']],
};
const infer: FlowNodeDefinition = { id: 'infer', type: 'emotion-infer', model: 'model' };

/** Out of the way of `emotion-infer`, to get at samples. */
const apart = { ...preprocess, wires: [['aside']] };

const SLOW = 'slow slow';
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const codes = (outcomes: Outcome[]) => outcomes.map(({ caught }) => caught[0]?.error.code);

describe('emotion-infer', () => {
  let flow: Flow;
  afterEach(() => flow.stop());

  /** Samples, so that messages reach the node at the same moment. */
  async function samples(texts: string[]): Promise<unknown[]> {
    const prepared = await flow.node('preprocess', { payload: texts });
    return prepared.payload as unknown[];
  }

  async function sendAll(texts: string[]): Promise<Outcome[]> {
    const payloads = await samples(texts);
    return Promise.all(payloads.map((payload) => flow.send('infer', { payload })));
  }

  it('lets messages wait up to the limit', async () => {
    flow = await Flow.start([
      { ...model, maxBatch: 1 },
      apart,
      { ...infer, queuePolicy: 'queue', queueLimit: 2 },
    ]);
    const outcomes = await sendAll(Array.from({ length: 12 }, (_, index) => `${SLOW} ${index}`));
    const full = codes(outcomes).filter((code) => code === 'queue.full');
    const answered = outcomes.filter(({ sent }) => sent.length === 1);
    expect(full.length).to.be.above(0);
    expect(full.length + answered.length).to.equal(12);
  });

  it('lets the latest message take the place of those that wait', async () => {
    flow = await Flow.start([
      { ...model, maxBatch: 1 },
      apart,
      { ...infer, queuePolicy: 'latest' },
    ]);
    const outcomes = await sendAll(Array.from({ length: 12 }, (_, index) => `${SLOW} ${index}`));
    expect(outcomes.at(-1)?.sent).to.have.length(1);
    const superseded = codes(outcomes).filter((code) => code === 'queue.superseded');
    expect(superseded.length).to.be.within(1, 11);
  });

  it('rejects what cannot start at once', async () => {
    flow = await Flow.start([
      { ...model, maxBatch: 1 },
      apart,
      { ...infer, queuePolicy: 'reject' },
    ]);
    const outcomes = await sendAll([SLOW, `${SLOW} 2`, `${SLOW} 3`]);
    expect(outcomes[0]?.sent).to.have.length(1);
    expect(codes(outcomes).slice(1)).to.include('queue.full');
    expect((await sendAll([`${SLOW} 4`]))[0]?.sent).to.have.length(1);
  });

  it('counts an array as one message', async () => {
    flow = await Flow.start([
      { ...model, maxBatch: 1 },
      apart,
      { ...infer, queuePolicy: 'queue', queueLimit: 1 },
    ]);
    const payload = await samples(Array.from({ length: 20 }, (_, index) => `slow ${index}`));
    const { sent } = await flow.send('infer', { payload });
    expect(sent[0]?.payload).to.have.length(20);
  });

  it('msg.reset fails what is in progress; the next message is answered', async () => {
    flow = await Flow.start([{ ...model, maxBatch: 1 }, apart, infer]);
    const payloads = await samples(Array.from({ length: 6 }, (_, index) => `${SLOW} ${index}`));
    const pending = payloads.map((payload) => flow.send('infer', { payload }));
    await sleep(50);
    expect((await flow.send('infer', { reset: true })).completed).to.deep.equal(['infer']);
    const outcomes = await Promise.all(pending);
    expect(codes(outcomes)).to.include('queue.reset');
    for (const { sent, caught } of outcomes) expect(sent.length + caught.length).to.equal(1);
    expect((await sendAll(['so sad']))[0]?.sent).to.have.length(1);
  });

  it('stops within the time that Node-RED gives, although a run hangs', async () => {
    flow = await Flow.start([{ ...model, maxBatch: 1 }, apart, infer]);
    const [payload] = await samples(['slow '.repeat(120)]);
    void flow.send('infer', { payload });
    await sleep(100);
    const from = performance.now();
    await flow.deploy([]);
    expect(performance.now() - from).to.be.below(5_000);
    expect(await childrenOf(process.pid)).to.deep.equal([]);
  });

  it('shares one child process between the nodes of a configuration', async () => {
    const nodes = Array.from({ length: 10 }, (_, index) => ({
      ...infer,
      id: `infer-${index}`,
      wires: [['aside']],
    }));
    flow = await Flow.start([model, apart, ...nodes, infer]);
    const [payload] = await samples(['so sad']);
    for (const { id } of nodes) await flow.node(id, { payload });
    expect(await childrenOf(process.pid)).to.have.length(1);
  });

  it('marks what it is not sure of', async () => {
    const sure = { ...model, model: 'tiny-text' };
    flow = await Flow.start([sure, preprocess, { ...infer, threshold: '0.9' }]);
    const { sent } = await flow.send('preprocess', { payload: 'I am happy' });
    expect(sent[0]?.payload).to.include({ label: 'happy', uncertain: true });
    await flow.deploy([sure, preprocess, { ...infer, threshold: 0.1 }]);
    const certain = await flow.send('preprocess', { payload: 'I am happy' });
    expect(certain.sent[0]?.payload).not.to.have.property('uncertain');
  });

  it('reports the words that counted most', async () => {
    flow = await Flow.start([
      { ...model, model: 'tiny-text' },
      preprocess,
      { ...infer, topK: '1' },
    ]);
    const { sent } = await flow.send('preprocess', { payload: 'I am so happy' });
    const { segments } = sent[0]?.payload as Result;
    expect(segments?.[0]?.tokens?.map(({ text }) => text)).to.deep.equal(['happy']);
  });

  it('lists the models on demand, whatever the message holds', async () => {
    flow = await Flow.start([{ ...model, model: 'tiny-text' }, preprocess, infer]);
    const { sent } = await flow.send('infer', { action: 'getModels', topic: 'kept' });
    const models = sent[0]?.payload as ModelSummary[];
    expect(models.map(({ id }) => id)).to.include.members([
      'tiny-text',
      'tiny-conv',
      'text-bilstm',
    ]);
    for (const entry of models) {
      expect(entry).to.include.keys('modality', 'architecture', 'labels', 'licence', 'bytes');
      expect(entry).not.to.have.property('folder');
    }
    expect(sent[0]?.topic).to.equal('kept');
  });
});

describe('emotion-preprocess-text', () => {
  let flow: Flow;
  afterEach(() => flow.stop());
  const tiny = { ...model, model: 'tiny-text' };
  const alone = { ...preprocess, wires: [['out']] };

  async function prepare(text: string, settings: object, message: object = {}) {
    flow = await Flow.start([tiny, { ...alone, ...settings }]);
    const { sent } = await flow.send('preprocess', { payload: text, ...message });
    return sent[0]?.payload as import('../../lib/emotion/sample').TextSample;
  }

  it('shows what it did', async () => {
    const { features, source } = await prepare('I was not happy at all.', {});
    const [sentence] = features!.sentences;
    expect(source.language).to.equal('en');
    expect(sentence?.words).to.include.members(['not', 'happy']);
    expect(sentence?.stems).to.include('not').and.not.to.include('at');
    expect(sentence?.removed).to.include('at');
    expect(sentence?.cues.map(({ rule, cue }) => [rule, cue])).to.deep.include(['negation', 'not']);
  });

  it('keeps every word, or leaves out those of one’s own', async () => {
    const kept = await prepare('the sad table', { stopWords: 'none' });
    expect(kept.features?.sentences[0]?.removed).to.deep.equal([]);
    await flow.stop();
    const own = await prepare('the sad table', {
      stopWords: 'custom',
      customStopWords: 'table\nsad，桌',
    });
    expect(own.features?.sentences[0]?.removed).to.deep.equal(['table']);
  });

  it('makes a row of each sentence where that is set', async () => {
    const { segments } = await prepare('I am happy. You are sad!', { split: 'sentence' });
    expect(segments.map(({ text }) => text?.trim())).to.deep.equal(['I am happy.', 'You are sad!']);
  });

  const languages: [string, object, object, string][] = [
    ['detects it', {}, {}, 'en'],
    ['takes the one of the message', {}, { language: 'zh' }, 'zh'],
    ['takes a longer name for it', {}, { language: 'zh-CN' }, 'zh'],
    ['does not mind one that it does not know', {}, { language: 'fr' }, 'en'],
    ['prefers the one that is set', { language: 'zh' }, { language: 'en' }, 'zh'],
  ];
  for (const [name, settings, message, language] of languages) {
    it(`language: ${name}`, async () => {
      const { source } = await prepare('I am happy', settings, message);
      expect(source.language).to.equal(language);
    });
  }
});
