import { expect } from 'chai';
import { EnergyGate } from '../../lib/audio/energy-gate';
import { FrontEnd } from '../../lib/audio/log-mel';
import { normaliseUtterance } from '../../lib/audio/normalise';
import { AudioPreparer } from '../../lib/audio/prepare';
import type { SpeechScorer } from '../../lib/audio/speech';
import { STATISTICS_NAMES } from '../../lib/audio/statistics';
import { WindowStream } from '../../lib/audio/window-stream';
import { parseManifest } from '../../lib/models/manifest';
import { audioManifest, audioModel } from './manifest';
import { expectFailure } from '../media/fixtures';
import { babble, join, noise, silence, tone } from './signal';

const plain = { normalisation: { kind: 'none' } };

/** Says what the test wants to hear: speech where it is told. */
function told(...spans: readonly (readonly [number, number])[]): SpeechScorer {
  let frame = 0;
  let rest = 0;
  return {
    method: 'silero',
    score(samples) {
      rest += samples.length;
      const out: number[] = [];
      for (; rest >= 512; rest -= 512, frame += 1) {
        const t = (frame + 0.5) * 0.032;
        out.push(spans.some(([start, end]) => t >= start && t < end) ? 1 : 0);
      }
      return Promise.resolve(Float32Array.from(out));
    },
    reset() {
      frame = rest = 0;
    },
  };
}

