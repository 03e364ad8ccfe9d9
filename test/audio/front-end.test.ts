import { readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { expect } from 'chai';
import Meyda from 'meyda';
import { delta, mfcc } from '../../lib/audio/cepstrum';
import {
  DEFAULT_FRONT_END,
  FrontEnd,
  frameCount,
  limitRange,
  sampleCount,
} from '../../lib/audio/log-mel';
import { hzToMel, MelFilterBank, melToHz } from '../../lib/audio/mel';
import { Spectrum } from '../../lib/audio/spectrum';
import { packageRoot } from '../../lib/models/package-root';
import { noise, referenceSignal, silence, tone } from './signal';

interface Reference {
  signal: number[];
  logMel: Record<'slaney' | 'htk', number[][]>;
  bank: Record<'slaney' | 'htk', number[][]>;
  mfcc: number[][];
  mfccTopDb: number[][];
  delta: number[][];
  delta2: number[][];
  chroma: number[][];
  centroid: number[];
}

const reference = JSON.parse(
  readFileSync(joinPath(packageRoot(), 'test/audio/librosa-reference.json'), 'utf8'),
) as Reference;

/** The largest difference between `[rows, frames]` row major and rows of numbers. */
function worst(got: ArrayLike<number>, wanted: readonly (readonly number[])[]): number {
  const flat = wanted.flat();
  expect(got.length).to.equal(flat.length);
  return flat.reduce((most, value, i) => Math.max(most, Math.abs(value - (got[i] ?? NaN))), 0);
}

const FROM_ZERO = { ...DEFAULT_FRONT_END, minHz: 0 };

describe('the front end, against librosa', () => {
  const signal = referenceSignal();

  it('starts from the same signal', () => {
    expect(worst(signal.subarray(0, 5), [reference.signal])).to.be.lessThan(1e-7);
  });

  for (const scale of ['slaney', 'htk'] as const) {
    const norm = scale === 'slaney' ? 'area' : 'none';

    it(`builds the ${scale} filter bank`, () => {
      const bank = new MelFilterBank({ sampleRateHz: 16_000, fftSize: 512, bands: 40, minHz: 0, maxHz: 7600, scale, norm }); // prettier-ignore
      const matrix = bank.toMatrix();
      for (const [band, [first = 0, ...weights]] of reference.bank[scale].entries()) {
        const row = new Array<number>(257).fill(0);
        for (const [i, weight] of weights.entries()) row[first + i] = weight;
        expect(worst(matrix[band] ?? [], [row]), `band ${band}`).to.be.lessThan(1e-6);
      }
      expect(bank.emptyBands).to.equal(0);
    });

    it(`computes the ${scale} log-mel spectrogram within 1e-3 dB`, () => {
      const { logMel, frames } = new FrontEnd({ ...DEFAULT_FRONT_END, scale, norm }).analyse(
        signal,
      );
      expect(frames).to.equal(11);
      expect(worst(logMel, reference.logMel[scale])).to.be.lessThan(1e-3);
    });
  }

  it('computes MFCC and both deltas within 1e-3', () => {
    const { logMel } = new FrontEnd(FROM_ZERO).analyse(signal);
    const coefficients = mfcc(logMel, 128, 40);
    expect(worst(coefficients, reference.mfcc)).to.be.lessThan(1e-3);
    expect(worst(delta(coefficients, 40), reference.delta)).to.be.lessThan(1e-3);
    expect(worst(delta(coefficients, 40, 2), reference.delta2)).to.be.lessThan(1e-3);
    expect(worst(mfcc(limitRange(logMel, 30), 128, 13), reference.mfccTopDb)).to.be.lessThan(1e-3);
  });

  it('computes chroma within 1e-3, and the spectral centroid but for Meyda’s missing last bin', () => {
    const { chroma, shapes } = new FrontEnd(FROM_ZERO).analyse(signal, {
      chroma: true,
      shapes: true,
    });
    expect(worst(chroma ?? [], reference.chroma)).to.be.lessThan(1e-3);
    expect(worst(shapes?.map((shape) => shape.centroidHz) ?? [], [reference.centroid])).to.be.lessThan(10); // prettier-ignore
  });
});

describe('the front end', () => {
  it('turns 64 frames into one window of 128 bands, none of them empty', () => {
    const samples = sampleCount(64, DEFAULT_FRONT_END);
    expect(samples).to.equal(63 * 640 + 1024);
    expect(frameCount(samples, DEFAULT_FRONT_END)).to.equal(64);
    expect(frameCount(samples - 1, DEFAULT_FRONT_END)).to.equal(63);
    const { logMel } = new FrontEnd().analyse(noise(samples / 16_000));
    expect(logMel).to.have.length(128 * 64);
    expect(Math.min(...logMel)).to.be.greaterThan(-60);
    expect(new MelFilterBank(DEFAULT_FRONT_END).emptyBands).to.equal(0);
    expect(new MelFilterBank({ ...DEFAULT_FRONT_END, fftSize: 256 }).emptyBands).to.be.greaterThan(0); // prettier-ignore
  });

  it('gives finite numbers for silence, and no frames for less than one', () => {
    const { logMel, shapes } = new FrontEnd().analyse(silence(0.2), { shapes: true });
    expect(new Set(logMel)).to.deep.equal(new Set([-100]));
    for (const value of Object.values(shapes?.[0] ?? {})) expect(value).to.equal(0);
    expect(new FrontEnd().analyse(silence(0.01)).frames).to.equal(0);
    expect(new FrontEnd().analyse(new Float32Array(0)).logMel).to.have.length(0);
  });

  it('finds a tone in the band where it belongs', () => {
    const { logMel, frames } = new FrontEnd().analyse(tone(1000, 0.5));
    const column = Array.from({ length: 128 }, (_, band) => logMel[band * frames + 2] ?? -100);
    const loudest = column.indexOf(Math.max(...column));
    const centre = melToHz(hzToMel(50, 'slaney') + ((hzToMel(8000, 'slaney') - hzToMel(50, 'slaney')) * (loudest + 1)) / 129, 'slaney'); // prettier-ignore
    expect(centre).to.be.closeTo(1000, 30);
  });

  it('keeps working when somebody else has changed the settings of Meyda', () => {
    const frontEnd = new FrontEnd();
    const signal = referenceSignal();
    const before = frontEnd.analyse(signal).logMel;
    Meyda.bufferSize = 256;
    Meyda.sampleRate = 8000;
    Meyda.windowingFunction = 'hanning';
    expect(frontEnd.analyse(signal).logMel).to.deep.equal(before);
    const other = new FrontEnd({ ...DEFAULT_FRONT_END, fftSize: 512, frameLength: 400, bands: 40 });
    expect(other.analyse(signal).logMel.every(Number.isFinite)).to.equal(true);
    expect(frontEnd.analyse(signal).logMel).to.deep.equal(before);
  });

  it('refuses sizes that do not fit', () => {
    expect(() => new Spectrum(1000, 1000, 16_000)).to.throw('power of two');
    expect(() => new Spectrum(512, 1024, 16_000)).to.throw('frameLength: expected 2 to 512');
  });

  it('gives zeros for the delta of too few frames', () => {
    expect([...delta(Float32Array.from([1, 5]), 1)]).to.deep.equal([0, 0]);
    expect([...delta(Float32Array.from([1, 2, 3]), 1)]).to.deep.equal([1, 1, 1]);
  });

  it('converts hertz to mel and back', () => {
    for (const scale of ['slaney', 'htk'] as const) {
      for (const hz of [0, 60, 999, 1000, 1001, 8000]) {
        expect(melToHz(hzToMel(hz, scale), scale)).to.be.closeTo(hz, 1e-9 * 8000);
      }
    }
    expect(hzToMel(1000, 'htk')).to.be.closeTo(999.99, 0.01);
    expect(hzToMel(1000, 'slaney')).to.be.closeTo(15, 1e-9);
  });
});
