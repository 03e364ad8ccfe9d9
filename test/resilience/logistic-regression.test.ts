import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { EmotionError } from '../../lib/emotion/error';
import { EMOTIONS } from '../../lib/emotion/labels';
import { LogisticRegression, MOST_BYTES } from '../../lib/resilience/logistic-regression';
import { anyText } from './any-text';
import { safetensorsFile } from './safetensors-file';
import { FEATURES, TEXTS } from './sklearn-reference';

const SPECIFICATION = {
  schema: 1,
  id: 'fallback-text',
  modality: 'text',
  labels: EMOTIONS as readonly string[],
  input: {
    kind: 'ngrams',
    blocks: [
      { analyzer: 'char', range: [1, 3], features: 512 },
      { analyzer: 'word', range: [1, 2], features: 256 },
    ],
  },
  temperature: 1.5 as unknown,
};

function textModel(change: object = {}, tensors: object = {}): Buffer {
  return safetensorsFile(
    {
      weight: {
        shape: [768, 7],
        data: Int8Array.from({ length: 768 * 7 }, (_, i) => ((i * 7919) % 255) - 127),
      },
      scale: { shape: [7], data: Float32Array.of(0.01, 0.02, 0.015, 0.012, 0.03, 0.011, 0.02) },
      bias: { shape: [7], data: Float32Array.of(0.1, -0.2, 0.3, 0, -0.1, 0.05, 0) },
      ...tensors,
    },
    { emotion: JSON.stringify({ ...SPECIFICATION, ...change }) },
  );
}

function denseModel(): LogisticRegression {
  const { mean, std, weight, bias } = FEATURES;
  const file = safetensorsFile(
    {
      weight: { shape: [4, 3], data: Float32Array.from(weight.flat()) },
      bias: { shape: [3], data: Float32Array.from(bias) },
      mean: { shape: [4], data: Float32Array.from(mean) },
      std: { shape: [4], data: Float32Array.from(std) },
    },
    {
      emotion: JSON.stringify({
        schema: 1,
        id: 'fallback-audio',
        modality: 'audio',
        labels: ['neutral', 'happy', 'sad'],
        input: { kind: 'dense', features: ['a', 'b', 'c', 'd'] },
        temperature: 1,
      }),
    },
  );
  return new LogisticRegression(file, 'fallback-audio.safetensors');
}

const model = new LogisticRegression(textModel(), 'fallback-text.safetensors');

describe('logistic regression on texts', () => {
  for (const { text, count, scores } of TEXTS) {
    it(`answers as scikit-learn does for ${JSON.stringify(text.slice(0, 30))}`, () => {
      const ours = model.classifyText(text);
      if (count === 0) {
        expect(ours).to.equal(null);
        return;
      }
      EMOTIONS.forEach((label, i) => {
        expect(ours?.[label]).to.be.closeTo(scores[i] ?? NaN, 1e-12);
      });
    });
  }

  it('answers any string with scores that sum to 1, or with null', () => {
    const hostile = [
      '\u0000'.repeat(100_000),
      'x'.repeat(10_000_000),
      '\ud800'.repeat(10_000),
      'a\u0301'.repeat(100_000),
      '\ufdfa'.repeat(100_000),
      '\u202e'.repeat(5000),
      '{"__proto__": 1}',
      '<script>alert(1)</script>',
    ];
    for (const text of hostile) expectScores(model, text);
    fc.assert(fc.property(anyText(400), (text) => expectScores(model, text)));
  });

  it('takes the temperature of the language', () => {
    const byLanguage = new LogisticRegression(textModel({ temperature: { zh: 1.5, en: 3 } }), 'f');
    expect(byLanguage.classifyText('很开心', 'zh')).to.deep.equal(model.classifyText('很开心'));
    const cautious = byLanguage.classifyText('很开心', 'en') ?? {};
    const bold = byLanguage.classifyText('很开心', 'zh') ?? {};
    expect(Math.max(...Object.values(cautious))).to.be.below(Math.max(...Object.values(bold)));
  });

  it('does not take features', () => {
    expect(() => model.classifyFeatures([1, 2]))
      .to.throw(EmotionError, 'reads a text, got dense features')
      .with.property('code', 'model.inputs-mismatch');
  });
});

