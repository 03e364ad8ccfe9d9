import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect } from 'chai';
import { liveProcessCount } from '../../lib/media/process';
import { AudioPool, type AudioPreparation } from '../../lib/workers/audio-pool';
import { audioManifest } from '../audio/manifest';
import { babble, join, noise, silence } from '../audio/signal';
import { expectFailure, scratchFolder } from '../media/fixtures';

describe('AudioPool', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  const pool = new AudioPool();
  let front: AudioPreparation;
  let file: string;
  let long: string;

  function write(name: string, samples: Float32Array): string {
    const path = joinPath(folder, name);
    const raw = joinPath(folder, `${name}.raw`);
    writeFileSync(raw, Buffer.from(samples.buffer));
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'f32le', '-ar', '16000', '-ac', '1', '-i', raw, path]); // prettier-ignore
    return path;
  }

  before(async () => {
    file = write('a.wav', babble(4));
    long = write('long.flac', join(babble(14), silence(8), noise(4, 0.02)));
    front = await pool.open(audioManifest());
  });

  after(async () => {
    await front.close();
    expect(liveProcessCount()).to.equal(0);
  });

  it('prepares a file, its bytes, raw samples and numbers alike', async () => {
    const samples = babble(4);
    const s16 = new Uint8Array(Int16Array.from(samples, (value) => value * 32_767).buffer);
    const results = [
      await front.prepare({ kind: 'file', path: file }),
      await front.prepare({ kind: 'samples', samples }),
      await front.prepare({ kind: 'numbers', numbers: Array.from(samples), sampleRateHz: 16_000 }),
      await front.prepare({ kind: 'pcm', bytes: s16, format: 's16le', sampleRateHz: 16_000, channels: 1 }), // prettier-ignore
    ];
    const [first, ...others] = results.map((sample) => sample.tensors.mel);
    expect(first?.dims).to.deep.equal([2, 1, 128, 64]);
    expect(results[0]?.source.file).to.equal('a.wav');
    expect(samples, 'the caller keeps its samples').to.have.length(4 * 16_000);
    for (const tensor of others) {
      expect(tensor?.dims).to.deep.equal(first?.dims);
      const values = Array.from(tensor?.data ?? [], Number);
      const differences = values.map((value, i) => Math.abs(value - Number(first?.data[i])));
      expect(differences.reduce((sum, value) => sum + value, 0) / differences.length).to.be.lessThan(0.05); // prettier-ignore
    }
    expect(front.speech).to.equal('silero');
    expect(results[0]?.features?.speech.method).to.equal('silero');
  });

  it('answers noise and silence with a reason', async () => {
    for (const [samples, reason] of [
      [silence(2), 'silence'],
      [noise(2, 0.05), 'no-speech'],
    ] as const) {
      expect((await front.prepare({ kind: 'samples', samples })).reason).to.equal(reason);
    }
  });

  it('passes on what is wrong, with its code, and works afterwards', async () => {
    writeFileSync(joinPath(folder, 'text.wav'), 'this is a text');
    const text = { kind: 'file', path: joinPath(folder, 'text.wav') } as const;
    await expectFailure(front.prepare(text), 'media.unreadable');
    const nan = { kind: 'samples', samples: new Float32Array(9000).fill(NaN) } as const;
    await expectFailure(front.prepare(nan), 'input.unusable');
    const strings = { kind: 'numbers', numbers: ['a'], sampleRateHz: 8000 } as const;
    await expectFailure(front.prepare(strings), 'input.wrong-type', /samples\[0\]/);
    const whole = { kind: 'file', path: long } as const;
    await expectFailure(
      front.prepare(whole, {}, { maxSeconds: 5 }),
      'input.too-large',
      /5 seconds/,
    );
    expect((await front.prepare({ kind: 'file', path: file })).segments).to.have.length(2);
    const model = { ...audioManifest(), preprocessing: { kind: 'text' } } as never;
    await expectFailure(pool.open(model), 'input.wrong-model');
  });

  it('cuts a long file into windows without holding it, in order', async () => {
    const windows = [];
    for await (const window of front.windows({ kind: 'file', path: long }, {}, { hopMs: 2000 })) {
      windows.push(window);
    }
    const starts = windows.map(({ segments }) => segments[0]?.start ?? NaN);
    expect(starts).to.deep.equal([...starts].sort((a, b) => a - b));
    expect(windows.at(-1)?.segments[0]?.end).to.be.closeTo(26, 0.1);
    expect(windows.slice(0, 5).filter(({ reason }) => reason === undefined).length).to.be.at.least(
      4,
    );
    expect(windows.map(({ reason }) => reason)).to.include('silence');
    for await (const window of front.windows({ kind: 'file', path: long })) {
      expect(window.modality).to.equal('audio');
      break;
    }
    expect(liveProcessCount()).to.equal(0);
  });

  it('prepares a live source window by window', async () => {
    const stream = front.stream({ device: 'default' });
    const sound = babble(6);
    const windows = [];
    for (let at = 0; at < sound.length; at += 8000) {
      windows.push(...(await stream.push(sound.slice(at, at + 8000), at === 0 ? 10 : undefined)));
    }
    windows.push(...(await stream.end()));
    expect(windows.map(({ segments }) => segments[0]?.start)).to.include.members([
      10, 11.28, 12.56,
    ]);
    expect(windows[0]?.tensors.mel?.dims).to.deep.equal([1, 1, 128, 64]);
  });

  it('keeps the event loop free while ten files are prepared', async () => {
    await front.prepare({ kind: 'file', path: file });
    const before = performance.eventLoopUtilization();
    const files = Array.from({ length: 10 }, () => front.prepare({ kind: 'file', path: long }));
    for (const sample of await Promise.all(files)) expect(sample.segments.length).to.be.above(5);
    // A guard against computing on the loop, which would have no rest then; the bench measures more.
    expect(performance.eventLoopUtilization(before).utilization).to.be.lessThan(0.5);
  });

  it('stops its thread when the last model is given back', async () => {
    const other = new AudioPool();
    const one = await other.open(audioManifest(), 'energy');
    const two = await other.open(audioManifest(), 'energy');
    await one.close();
    expect((await two.prepare({ kind: 'samples', samples: babble(3) })).modality).to.equal('audio');
    await two.close();
    await two.close();
    await expectFailure(two.prepare({ kind: 'samples', samples: babble(1) }), 'engine.closed');
  });
});
