import { expect } from 'chai';
import fc from 'fast-check';
import {
  expectedCalibrationError,
  reliability,
  softmax,
  temperatureFor,
} from '../../lib/emotion/calibration';

describe('softmax', () => {
  it('gives the probabilities that NumPy gives', () => {
    // NumPy 2.4, float64: e = exp(x - x.max()); e / e.sum(), for x and for x / 2.5
    const logits = [1.5, -0.3, 2.2, 0];
    const reference = [0.29392903, 0.04858614, 0.59190039, 0.06558443];
    softmax(logits).forEach((p, i) => expect(p).to.be.closeTo(reference[i]!, 1e-8));
    const flatter = [0.2977348, 0.14492309, 0.39394179, 0.16340032];
    softmax(logits, 2.5).forEach((p, i) => expect(p).to.be.closeTo(flatter[i]!, 1e-8));
  });

  it('sums to 1 and keeps the order of any finite logits', () => {
    const logit = fc.double({ min: -1e300, max: 1e300, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(logit, { minLength: 1, maxLength: 9 }),
        fc.double({ min: 0.05, max: 20, noNaN: true }),
        (logits, temperature) => {
          const p = softmax(logits, temperature);
          expect(p.reduce((a, b) => a + b)).to.be.closeTo(1, 1e-12);
          const top = logits.indexOf(Math.max(...logits));
          expect(p[top]).to.equal(Math.max(...p));
        },
      ),
    );
  });

  it('takes -Infinity as a label that is ruled out', () => {
    expect(softmax([-Infinity, 3, 3])).to.deep.equal([0, 0.5, 0.5]);
  });

  it('refuses what is no logit and what is no temperature', () => {
    expect(() => softmax([1, NaN])).to.throw(RangeError, 'logit 1');
    expect(() => softmax([Infinity, 1])).to.throw(RangeError, 'logit 0');
    expect(() => softmax([-Infinity, -Infinity])).to.throw(RangeError, 'finite');
    for (const temperature of [0, -1, NaN, Infinity]) {
      expect(() => softmax([1, 2], temperature)).to.throw(RangeError, 'temperature');
    }
  });
});

describe('temperatureFor', () => {
  it('is the language’s own, and the most cautious one for any other language', () => {
    expect(temperatureFor(1.3, 'zh')).to.equal(1.3);
    expect(temperatureFor({ zh: 1.2, en: 1.6 }, 'zh')).to.equal(1.2);
    expect(temperatureFor({ zh: 1.2, en: 1.6 }, 'fr')).to.equal(1.6);
    expect(temperatureFor({ zh: 1.2, en: 1.6 })).to.equal(1.6);
  });
});

describe('expectedCalibrationError', () => {
  const times = (count: number, confidence: number, right: number) =>
    Array.from({ length: count }, (_, i) => ({ confidence, correct: i < right }));

  it('is the distance of confidence and accuracy when all fall into one bin', () => {
    expect(expectedCalibrationError(times(10, 0.9, 8))).to.be.closeTo(0.1, 1e-12);
  });

  it('weighs bins by how many predictions they hold', () => {
    // |0.5 − 0.55| × 20/50 + |1 − 0.8| × 30/50
    const predictions = [...times(20, 0.55, 10), ...times(30, 0.8, 30)];
    expect(expectedCalibrationError(predictions)).to.be.closeTo(0.02 + 0.12, 1e-12);
  });

  it('is 0 for none, and for confidences that come true', () => {
    expect(expectedCalibrationError([])).to.equal(0);
    expect(expectedCalibrationError(times(4, 0.75, 3))).to.equal(0);
  });

  it('puts a confidence on the border into the bin below it, and 0 into the first', () => {
    const bins = reliability(
      [0, 0.2, 0.2000001, 1].map((confidence) => ({ confidence, correct: true })),
      5,
    );
    expect(bins.map(({ count }) => count)).to.deep.equal([2, 1, 0, 0, 1]);
  });

  it('refuses a confidence that is no probability', () => {
    expect(() => expectedCalibrationError([{ confidence: 1.2, correct: true }])).to.throw(
      RangeError,
    );
  });
});