describe('logistic regression on features', () => {
  const dense = denseModel();

  it('answers as scikit-learn does', () => {
    const ours = Object.values(dense.classifyFeatures(FEATURES.sample));
    FEATURES.scores.forEach((score, i) => expect(ours[i]).to.be.closeTo(score, 1e-6));
  });

  it('hears nothing in a feature that is not finite', () => {
    const [a = 0, , c = 0, d = 0] = FEATURES.sample;
    for (const unknown of [NaN, Infinity, -Infinity]) {
      const ours = Object.values(dense.classifyFeatures([a, unknown, c, d]));
      FEATURES.secondUnknown.forEach((score, i) => expect(ours[i]).to.be.closeTo(score, 1e-6));
    }
  });

  it('keeps a broken value from deciding alone', () => {
    const [a = 0, b = 0, c = 0] = FEATURES.sample;
    const far = dense.classifyFeatures([a, b, c, 1e300]);
    const edge = dense.classifyFeatures([a, b, c, 3.0178 + 10 * 3.5114]);
    expect(far.neutral).to.be.closeTo(edge.neutral ?? NaN, 1e-3);
  });

  it('refuses what it cannot use', () => {
    expect(() => dense.classifyFeatures([NaN, NaN, NaN, NaN]))
      .to.throw(EmotionError)
      .with.property('code', 'input.unusable');
    for (const attempt of [() => dense.classifyFeatures([1, 2]), () => dense.classifyText('a')]) {
      expect(attempt).to.throw(EmotionError).with.property('code', 'model.inputs-mismatch');
    }
  });
});

describe('a logistic-regression file', () => {
  const cases: readonly [string, Buffer, string][] = [
    ['too big', Buffer.alloc(MOST_BYTES + 1), '"size"'],
    ['not safetensors', Buffer.from('not a model at all'), 'safetensors'],
    ['without a specification', safetensorsFile({}), '"__metadata__.emotion"'],
    ['of another schema', textModel({ schema: 2 }), '__metadata__.emotion.schema'],
    ['with an unknown label', textModel({ labels: ['happy', 'joy'] }), 'emotion.labels.1'],
    ['with a label twice', textModel({ labels: ['happy', 'happy'] }), 'emotion.labels'],
    ['with an unknown member', textModel({ hue: 1 }), '__metadata__.emotion'],
    ['without a temperature', textModel({ temperature: {} }), 'emotion.temperature'],
    ['with fewer labels than columns', textModel({ labels: ['happy', 'sad'] }), '[768, 2]'],
    ['without a bias', textModel({}, { bias: { shape: [0], data: new Float32Array() } }), '"bias"'],
    [
      'with a bias of another type',
      textModel({}, { bias: { shape: [7], data: new Int8Array(7) } }),
      'type F32',
    ],
    [
      'with NaN',
      textModel({}, { bias: { shape: [7], data: new Float32Array(7).fill(NaN) } }),
      'finite numbers',
    ],
  ];
  for (const [what, bytes, expected] of cases) {
    it(`${what} is refused`, () => {
      expect(() => new LogisticRegression(bytes, 'model.safetensors'))
        .to.throw(EmotionError, expected)
        .with.property('code', 'model.load-failed');
    });
  }
});

describe('the fallback on a bare machine', () => {
  it('answers where ONNX Runtime, child processes and workers cannot be loaded', () => {
    const script = `
      const Module = require('node:module');
      const load = Module._load;
      Module._load = (request, ...rest) => {
        if (/onnxruntime|child_process|worker_threads|piscina/.test(request)) {
          throw new Error('not on this machine: ' + request);
        }
        return load(request, ...rest);
      };
      const { LogisticRegression } = require(process.argv[1]);
      const chunks = [];
      process.stdin.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
        const model = new LogisticRegression(Buffer.concat(chunks), 'stdin');
        console.log(JSON.stringify(model.classifyText('很开心')));
      });`;
    const path = join(__dirname, '../../lib/resilience/logistic-regression.js');
    const output = execFileSync(process.execPath, ['-e', script, path], {
      input: textModel(),
      encoding: 'utf8',
    });
    expect(JSON.parse(output)).to.deep.equal(model.classifyText('很开心'));
  });
});

function expectScores(of: LogisticRegression, text: string): void {
  const scores = of.classifyText(text);
  if (scores === null) return;
  const sum = Object.values(scores).reduce((a, b) => a + b, 0);
  expect(sum).to.be.closeTo(1, 1e-9);
}
