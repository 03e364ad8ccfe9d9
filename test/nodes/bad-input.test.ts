import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import type { Result } from '../../lib/emotion/result';
import { Flow, type FlowNodeDefinition, type Outcome } from './harness';

const model = { id: 'model', type: 'emotion-model', source: 'installed', model: 'tiny-text' };
const preprocess: FlowNodeDefinition = {
  id: 'preprocess',
  type: 'emotion-preprocess-text',
  model: 'model',
  wires: [['infer']],
};
const infer: FlowNodeDefinition = { id: 'infer', type: 'emotion-infer', model: 'model' };

/** Caught once, not sent, and with words for a person and a code for a flow. */
function expectCaught({ sent, caught, completed }: Outcome, code: string, from: string): void {
  expect(caught.map(({ error }) => error.code)).to.deep.equal([code]);
  expect(caught[0]?.error.source.id).to.equal(from);
  expect(caught[0]?.error.message).to.be.a('string').and.not.contain('Error:');
  expect(caught[0]?.error.cause?.code).to.equal(code);
  expect(completed).not.to.include(from);
  expect(sent).to.deep.equal([]);
}

function resultOf({ sent, caught }: Outcome): Result {
  expect(caught).to.deep.equal([]);
  expect(sent).to.have.length(1);
  return sent[0]?.payload as Result;
}

const scoreSum = ({ scores }: Result) => Object.values(scores).reduce((sum, one) => sum + one, 0);

describe('a text flow that gets what it should not', () => {
  let flow: Flow;
  before(async () => {
    flow = await Flow.start([model, preprocess, infer]);
  });
  after(() => flow.stop());

  afterEach('a good message passes', async () => {
    const result = resultOf(await flow.send('preprocess', { payload: 'I am happy' }));
    expect(result.label).to.equal('happy');
  });

  const wrong: [string, NodeMessage, string][] = [
    ['no property', {}, 'input.property-missing'],
    ['undefined', { payload: undefined }, 'input.property-missing'],
    ['null', { payload: null }, 'input.wrong-type'],
    ['a number', { payload: 42 }, 'input.wrong-type'],
    ['NaN', { payload: NaN }, 'input.wrong-type'],
    ['a boolean', { payload: false }, 'input.wrong-type'],
    ['a date', { payload: new Date() }, 'input.wrong-type'],
    ['an object', { payload: { text: 'I am happy' } }, 'input.wrong-type'],
    ['an object without a prototype', { payload: Object.create(null) }, 'input.wrong-type'],
    ['a buffer that is not UTF-8', { payload: Buffer.from([0xff, 0xfe, 0x00]) }, 'input.unusable'],
    ['an array with a number in it', { payload: ['fine', 7] }, 'input.wrong-type'],
    ['an array in an array', { payload: [['fine']] }, 'input.wrong-type'],
  ];
  for (const [name, message, code] of wrong) {
    it(`catches ${name}`, async () => {
      expectCaught(await flow.send('preprocess', message), code, 'preprocess');
    });
  }

  it('names the item of an array that is wrong', async () => {
    const { caught } = await flow.send('preprocess', { payload: ['fine', 7] });
    expect(caught[0]?.error.message).to.contain('item 1').and.contain('number 7');
  });

  const empty: [string, string][] = [
    ['an empty text', ''],
    ['white space', ' \t\r\n\u3000\u00a0 '],
    ['zero-width marks alone', '\u200b\u200d\ufeff\u2060'],
  ];
  for (const [name, payload] of empty) {
    it(`answers ${name} with no label and the reason`, async () => {
      const result = resultOf(await flow.send('preprocess', { payload }));
      expect(result).to.include({ label: null, reason: 'empty-text', score: 0 });
      expect(result.scores).to.deep.equal({});
    });
  }

  const odd: [string, string, (string | undefined)?][] = [
    ['lone surrogates', 'so \ud800 happy \udc00\udfff', 'happy'],
    ['NUL bytes', 'happy\u0000\u0000happy', undefined],
    ['marks that turn the direction', '\u202eso happy\u202c \u2067so happy\u2069', undefined],
    ['zero-width marks between words', 'so \u200bhappy\u200d', 'happy'],
    ['control characters', 'so\u0007 \u001b[31mhappy', undefined],
    ['the model’s own special tokens', '[CLS] [SEP] [PAD] [MASK] happy', 'happy'],
    ['markup', '<script>alert(1)</script> ${x} {{y}} __proto__', undefined],
  ];
  for (const [name, payload, label] of odd) {
    it(`gives a whole answer for ${name}`, async () => {
      const result = resultOf(await flow.send('preprocess', { payload }));
      expect(result.label).to.be.a('string');
      if (label) expect(result.label).to.equal(label);
      expect(scoreSum(result)).to.be.closeTo(1, 1e-6);
      expect(result.source.text).to.equal(payload);
    });
  }

  it('reads a buffer of UTF-8 as the text that it holds', async () => {
    const payload = Buffer.from('很高兴 happy');
    const result = resultOf(await flow.send('preprocess', { payload }));
    expect(result).to.include({ label: 'happy' });
    expect(result.source.text).to.equal('很高兴 happy');
    expect(payload.toString()).to.equal('很高兴 happy');
  });

  it('comes to an end with 5 MB of text', async function () {
    this.timeout(120_000);
    const payload = 'I am so happy today. '.repeat(250_000);
    expect(payload.length).to.be.above(5e6);
    const outcome = await flow.send('preprocess', { payload });
    const result = resultOf(outcome);
    expect(result.label).to.equal('happy');
  });

  it('comes to an end with 5 MB without a single blank', async function () {
    this.timeout(120_000);
    const outcome = await flow.send('preprocess', { payload: '啊'.repeat(1_750_000) });
    expect(scoreSum(resultOf(outcome))).to.be.closeTo(1, 1e-6);
  });

  it('answers 10,000 texts in their order', async function () {
    this.timeout(120_000);
    const moods = ['happy', 'sad', 'angry'];
    const payload = Array.from({ length: 10_000 }, (_, index) => `${moods[index % 3]} ${index}`);
    const results = resultOf(await flow.send('preprocess', { payload })) as unknown as Result[];
    expect(results).to.have.length(10_000);
    results.forEach(({ label, source }, index) => {
      expect(source.text).to.equal(payload[index]);
      expect(label).to.equal(moods[index % 3]);
    });
  });

  const noSample: [string, unknown, string][] = [
    ['a string', 'I am happy', 'input.not-a-sample'],
    ['null', null, 'input.not-a-sample'],
    ['a number', 5, 'input.not-a-sample'],
    ['a result', { modality: 'text', label: 'happy', scores: {} }, 'input.not-a-sample'],
    ['an array of strings', ['I am happy'], 'input.not-a-sample'],
    [
      'a sample without its tensors',
      { modality: 'text', model: 'tiny-text', tensors: {}, segments: [{}], source: {} },
      'input.not-a-sample',
    ],
    [
      'a sample whose tensor lost its data in JSON',
      {
        modality: 'text',
        model: 'tiny-text',
        tensors: {
          input_ids: { type: 'int64', dims: [1, 2], data: { 0: 2, 1: 3 } },
          attention_mask: { type: 'int64', dims: [1, 2], data: { 0: 1, 1: 1 } },
        },
        segments: [{}],
        source: {},
      },
      'input.not-a-sample',
    ],
    [
      'a sample for another model',
      { modality: 'text', model: 'tiny-conv', tensors: {}, segments: [{}], source: {} },
      'input.wrong-model',
    ],
  ];
  for (const [name, payload, code] of noSample) {
    it(`emotion-infer catches ${name}`, async () => {
      expectCaught(await flow.send('infer', { payload }), code, 'infer');
    });
  }

  it('gives its answers to whom they belong when good and bad messages mix', async function () {
    this.timeout(120_000);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        flow.send('preprocess', { payload: index % 4 === 0 ? index : `sad ${index}`, index }),
      ),
    );
    outcomes.forEach((outcome, index) => {
      if (index % 4 === 0) {
        expectCaught(outcome, 'input.wrong-type', 'preprocess');
        expect(outcome.caught[0]).to.include({ index, payload: index });
      } else {
        expect(resultOf(outcome).source.text).to.equal(`sad ${index}`);
        expect(outcome.sent[0]).to.include({ index });
      }
    });
  });
});

