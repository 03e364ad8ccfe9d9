import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { assertDistinctModalities, parseResult } from '../../lib/fusion/validate';
import { emptyResult, resultOf } from './results';

function refusal(value: unknown): EmotionError {
  try {
    parseResult(value);
  } catch (error) {
    expect(error).to.be.instanceOf(EmotionError);
    return error as EmotionError;
  }
  throw new Error('parseResult accepted what it must refuse');
}

describe('parseResult', () => {
  const good = resultOf('text', { happy: 0.7, sad: 0.3 });

  it('gives the very object back when it is in order', () => {
    expect(parseResult(good)).to.equal(good);
    const silence = emptyResult('audio', 'silence');
    expect(parseResult(silence)).to.equal(silence);
  });

  it('scales scores that were rounded on the way, and leaves the message alone', () => {
    const rounded = Object.freeze({ ...good, scores: Object.freeze({ happy: 0.71, sad: 0.3 }) });
    const parsed = parseResult(rounded);
    expect(parsed.scores.happy).to.be.closeTo(0.71 / 1.01, 1e-12);
    expect(parsed.score).to.equal(parsed.scores.happy);
    expect(rounded.scores.happy).to.equal(0.71);
  });

  const cases: readonly [string, unknown, string][] = [
    ['nothing', undefined, 'payload'],
    ['null', null, 'payload'],
    ['a text', 'happy', 'payload'],
    ['a number', 7, 'payload'],
    ['an array of Results', [good], 'payload'],
    ['a Buffer', Buffer.from('abc'), 'modality'],
    ['another schema', { emotion: 'happy', confidence: 0.9 }, 'modality'],
    ['another schema version', { ...good, schema: 2 }, 'schema'],
    ['a Fused', { ...good, modality: 'multimodal' }, 'modality'],
    ['an unknown modality', { ...good, modality: 'smell' }, 'modality'],
    ['an unknown label', { ...good, label: 'joy' }, 'label'],
    ['a missing label', { ...good, label: undefined }, 'label'],
    ['unknown labels in the scores', { ...good, scores: { happy: 0.7, joy: 0.3 } }, 'scores'],
    [
      'a prototype in the scores',
      JSON.parse(
        '{"modality":"text","label":"happy","score":1,"scores":{"happy":1,"__proto__":{}},"model":"m","runtime":"remote","cached":false,"latencyMs":1,"source":{}}',
      ),
      'scores',
    ],
    ['scores that are no object', { ...good, scores: [0.7, 0.3] }, 'scores'],
    ['no scores', { ...good, scores: undefined }, 'scores'],
    ['scores without the label', { ...good, scores: { sad: 0.5, fear: 0.5 } }, 'scores'],
    ['NaN', { ...good, scores: { happy: NaN, sad: 0.3 } }, 'scores.happy'],
    ['infinity', { ...good, scores: { happy: Infinity, sad: 0 } }, 'scores.happy'],
    ['a negative score', { ...good, scores: { happy: 1.2, sad: -0.2 } }, 'scores.sad'],
    ['a score that is a text', { ...good, scores: { happy: '0.7', sad: 0.3 } }, 'scores.happy'],
    ['scores that sum to 1.1', { ...good, scores: { happy: 0.7, sad: 0.4 } }, 'scores'],
    ['scores that sum to 0', { ...good, scores: { happy: 0, sad: 0 } }, 'scores'],
    ['logits', { ...good, scores: { happy: 3.1, sad: 0.2 } }, 'scores'],
    ['a score of another label', { ...good, score: 0.3 }, 'score'],
    ['a score that is NaN', { ...good, score: NaN }, 'score'],
    ['a null label without a reason', { ...good, label: null }, 'reason'],
    ['no model', { ...good, model: '' }, 'model'],
    ['an unknown runtime', { ...good, runtime: 'tensorflow' }, 'runtime'],
    ['a latency below zero', { ...good, latencyMs: -1 }, 'latencyMs'],
    ['cached that is a text', { ...good, cached: 'no' }, 'cached'],
    ['no source', { ...good, source: null }, 'source'],
  ];
  for (const [what, value, member] of cases) {
    it(`refuses ${what}, naming "${member}"`, () => {
      const error = refusal(value);
      expect(error.code).to.equal('fusion.not-a-result');
      expect(error.status).to.equal(422);
      expect(error.details['member']).to.equal(member);
      expect(error.message.length).to.be.below(300);
    });
  }

  it('does not repeat megabytes in its message', () => {
    const error = refusal({ ...good, label: 'x'.repeat(10_000_000) });
    expect(error.message.length).to.be.below(300);
  });

  it('takes a source of 10 MB without copying it', () => {
    const source = { text: 'x'.repeat(10_000_000) };
    const big = { ...good, source };
    expect(parseResult(big).source).to.equal(source);
  });
});

describe('assertDistinctModalities', () => {
  it('refuses the same modality twice', () => {
    const text = resultOf('text', { happy: 1 });
    expect(() => assertDistinctModalities([text, resultOf('audio', { sad: 1 }), text]))
      .to.throw(EmotionError, 'Two Results for "text"')
      .with.property('code', 'fusion.not-a-result');
    expect(() => assertDistinctModalities([text])).not.to.throw();
  });
});