describe('preparing a whole sound', () => {
  const preparer = new AudioPreparer(audioManifest(plain));

  it('gives windows of 1 × 128 × 64 that cover the sound to its end', async () => {
    const sound = babble(6.1);
    const sample = await preparer.prepare(sound, told([0, 7]), { file: 'a.wav' });
    expect(sample.tensors.mel?.dims).to.deep.equal([4, 1, 128, 64]);
    expect(sample.segments).to.deep.equal([
      { start: 0, end: 2.584 },
      { start: 1.28, end: 3.864 },
      { start: 2.56, end: 5.144 },
      { start: 3.48, end: 6.064 },
    ]);
    expect(sample.source).to.deep.equal({ duration: 6.1, sampleRate: 16_000, file: 'a.wav' });
    expect(sample).to.include({ modality: 'audio', model: 'speech-test' });
    expect(sample).to.not.have.property('reason');
  });

  it('puts the very spectrogram into the tensor', async () => {
    const sound = babble(4);
    const { logMel, frames } = new FrontEnd().analyse(sound);
    const sample = await preparer.prepare(sound, told([0, 4]));
    const data = sample.tensors.mel?.data ?? [];
    for (const [window, first] of [
      [0, 0],
      [1, 32],
    ] as const) {
      // prettier-ignore
      for (const [band, t] of [[0, 0], [5, 17], [127, 63]] as const) { // prettier-ignore
        expect(data[(window * 128 + band) * 64 + t]).to.equal(logMel[band * frames + first + t]);
      }
    }
  });

  it('leaves out windows in which nobody speaks, and says which', async () => {
    const sound = join(noise(6, 0.01), babble(3), noise(6, 0.01));
    const sample = await preparer.prepare(sound, told([6, 9]));
    for (const { start = 0, end = 0 } of sample.segments) {
      expect(Math.min(end, 9.1) - Math.max(start, 5.9)).to.be.greaterThan(0.2);
    }
    expect(sample.segments.length).to.be.within(3, 4);
    const skipped = sample.features?.skipped ?? [];
    expect(skipped.map(({ reason }) => reason)).to.include('no-speech');
    expect(sample.features?.speech.ratio).to.be.closeTo(3 / 15, 0.02);
    const kept = await preparer.prepare(sound, told([6, 9]), {}, { silence: 'keep' });
    expect(kept.segments.length).to.equal(sample.segments.length + skipped.length);
  });

  it('answers silence, noise and the very short with a reason, not with neutral', async () => {
    const cases = [
      [silence(3), 'silence'],
      [noise(3, 0.0002), 'silence'],
      [noise(3, 0.05), 'no-speech'],
      [tone(440, 0.01), 'no-speech'],
    ] as const;
    for (const [sound, reason] of cases) {
      const sample = await preparer.prepare(sound, new EnergyGate());
      expect(sample.reason).to.equal(reason);
      expect(sample.tensors).to.deep.equal({});
      const end = sound.length / 16_000;
      expect(sample.segments).to.deep.equal([{ start: 0, end }]);
      expect(sample.features?.loudness.meanDb).to.be.a('number');
    }
  });

  it('cuts shorter windows, each repeated up to the size of the input, on the clock of the source', async () => {
    const sound = babble(3);
    const [whole, sample] = await Promise.all([
      preparer.prepare(sound, told([0, 9])),
      preparer.prepare(sound, told([0, 9]), {}, { windowMs: 1000, startTime: 20 }),
    ]);
    const [first] = sample.segments;
    expect(first?.start).to.equal(20);
    expect((first?.end ?? 0) - 20).to.be.closeTo(1, 0.02);
    expect(sample.segments[1]?.start).to.be.closeTo(20.5, 0.03);
    expect(sample.segments.length).to.be.above(whole.segments.length);
    const { dims, data } = sample.tensors.mel!;
    expect(dims).to.deep.equal([sample.segments.length, 1, 128, 64]);
    const frames = preparer.windowFrames(1000);
    const band = 5 * 64;
    expect(data[band + frames]).to.equal(data[band]);
    expect(data[band]).to.equal(whole.tensors.mel!.data[band]);
    const tooLong = preparer.prepare(sound, told([0, 9]), {}, { windowMs: 5000 });
    await expectFailure(tooLong, 'input.unusable', /at most 2584 ms/);
  });

  it('repeats a short sound, or fills it with silence, up to one window', async () => {
    const sound = babble(1);
    const frames = new FrontEnd().analyse(sound).frames;
    const repeated = await preparer.prepare(sound, told([0, 1]));
    expect(repeated.tensors.mel?.dims).to.deep.equal([1, 1, 128, 64]);
    expect(repeated.segments).to.deep.equal([{ start: 0, end: 1 }]);
    const row = repeated.tensors.mel?.data ?? [];
    expect(row[frames]).to.equal(row[0]);
    expect(row[63]).to.equal(row[63 % frames]);
    const window = { ...plain, window: { fill: 'silence' } };
    const filled = await new AudioPreparer(audioManifest(window)).prepare(sound, told([0, 1]));
    const quiet = Array.from(filled.tensors.mel?.data ?? [], Number);
    expect(quiet[63]).to.equal(Math.min(...quiet.slice(0, frames)));
  });

  it('keeps the order of rows for every kind of input', async () => {
    const inputs = {
      mel: { type: 'float32', shape: ['batch', 1, 128, 64] },
      cepstrum: { type: 'float32', shape: ['batch', 26, 64] },
      chroma: { type: 'float32', shape: ['batch', 12, 64] },
      prosody: { type: 'float32', shape: ['batch', 4, 64] },
      statistics: { type: 'float32', shape: ['batch', STATISTICS_NAMES.length] },
    };
    const manifest = audioManifest(
      {
        mfcc: { coefficients: 13, deltas: 1 },
        inputs: {
          mel: 'log-mel',
          cepstrum: 'mfcc',
          chroma: 'chroma',
          prosody: 'prosody',
          statistics: 'statistics',
        },
      },
      inputs,
    );
    const sample = await new AudioPreparer(manifest).prepare(babble(4), told([0, 4]));
    const dims = Object.fromEntries(Object.entries(sample.tensors).map(([k, t]) => [k, t.dims]));
    expect(dims).to.deep.equal({
      mel: [2, 1, 128, 64],
      cepstrum: [2, 26, 64],
      chroma: [2, 12, 64],
      prosody: [2, 4, 64],
      statistics: [2, STATISTICS_NAMES.length],
    });
    for (const { data, dims: size } of Object.values(sample.tensors)) {
      expect(data.length).to.equal(size.reduce((product, n) => product * n, 1));
      expect(Array.from(data, Number).every(Number.isFinite)).to.equal(true);
    }
  });

  it('normalises over the whole utterance, not over a window', async () => {
    const settings = { normalisation: { kind: 'utterance', per: 'row' } };
    const sound = join(babble(2.6, { amplitude: 0.03 }), babble(2.6, { amplitude: 0.6 }));
    const sample = await new AudioPreparer(audioManifest(settings)).prepare(sound, told([0, 6]));
    const { logMel, frames } = new FrontEnd().analyse(sound);
    normaliseUtterance(logMel, 128, 'row');
    expect(sample.tensors.mel?.data[10 * 64 + 3]).to.equal(logMel[10 * frames + 3]);
  });

  it('survives NaN samples, and refuses what is mostly NaN or nothing at all', async () => {
    const sound = babble(3);
    for (let i = 100; i < 200; i += 1) sound[i] = NaN;
    const sample = await preparer.prepare(sound, told([0, 3]));
    expect(sample.features?.replacedSamples).to.equal(100);
    expect(Array.from(sample.tensors.mel?.data ?? [], Number).every(Number.isFinite)).to.equal(
      true,
    );
    for (const bad of [new Float32Array(16_000).fill(NaN), new Float32Array(0)]) {
      const error = await preparer.prepare(bad, told()).then(
        () => undefined,
        (reason: { code?: string }) => reason.code,
      );
      expect(error).to.be.oneOf(['input.unusable', 'media.empty']);
    }
  });

  it('adds pictures and coefficients on request only', async () => {
    const sound = babble(1.5);
    const bare = await preparer.prepare(sound, told([0, 2]));
    expect(bare.features).to.not.have.any.keys('spectrogram', 'mfcc');
    const rich = await preparer.prepare(sound, told([0, 2]), {}, { spectrogram: { axes: true }, mfcc: true }); // prettier-ignore
    expect(Buffer.from(rich.features?.spectrogram ?? []).toString('latin1', 1, 4)).to.equal('PNG');
    const { mfcc } = rich.features ?? {};
    expect(mfcc?.values).to.have.length(20 * (mfcc?.frames ?? 0));
    expect(rich.features?.statistics.values).to.have.length(STATISTICS_NAMES.length);
  });

  it('does not change the samples that it was given', async () => {
    const sound = babble(1.5);
    const copy = sound.slice();
    const manifest = audioManifest({ preEmphasis: 0.97 });
    await new AudioPreparer(manifest).prepare(sound, told([0, 2]));
    expect(sound).to.deep.equal(copy);
  });
});

