import { expect } from 'chai';
import { EMOTIONS, topLabel } from '../../lib/emotion/labels';
import {
  calibrated,
  fusedTemperature,
  TEMPERATURE_COEFFICIENTS,
} from '../../lib/fusion/fused-temperature';
import { POOL_TEMPERATURES } from '../../lib/fusion/pool-temperatures';
import { weightedVoteMethod } from '../../lib/fusion/weighted-vote';
import { resultOf } from './results';

const text = resultOf('text', { happy: 0.9, sad: 0.1 });
const audio = resultOf('audio', { happy: 0.5, sad: 0.5 });
const video = resultOf('video', { happy: 0.2, sad: 0.7, fear: 0.1 });

const zeros = (): number[] => Array.from({ length: TEMPERATURE_COEFFICIENTS }, () => 0);
const only = (index: number, value: number): number[] => zeros().with(index, value);

describe('fusedTemperature', () => {
  const fused = [0, 0.5, 0.25, 0.25, 0, 0, 0];
  const modalities = { text: [0, 0.9, 0.1, 0, 0, 0, 0], video: [0, 0.2, 0.2, 0.6, 0, 0, 0] };

  it('is 1 without coefficients', () => {
    expect(fusedTemperature(zeros(), fused, modalities)).to.equal(1);
  });

  it('reads the distribution, its entropy, the overlap, the subset and the leading score', () => {
    const logarithm = (index: number) =>
      Math.log(fusedTemperature(only(index, 2), fused, modalities));
    expect(logarithm(1)).to.be.closeTo(2 * 0.5, 1e-12);
    expect(logarithm(0)).to.equal(0);
    // −½ ln ½ − 2 · ¼ ln ¼ = 1.5 ln 2
    expect(logarithm(7)).to.be.closeTo((2 * 1.5 * Math.log(2)) / Math.log(7), 1e-12);
    // text: .5 + .1, video: .2 + .2 + .25
    expect(logarithm(8)).to.be.closeTo(2 * ((0.6 + 0.65) / 2), 1e-12);
    // text and video: 1 + 4
    for (let subset = 1; subset <= 7; subset += 1) {
      expect(logarithm(8 + subset)).to.equal(subset === 5 ? 2 : 0);
    }
    expect(logarithm(16)).to.be.closeTo(2 * Math.log(0.5), 1e-12);
  });

  it('computes what training computes', () => {
    // training.fusion.model.temperature_inputs in NumPy with a[i] = sin(i)
    const coefficients = Array.from({ length: TEMPERATURE_COEFFICIENTS }, (_, i) => Math.sin(i));
    const all = { ...modalities, audio: [0.3, 0.3, 0.1, 0.1, 0.1, 0.05, 0.05] };
    const fusedByAll = [0.1, 0.4, 0.2, 0.1, 0.05, 0.05, 0.1];
    expect(fusedTemperature(coefficients, fusedByAll, all)).to.be.closeTo(
      11.903545996558014,
      1e-12,
    );
  });
});

describe('calibrated', () => {
  it('divides the logarithms of the fused scores', async () => {
    // text and audio: 1 + 2
    const half = only(8 + 3, Math.log(0.5));
    const { scores, weights } = await calibrated(weightedVoteMethod(), half).combine([text, audio]);
    // .7² : .3² = .49 : .09
    expect(scores.happy).to.be.closeTo(0.49 / 0.58, 1e-12);
    expect(weights).to.deep.equal({ text: 0.5, audio: 0.5 });
  });

  it('leaves one modality alone as it is', async () => {
    const every = zeros().map(() => 3);
    const { scores } = await calibrated(weightedVoteMethod(), every).combine([text]);
    expect(scores).to.deep.equal({ happy: 0.9, sad: 0.1 });
  });

  it('never changes which label leads, with the temperatures that ship', async () => {
    const events = [
      [text, audio],
      [text, video],
      [audio, video],
      [text, audio, video],
    ];
    for (const coefficients of Object.values(POOL_TEMPERATURES)) {
      expect(coefficients).to.have.length(TEMPERATURE_COEFFICIENTS);
      for (const present of events) {
        const plain = await weightedVoteMethod().combine(present);
        const tempered = await calibrated(weightedVoteMethod(), coefficients).combine(present);
        expect(topLabel(tempered.scores)?.label).to.equal(topLabel(plain.scores)?.label);
        expect(tempered.scores).not.to.deep.equal(plain.scores);
        const sum = EMOTIONS.reduce((total, label) => total + (tempered.scores[label] ?? 0), 0);
        expect(sum).to.be.closeTo(1, 1e-12);
      }
    }
  });
});
