import { expect } from 'chai';
import {
  ATTENTION_FEATURES,
  ATTENTION_HIDDEN,
  attention,
  attentionFeatures,
  attentionForward,
  type AttentionParameters,
} from '../../lib/fusion/attention';
import { EMOTIONS } from '../../lib/emotion/labels';
import { EmotionError } from '../../lib/emotion/error';
import { resultOf } from './results';

const fill = (length: number, f: (i: number) => number): Float64Array =>
  Float64Array.from({ length }, (_, i) => f(i));

const parameters: AttentionParameters = {
  hiddenWeight: fill(ATTENTION_HIDDEN * ATTENTION_FEATURES, (i) => Math.sin(i * 0.37) * 0.3),
  hiddenBias: fill(ATTENTION_HIDDEN, (i) => Math.cos(i * 1.1) * 0.2),
  scoreWeight: fill(ATTENTION_HIDDEN, (i) => Math.sin(i * 0.7 + 1) * 0.5),
  scoreBias: 0.1,
  value: {
    weight: fill(3 * 49, (i) => Math.sin(i * 0.53) * 0.4),
    bias: fill(21, (i) => Math.cos(i * 0.9) * 0.2),
    coefficients: fill(17, (i) => Math.sin(i * 1.3) * 0.3),
  },
};

const text = resultOf('text', {
  neutral: 0.1,
  happy: 0.6,
  sad: 0.05,
  angry: 0.05,
  fear: 0.05,
  disgust: 0.05,
  surprise: 0.1,
});
const video = resultOf('video', { neutral: 0.2, happy: 0.1, sad: 0.4, angry: 0.3 });

async function rejection(promise: Promise<unknown>): Promise<EmotionError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(EmotionError);
  return error as EmotionError;
}

describe('attention', () => {
  it('computes what the same network computes in NumPy', async () => {
    // Linear(25, 64) → tanh → Linear(64, 1) → softmax over text and video; values; temperature
    const { weights, scores } = await attention([text, video], attentionForward(parameters));
    expect(weights.text).to.be.closeTo(0.38876738062468164, 1e-6);
    expect(weights.video).to.be.closeTo(0.6112326193753183, 1e-6);
    expect(weights).not.to.have.property('audio');
    const expected = [
      0.0003282818555494704, 0.12851441798492166, 0.012821557274079761, 0.0007124712971429998,
      0.497083791829242, 0.0001475333839383797, 0.3603919463751257,
    ];
    EMOTIONS.forEach((label, i) => {
      expect(scores[label]).to.be.closeTo(expected[i] ?? NaN, 1e-6);
    });
  });

  it('averages the scores with the weights where the network has no values', async () => {
    const { hiddenWeight, hiddenBias, scoreWeight, scoreBias } = parameters;
    const network = attentionForward({ hiddenWeight, hiddenBias, scoreWeight, scoreBias });
    const one = resultOf('text', { happy: 0.9, sad: 0.1 });
    const other = resultOf('audio', { happy: 0.2, sad: 0.8 });
    const { weights, scores } = await attention([one, other], network);
    expect(scores.happy).to.be.closeTo(
      0.9 * (weights.text ?? NaN) + 0.2 * (weights.audio ?? NaN),
      1e-12,
    );
  });

  it('gives a modality that is alone all the weight', async () => {
    for (const result of [text, video]) {
      const { weights } = await attention([result], attentionForward(parameters));
      expect(weights).to.deep.equal({ [result.modality]: 1 });
    }
  });

  it('leaves out labels that no modality knows', async () => {
    const { scores } = await attention([video], attentionForward(parameters));
    expect(Object.keys(scores)).to.deep.equal(['neutral', 'happy', 'sad', 'angry']);
    expect(Object.values(scores).reduce((a, b) => a + b)).to.be.closeTo(1, 1e-12);
  });

  it('lays the features out as documented', () => {
    const { features, present, logScores } = attentionFeatures([text, video]);
    expect(ATTENTION_FEATURES).to.equal(25);
    expect([...present]).to.deep.equal([1, 0, 1]);
    const row = [...features.subarray(2 * 25, 3 * 25)].map((x) => Math.round(x * 1e4) / 1e4);
    const entropy = -(
      0.2 * Math.log(0.2) +
      0.1 * Math.log(0.1) +
      0.4 * Math.log(0.4) +
      0.3 * Math.log(0.3)
    );
    expect(row.slice(0, 7)).to.deep.equal([0.2, 0.1, 0.4, 0.3, 0, 0, 0]);
    expect(row.slice(7, 14)).to.deep.equal([1, 1, 1, 1, 0, 0, 0]);
    expect(row.slice(14, 21)).to.deep.equal([0.1, 0.6, 0.05, 0.05, 0.05, 0.05, 0.1]);
    expect(row.slice(21, 24)).to.deep.equal([0, 0, 1]);
    expect(row[24]).to.be.closeTo(entropy / Math.log(7), 1e-4);
    expect([...features.subarray(25, 50)].every((x) => x === 0)).to.equal(true);
    expect(logScores[14 + 2]).to.be.closeTo(Math.log(0.4), 1e-6);
    expect(logScores[14 + 6]).to.equal(0);
  });

  it('refuses a network whose answer is broken', async () => {
    const broken: [ArrayLike<number>, ArrayLike<number> | undefined][] = [
      [[NaN, 0, 1], undefined],
      [[0.5, 0, 0.9], undefined],
      [[-0.1, 0, 1.1], undefined],
      [[], undefined],
      [
        [0.5, 0, 0.5],
        [1, 2, NaN, 1, 1, 1, 1],
      ],
      [[0.5, 0, 0.5], [1]],
    ];
    for (const [weights, logits] of broken) {
      const output = logits === undefined ? { weights } : { weights, logits };
      const error = await rejection(attention([text, video], () => output));
      expect(error.code).to.equal('engine.failed');
    }
  });

  it('refuses parameters of another shape', () => {
    expect(() => attentionForward({ ...parameters, hiddenBias: [1, 2] }))
      .to.throw(EmotionError, '"hiddenBias" must hold 64 numbers, got 2')
      .with.property('code', 'model.inputs-mismatch');
  });
});