describe('preparing a stream', () => {
  const preparer = new AudioPreparer(audioManifest({ ...plain, preEmphasis: 0.9 }));

  async function inPieces(stream: WindowStream, sound: Float32Array, step: number) {
    const windows = [];
    for (let at = 0; at < sound.length; at += step) {
      windows.push(...(await stream.push(sound.subarray(at, at + step))));
    }
    return [...windows, ...stream.flush()];
  }

  it('gives the windows of the whole sound, whatever the pieces', async () => {
    const sound = babble(7);
    const whole = await preparer.prepare(sound, told([0, 7]));
    for (const step of [1000, 16_000, 112_000]) {
      const stream = new WindowStream(preparer, told([0, 7]), {}, {});
      const windows = await inPieces(stream, sound, step);
      expect(windows.length).to.be.within(4, 5);
      for (const [i, { tensors, segments }] of windows.slice(0, 4).entries()) {
        expect(segments[0]).to.deep.equal(whole.segments[i]);
        const wanted = Array.from(whole.tensors.mel?.data ?? [], Number).slice(
          i * 8192,
          (i + 1) * 8192,
        );
        const got = tensors.mel?.data ?? [];
        let difference = 0;
        for (const [k, value] of wanted.entries()) {
          difference = Math.max(difference, Math.abs(Number(value) - Number(got[k])));
        }
        expect(difference, `window ${i}, pieces of ${step}`).to.be.lessThan(0.02);
      }
      expect(windows.at(-1)?.segments[0]?.end).to.be.closeTo(7, 0.01);
    }
  });

  it('gives every window an answer: a row where somebody speaks, else a reason and its time', async () => {
    const sound = join(silence(3), noise(3, 0.02), babble(3));
    const stream = new WindowStream(
      preparer,
      told([6, 9]),
      { device: 'default' },
      { hopMs: 2600 },
      100,
    );
    const windows = await inPieces(stream, sound, 4000);
    expect(windows.map(({ reason }) => reason)).to.deep.equal([
      'silence',
      'no-speech',
      undefined,
      undefined,
    ]);
    expect(windows.map(({ segments }) => segments.length)).to.deep.equal([1, 1, 1, 1]);
    expect(windows[0]?.segments[0]?.start).to.equal(100);
    expect(windows[1]?.tensors).to.deep.equal({});
    expect(windows[0]?.source).to.include({ device: 'default' });
  });

  it('starts anew where the source was away', async () => {
    const stream = new WindowStream(preparer, told([0, 90]));
    await stream.push(babble(2));
    stream.reset(50);
    const windows = await stream.push(babble(3));
    expect(windows.map(({ segments }) => segments[0]?.start)).to.deep.equal([50]);
    expect(stream.flush().length).to.be.at.most(1);
  });

  it('holds no more than about a window', async () => {
    const stream = new WindowStream(preparer, told());
    const piece = noise(1, 0.02);
    for (let second = 0; second < 40; second += 1) await stream.push(piece);
    const { buffer, probabilities } = stream as unknown as { buffer: Float32Array; probabilities: number[] }; // prettier-ignore
    expect(buffer.length).to.be.lessThan(4 * 16_000);
    expect(probabilities.length).to.be.lessThan(150);
  });
});

