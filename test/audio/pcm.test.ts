import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { decodeNumbers, decodePcm } from '../../lib/audio/pcm';
import { resample } from '../../lib/audio/resample';
import { EmotionError } from '../../lib/emotion/error';
import { PCM_FORMATS } from '../../lib/media/input';
import { tone } from './signal';

const decibels = (ratio: number) => 20 * Math.log10(ratio);

function rms(samples: Float32Array): number {
  // Without the ends, where the sound begins and stops abruptly.
  const inner = samples.subarray(samples.length * 0.1, samples.length * 0.9);
  return Math.sqrt(inner.reduce((sum, value) => sum + value * value, 0) / inner.length);
}

/** The part of a signal at one frequency (Goertzel), as an amplitude. */
function amplitudeAt(samples: Float32Array, hz: number, rate: number): number {
  const inner = samples.subarray(samples.length * 0.1, samples.length * 0.9);
  let re = 0;
  let im = 0;
  for (const [n, value] of inner.entries()) {
    const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / inner.length);
    re += window * value * Math.cos((2 * Math.PI * hz * n) / rate);
    im += window * value * Math.sin((2 * Math.PI * hz * n) / rate);
  }
  return (4 * Math.hypot(re, im)) / inner.length;
}

describe('resample', () => {
  it('keeps what both rates can hold within 0.1 dB, in step', () => {
    for (const [from, to] of [
      [8000, 16_000],
      [44_100, 16_000],
      [48_000, 16_000],
      [22_050, 16_000],
      [192_000, 16_000],
      [11_025, 16_000],
    ] as const) {
      // prettier-ignore
      const limit = Math.min(from, to) / 2;
      for (const share of [0.05, 0.3, 0.6, 0.85]) {
        const hz = limit * share;
        const out = resample(tone(hz, 0.25, 0.5, from), from, to);
        expect(out).to.have.length(Math.round(0.25 * to));
        const wanted = tone(hz, 0.25, 0.5, to);
        expect(Math.abs(decibels(rms(out) / rms(wanted))), `${hz} Hz, ${from} → ${to}`).to.be.lessThan(0.1); // prettier-ignore
        const difference = out.map((value, i) => value - (wanted[i] ?? 0));
        expect(decibels(rms(difference) / rms(wanted))).to.be.lessThan(-35);
      }
    }
  });

  it('keeps out what would fold back, by 80 dB', () => {
    for (const from of [44_100, 48_000, 192_000]) {
      for (const hz of [8400, 9000, 12_000, 15_900, 20_000]) {
        const out = resample(tone(hz, 0.25, 0.5, from), from, 16_000);
        expect(decibels(rms(out) / 0.35), `${hz} Hz from ${from}`).to.be.lessThan(-80);
      }
    }
    // Upwards: no image of the tone above the old half rate.
    const up = resample(tone(3000, 0.25, 0.5, 8000), 8000, 16_000);
    expect(decibels(amplitudeAt(up, 5000, 16_000) / 0.5)).to.be.lessThan(-80);
  });

  it('leaves equal rates and empty sound alone', () => {
    const sound = tone(100, 0.1);
    expect(resample(sound, 16_000, 16_000)).to.equal(sound);
    expect(resample(new Float32Array(0), 8000, 16_000)).to.have.length(0);
  });
});

describe('raw samples', () => {
  const rate = 16_000;
  const wanted = tone(440, 0.1, 0.5, rate);

  for (const format of PCM_FORMATS) {
    it(`reads ${format} as FFmpeg does`, () => {
      const bytes = execFileSync(
        'ffmpeg',
        ['-v', 'error', '-f', 'f32le', '-ar', '16000', '-ac', '1', '-i', 'pipe:0', '-f', format, 'pipe:1'],
        { input: Buffer.from(wanted.buffer) },
      ); // prettier-ignore
      const back = execFileSync(
        'ffmpeg',
        ['-v', 'error', '-f', format, '-ar', '16000', '-ac', '1', '-i', 'pipe:0', '-f', 'f32le', 'pipe:1'],
        { input: bytes },
      ); // prettier-ignore
      const reference = new Float32Array(new Uint8Array(back).buffer);
      const samples = decodePcm({ bytes, format, sampleRateHz: rate, channels: 1 });
      expect(samples).to.have.length(reference.length);
      for (const [i, value] of samples.entries())
        expect(value).to.be.closeTo(reference[i] ?? NaN, 1e-6);
    });
  }

  it('averages channels, ignores half a sample at the end, and takes any offset in memory', () => {
    const bytes = new Uint8Array(1 + 9);
    new DataView(bytes.buffer, 1).setInt16(0, 16_384, true);
    new DataView(bytes.buffer, 1).setInt16(2, -8192, true);
    new DataView(bytes.buffer, 1).setInt16(4, 8192, true);
    const pcm = {
      bytes: bytes.subarray(1),
      format: 's16le',
      sampleRateHz: rate,
      channels: 2,
    } as const;
    expect([...decodePcm(pcm)]).to.deep.equal([0.125, 0.125]);
  });

  it('refuses impossible declarations and empty data with what is wrong', () => {
    const pcm = {
      bytes: new Uint8Array(3),
      format: 's16le',
      sampleRateHz: rate,
      channels: 2,
    } as const;
    const failure = (change: object) => {
      try {
        decodePcm({ ...pcm, ...change });
      } catch (error) {
        return error as EmotionError;
      }
      throw new Error('It was expected to fail');
    };
    expect(failure({}).code).to.equal('media.empty');
    expect(failure({ sampleRateHz: 100 }).message).to.match(/sample rate: expected .* got 100/);
    expect(failure({ format: 's7' }).message).to.match(/format: expected one of u8, s16le/);
    expect(failure({ channels: NaN }).code).to.equal('input.unusable');
  });

  it('reads arrays of numbers within ±1 and of 16-bit integers', () => {
    expect(decodeNumbers([0, 0.5, -1], rate)).to.deep.equal(Float32Array.of(0, 0.5, -1));
    expect(decodeNumbers([0, 16_384, -32_768], rate)).to.deep.equal(Float32Array.of(0, 0.5, -1));
    expect(decodeNumbers(Int16Array.of(1, 16_384), rate)[1]).to.equal(0.5);
    expect(decodeNumbers(wanted, 8000)).to.have.length(2 * wanted.length);
    expect(() => decodeNumbers([0, '1'], rate)).to.throw(
      'samples[1]: expected a number, got string',
    );
    expect(() => decodeNumbers([], rate)).to.throw('no samples');
    expect(() => decodeNumbers([1], 3)).to.throw('sample rate');
  });
});