describe('a text flow whose property is wrong', () => {
  let flow: Flow;
  afterEach(() => flow.stop());

  for (const property of ['a.b.c', 'payload.text', 'payload[', '']) {
    it(`"${property}"`, async () => {
      flow = await Flow.start([model, { ...preprocess, property, propertyType: 'msg' }, infer]);
      const outcome = await flow.send('preprocess', { payload: 'I am happy' });
      if (property === '') expect(outcome.sent).to.have.length(1);
      else expectCaught(outcome, 'input.property-missing', 'preprocess');
    });
  }

  it('works on a property inside the payload', async () => {
    const property = 'payload.user.words';
    flow = await Flow.start([model, { ...preprocess, property }, { ...infer, property }]);
    const { sent } = await flow.send('preprocess', {
      payload: { user: { words: 'so sad', id: 7 }, at: 1 },
    });
    const payload = sent[0]?.payload as { user: { words: Result; id: number }; at: number };
    expect(payload.user.words.label).to.equal('sad');
    expect([payload.user.id, payload.at]).to.deep.equal([7, 1]);
  });

  it('works on context', async () => {
    const context = { property: 'mood', propertyType: 'flow' };
    flow = await Flow.start([model, { ...preprocess, ...context }, { ...infer, ...context }]);
    flow.context('preprocess').flow.set('mood', 'so angry');
    const { sent } = await flow.send('preprocess', { payload: 'untouched' });
    expect(sent[0]?.payload).to.equal('untouched');
    expect((flow.context('infer').flow.get('mood') as Result).label).to.equal('angry');
  });
});