describe('model.yaml of a model for sound', () => {
  const problemsOf = (preprocessing: object) =>
    parseManifest(audioModel(preprocessing)).problems.map(({ path, expected }) => [path.join('.'), expected]); // prettier-ignore

  it('has defaults for everything but what the model is given', () => {
    const { preprocessing } = audioManifest();
    expect(preprocessing).to.deep.include({
      window: { frames: 64, hopFrames: 32, fill: 'repeat' },
      spectrum: { fftSize: 1024, frameLength: 1024, hopLength: 640 },
    });
  });

  it('names keys that do not fit each other', () => {
    expect(problemsOf({ inputs: {} })).to.deep.equal([
      ['preprocessing.inputs.mel', 'log-mel | mfcc | chroma | prosody | statistics'],
    ]);
    expect(problemsOf({ inputs: { mel: 'log-mel', x: 'mfcc' } })).to.deep.equal([
      ['preprocessing.inputs.x', 'one of the inputs: mel'],
    ]);
    expect(problemsOf({ spectrum: { fftSize: 512 } })).to.deep.equal([
      ['preprocessing.spectrum.frameLength', 'at most 512 (fftSize)'],
    ]);
    expect(problemsOf({ mel: { minHz: 5000, maxHz: 4000 } })[0]?.[1]).to.equal('less than 4000 (maxHz)'); // prettier-ignore
    expect(problemsOf({ normalisation: { kind: 'fixed', mean: [1], spread: 1 } })[0]?.[1]).to.equal('one number, or 128 (mel.bands)'); // prettier-ignore
    expect(problemsOf({ windows: 3 })[0]?.[0]).to.equal('preprocessing.windows');
  });

  it('refuses the manifest of a text model', () => {
    const manifest = { ...audioManifest(), preprocessing: { kind: 'text' } } as never;
    expect(() => new AudioPreparer(manifest)).to.throw('not sound');
  });
});
