import { readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { EnergyGate } from '../../lib/audio/energy-gate';
import { loadSilero, SileroScorer, type SileroModel } from '../../lib/audio/silero';
import { SPEECH_FRAME, speechSpans, speechWithin } from '../../lib/audio/speech';
import { packageRoot } from '../../lib/models/package-root';
import { babble, join, noise, silence, tone } from './signal';

const frames = (...runs: readonly (readonly [number, number])[]) =>
  Float32Array.from(runs.flatMap(([count, value]) => Array<number>(count).fill(value)));

const rounded = (spans: readonly { start: number; end: number }[]) =>
  spans.map(({ start, end }) => [Math.round(start * 1000), Math.round(end * 1000)]);

describe('speechSpans', () => {
  it('begins at the onset, holds until the offset, and pads both ends', () => {
    const spans = speechSpans(frames([20, 0.1], [10, 0.8], [10, 0.4], [20, 0.1]), 2);
    expect(rounded(spans)).to.deep.equal([[640 - 64, 1280 + 64]]);
  });

  it('bridges short pauses and keeps long ones', () => {
    const speech = [10, 0.9] as const;
    expect(speechSpans(frames(speech, [9, 0], speech), 2)).to.have.length(1);
    expect(speechSpans(frames(speech, [14, 0], speech), 2)).to.have.length(2);
  });

  it('drops clicks but keeps what is just long enough', () => {
    expect(speechSpans(frames([20, 0], [2, 0.9], [20, 0]), 2)).to.deep.equal([]);
    expect(speechSpans(frames([20, 0], [3, 0.9], [20, 0]), 2)).to.have.length(1);
  });

  it('stays within the sound', () => {
    expect(rounded(speechSpans(frames([10, 0.9]), 0.3))).to.deep.equal([[0, 300]]);
    expect(speechSpans(new Float32Array(0), 0)).to.deep.equal([]);
  });

  it('counts the speech between two times', () => {
    const spans = [{ start: 1, end: 2 }, { start: 3, end: 3.5 }]; // prettier-ignore
    expect(speechWithin(spans, 0, 4)).to.equal(1.5);
    expect(speechWithin(spans, 1.5, 3.25)).to.equal(0.75);
    expect(speechWithin(spans, 2, 3)).to.equal(0);
  });
});

describe('EnergyGate', () => {
  const spansOf = async (sound: Float32Array) =>
    speechSpans(await new EnergyGate().score(sound), sound.length / 16_000);

  it('hears nothing in silence or in steady noise, quiet or loud', async () => {
    expect(await spansOf(silence(3))).to.deep.equal([]);
    for (const level of [0.003, 0.05]) {
      const heard = speechWithin(await spansOf(noise(6, level)), 0, 6);
      expect(heard, `noise of ${level}`).to.equal(0);
    }
  });

  it('hears a voice over noise where it is', async () => {
    const sound = join(noise(1, 0.01), babble(1), noise(1, 0.01));
    const spans = await spansOf(sound);
    expect(speechWithin(spans, 1.05, 1.95)).to.be.greaterThan(0.75);
    expect(speechWithin(spans, 0, 0.9) + speechWithin(spans, 2.4, 3)).to.equal(0);
  });

  it('gives the same in pieces as in one, and forgets on reset', async () => {
    const sound = join(noise(0.5, 0.01), babble(1));
    const gate = new EnergyGate();
    const whole = await gate.score(sound);
    gate.reset();
    const pieces: number[] = [];
    for (let at = 0; at < sound.length; at += 700) {
      pieces.push(...(await gate.score(sound.subarray(at, at + 700))));
    }
    expect(pieces).to.deep.equal([...whole]);
  });
});

describe('SileroScorer', function () {
  this.timeout(120_000);
  let model: SileroModel;

  before(async () => {
    model = await loadSilero();
  });

  it('gives the net 64 samples of what came before, and its own state', async () => {
    const seen: { frames: Float32Array; state: Float32Array }[] = [];
    const scorer = new SileroScorer((rows, state) => {
      seen.push({ frames: rows, state });
      const next = new Float32Array(256).fill(seen.length);
      return Promise.resolve({ speech: new Float32Array(rows.length / 576), state: next });
    });
    const ramp = Float32Array.from({ length: 3 * SPEECH_FRAME }, (_, i) => i);
    expect(await scorer.score(ramp.subarray(0, 700))).to.have.length(1);
    expect(await scorer.score(ramp.subarray(700))).to.have.length(2);
    expect([...(seen[0]?.frames.subarray(0, 66) ?? [])]).to.deep.equal([
      ...Array<number>(64).fill(0),
      0,
      1,
    ]);
    expect(seen[1]?.frames[0]).to.equal(512 - 64);
    expect(seen[1]?.frames[576]).to.equal(1024 - 64);
    expect(seen[1]?.state[0]).to.equal(1);
  });

  it('gives the same in pieces as in one', async () => {
    const sound = babble(1.5);
    const whole = await new SileroScorer(model).score(sound);
    const scorer = new SileroScorer(model);
    const pieces: number[] = [];
    for (let at = 0; at < sound.length; at += 5000) {
      pieces.push(...(await scorer.score(sound.subarray(at, at + 5000))));
    }
    expect(pieces).to.have.length(whole.length);
    for (const [i, value] of pieces.entries()) expect(value).to.be.closeTo(whole[i] ?? NaN, 1e-4);
    scorer.reset();
    const again = await scorer.score(sound);
    for (const [i, value] of again.entries()) expect(value).to.be.closeTo(whole[i] ?? NaN, 1e-4);
  });

  it('takes neither silence, noise nor a tone for speech, and a voice-like sound for more', async () => {
    const heard = async (sound: Float32Array) => {
      const scores = await new SileroScorer(model).score(sound);
      return scores.reduce((sum, value) => sum + value, 0) / scores.length;
    };
    for (const sound of [silence(2), noise(2, 0.05), tone(440, 2), tone(3000, 2)]) {
      expect(await heard(sound)).to.be.lessThan(0.2);
    }
    expect(await heard(babble(3))).to.be.greaterThan(0.5);
  });

  it('can be stopped with its thread in the middle of a run', async function () {
    this.timeout(180_000);
    const script = `
      const { loadSilero, SileroScorer } = require(${JSON.stringify(require.resolve('../../lib/audio/silero'))});
      loadSilero().then(async (model) => {
        require('node:worker_threads').parentPort.postMessage('ready');
        for (;;) await new SileroScorer(model).score(new Float32Array(16000 * 60));
      });`;
    const worker = new Worker(script, { eval: true });
    await new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(await worker.terminate()).to.equal(1);
  });

  it('says which file is missing or broken, so that the caller can go on without', async () => {
    for (const file of [
      joinPath(packageRoot(), 'no-such.onnx'),
      joinPath(packageRoot(), 'package.json'),
    ]) {
      // prettier-ignore
      const error = await loadSilero(file).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(EmotionError);
      expect((error as EmotionError).code).to.equal('model.load-failed');
      expect((error as EmotionError).message).to.include(file);
    }
  });

  it('ships with its licence and says where it comes from', () => {
    const folder = joinPath(packageRoot(), 'models', 'vad-silero');
    expect(readFileSync(joinPath(folder, 'LICENSE'), 'utf8')).to.include('Silero Team');
    expect(readFileSync(joinPath(folder, 'README.md'), 'utf8')).to.include('snakers4/silero-vad');
  });
});
