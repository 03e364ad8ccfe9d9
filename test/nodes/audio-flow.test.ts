import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import type { Result } from '../../lib/emotion/result';
import type { AudioSample } from '../../lib/emotion/sample';
import { liveProcessCount } from '../../lib/media/process';
import { babble, join, noise, silence, tone } from '../audio/signal';
import { wavFile } from '../audio/wav';
import { ffmpegChildren, make, scratchFolder, until } from '../media/fixtures';
import { Flow, type FlowNodeDefinition, type Outcome } from './harness';

const model = { id: 'model', type: 'emotion-model', source: 'installed', model: 'tiny-speech' };
const preprocess: FlowNodeDefinition = {
  id: 'preprocess',
  type: 'emotion-preprocess-audio',
  model: 'model',
  silence: 'keep',
  speech: 'energy',
  wires: [['infer']],
};
const infer: FlowNodeDefinition = { id: 'infer', type: 'emotion-infer', model: 'model' };

function payloadOf<T>({ sent, caught }: Outcome): T {
  expect(caught.map(({ error }) => error.message)).to.deep.equal([]);
  expect(sent).to.have.length(1);
  return sent[0]?.payload as T;
}

describe('emotion-preprocess-audio', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  const inside = joinPath(folder, 'allowed');
  /** The fixture hears the pitch: 6 kHz lies in the seventh part of its bands. */
  const high = tone(6000, 3);
  let flow: Flow | undefined;

  before(() => {
    mkdirSync(inside);
    writeFileSync(joinPath(inside, 'high.wav'), wavFile(high));
    writeFileSync(joinPath(folder, 'secret.wav'), wavFile(high));
    symlinkSync(joinPath(folder, 'secret.wav'), joinPath(inside, 'link.wav'));
  });
  afterEach(async () => {
    expect(liveProcessCount()).to.equal(0);
    expect(await ffmpegChildren()).to.deep.equal([]);
  });
  const stop = async () => {
    await flow?.stop();
    flow = undefined;
  };

  const start = (settings: object = {}, withInfer = true) =>
    Flow.start(
      withInfer
        ? [model, { ...preprocess, ...settings }, infer]
        : [model, { ...preprocess, ...settings, wires: [['out']] }],
    );

  describe('given sound', () => {
    afterEach(stop);

    it('turns sound into an emotion, however it comes', async () => {
      flow = await start({ folders: inside });
      const file = wavFile(high);
      const pcm = file.subarray(44);
      const messages: Record<string, NodeMessage & Record<string, unknown>> = {
        'a buffer': { payload: file },
        'a path': { payload: joinPath(inside, 'high.wav') },
        'a relative path': { payload: 'high.wav' },
        base64: { payload: file.toString('base64') },
        'a data URL': { payload: `data:audio/wav;base64,${file.toString('base64')}` },
        'raw samples with a rate': { payload: pcm, sampleRate: 16_000 },
        'a file with a rate beside it': { payload: file, sampleRate: 8_000 },
        'pcm in an object': { payload: { pcm, sampleRate: 16_000, format: 's16le' } },
        'an array of numbers': { payload: Array.from(high), sampleRate: 16_000 },
        'an array of 16-bit numbers': { payload: Array.from(high, (value) => value * 30_000) },
        'a Float32Array': { payload: high },
        'samples of two channels': {
          payload: { samples: Float32Array.from({ length: high.length * 2 }, (_, i) => high[i >> 1]!), sampleRate: 16_000, channels: 2 }, // prettier-ignore
        },
        'a file in an object': { payload: { file: 'high.wav' } },
      };
      for (const [name, message] of Object.entries(messages)) {
        const result = payloadOf<Result>(await flow.send('preprocess', message));
        expect(result, name).to.include({ modality: 'audio', label: 'surprise', model: 'tiny-speech' }); // prettier-ignore
        expect(result.segments?.length, name).to.be.within(1, 3);
        const { times = [], start: from = 0, end: to = 0 } = result.segments![0]!;
        expect(times, name).to.have.length(16);
        expect([times[0]?.start, times.at(-1)?.end]).to.deep.equal([from, to]);
        expect(times.reduce((sum, { weight }) => sum + weight, 0)).to.be.closeTo(1, 1e-6);
      }
    });

    it('answers a list of sounds with a list, and leaves the rest of the message as it was', async () => {
      flow = await start();
      const bytes = wavFile(high);
      const copy = Buffer.from(bytes);
      const { sent } = await flow.send('preprocess', {
        payload: [bytes, wavFile(tone(100, 3)), { samples: silence(1), sampleRate: 16_000 }],
        topic: 'calls',
        parts: { id: 'one', index: 0 },
      });
      const results = sent[0]?.payload as Result[];
      expect(results.map(({ label }) => label)).to.deep.equal(['surprise', 'neutral', null]);
      expect(results[2]?.reason).to.equal('silence');
      expect(sent[0]).to.deep.include({ topic: 'calls', parts: { id: 'one', index: 0 } });
      expect(bytes.equals(copy), 'the buffer of the message is not written to').to.equal(true);
    });

    it('leaves windows without speech out unless it is told to keep them', async () => {
      flow = await start({ silence: 'skip', speech: 'silero' });
      const sound = join(babble(3), noise(6, 0.02));
      const result = payloadOf<Result>(await flow.send('preprocess', { payload: sound }));
      expect(result.segments!.at(-1)!.end).to.be.lessThan(6.5);
      for (const [payload, reason] of [
        [silence(2), 'silence'],
        [noise(3, 0.05), 'no-speech'],
      ] as const) {
        const nothing = payloadOf<Result>(await flow.send('preprocess', { payload }));
        expect(nothing).to.include({ label: null, reason });
        expect(nothing.segments).to.have.length(1);
      }
    });

    it('emits a message for each window, which join could put together', async () => {
      flow = await start({ output: 'windows', hopMs: 1000 });
      const sound = join(high, tone(100, 4));
      const { sent, completed } = await flow.send('preprocess', {
        payload: wavFile(sound),
        topic: 'calls',
        parts: { id: 'outer', index: 7 },
      });
      // One message was waited for; the others follow it.
      const partsOf = () => sent.map((message) => message.parts as Record<string, unknown>);
      await until(() => partsOf().some(({ count }) => count !== undefined), 'the last window');
      await until(() => completed.includes('preprocess'), 'the end');
      const parts = partsOf();
      expect(parts.map(({ index }) => index)).to.deep.equal(parts.map((_, index) => index));
      expect(new Set(parts.map(({ id }) => id)).size).to.equal(1);
      expect(parts.map(({ count }) => count).filter(Boolean)).to.deep.equal([parts.length]);
      expect(parts.length).to.be.within(5, 7);
      expect(parts[0]).to.deep.include({ parts: { id: 'outer', index: 7 } });
      const labels = sent.map(({ payload }) => (payload as Result).label);
      expect([labels[0], labels.at(-1)]).to.deep.equal(['surprise', 'neutral']);
      const starts = sent.map(({ payload }) => (payload as Result).segments![0]!.start!);
      expect(starts).to.deep.equal([...starts].sort((a, b) => a - b));
      expect(completed.filter((id) => id === 'preprocess')).to.have.length(1);
      expect(sent.every(({ topic }) => topic === 'calls')).to.equal(true);
    });

    it('cuts windows and hops of so many milliseconds, on the clock of the source', async () => {
      flow = await start({ windowMs: 1000, hopMs: '500', silence: 'keep' });
      const payload = { samples: high, sampleRate: 16_000, start: 60, device: 'kitchen' };
      const { segments = [], source } = payloadOf<Result>(
        await flow.send('preprocess', { payload }),
      );
      expect(segments[0]?.start).to.equal(60);
      expect((segments[1]?.start ?? 0) - 60).to.be.closeTo(0.5, 0.03);
      expect((segments[0]?.end ?? 0) - 60).to.be.closeTo(1, 0.03);
      expect(source).to.include({ device: 'kitchen' });
    });

    it('adds a spectrogram and the MFCC where they are asked for', async () => {
      flow = await start({ spectrogram: 'axes', mfcc: true }, false);
      const { features } = payloadOf<AudioSample>(await flow.send('preprocess', { payload: high }));
      expect(Buffer.isBuffer(features?.spectrogram)).to.equal(true);
      expect(features?.spectrogram?.subarray(1, 4).toString()).to.equal('PNG');
      const { coefficients = 0, frames = 0, values } = features?.mfcc ?? {};
      expect(values).to.have.length(coefficients * frames);
      await flow.stop();
      flow = await start({}, false);
      const plain = payloadOf<AudioSample>(await flow.send('preprocess', { payload: high }));
      expect(plain.features).not.to.have.any.keys('spectrogram', 'mfcc');
    });

    it('lets go of what it decodes on msg.reset and when it is closed', async () => {
      flow = await start();
      const sine = ['-f', 'lavfi', '-i', 'sine=duration=500:sample_rate=8000'];
      const long = await make(folder, sine, 'long.flac');
      const first = flow.send('preprocess', { payload: readFileSync(long) });
      await until(async () => (await ffmpegChildren()).length > 0, 'FFmpeg at work');
      await flow.send('preprocess', { reset: true });
      expect((await first).caught.map(({ error }) => error.code)).to.deep.equal(['queue.reset']);
      expect(payloadOf<Result>(await flow.send('preprocess', { payload: high })).label).to.equal('surprise'); // prettier-ignore
    });
  });

  describe('given what it should not get', () => {
    before(async () => {
      flow = await start({ folders: inside, maxSeconds: 10 });
    });
    after(stop);
    const send = (message: NodeMessage) => flow!.send('preprocess', message);
    const films: Record<string, string> = {};
    before(async () => {
      const sine = ['-f', 'lavfi', '-i', 'sine=frequency=6000:duration=3:sample_rate=48000'];
      const picture = ['-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=5:duration=3'];
      const encode = async (name: string, args: string[]) => {
        films[name] = await make(folder, args, name);
      };
      await encode('sound.mp3', sine);
      await encode('late-index.mp4', [...picture, ...sine, '-shortest']);
      await encode('mute.mp4', picture);
      await encode('8-bit.wav', [...sine, '-c:a', 'pcm_u8']);
      await encode('24-bit.wav', [...sine, '-c:a', 'pcm_s24le']);
      await encode('float.wav', [...sine, '-c:a', 'pcm_f32le']);
      await encode('surround.flac', [...sine, '-ac', '6']);
      await encode('192k.wav', [...sine, '-ar', '192000']);
      await encode('short.wav', ['-f', 'lavfi', '-i', 'sine=duration=0.01']);
      const mp3 = readFileSync(films['sound.mp3'] ?? '');
      writeFileSync(joinPath(folder, 'cut.mp3'), mp3.subarray(0, mp3.length / 2));
    });

    const read = (name: string) => readFileSync(joinPath(folder, name));
    const header = () => wavFile(new Float32Array(0));

    const refused: [string, () => NodeMessage & Record<string, unknown>, string][] = [
      ['0 bytes', () => ({ payload: Buffer.alloc(0) }), 'media.empty'],
      ['a WAV file of 44 bytes', () => ({ payload: header() }), 'media.empty'],
      ['a film without sound', () => ({ payload: read('mute.mp4') }), 'media.no-stream'],
      ['a text renamed .wav', () => ({ payload: Buffer.from('this is a text') }), 'media.unreadable'],
      ['a path outside the allowed folder', () => ({ payload: joinPath(folder, 'secret.wav') }), 'media.refused'],
      ['a way out of the allowed folder', () => ({ payload: '../secret.wav' }), 'media.refused'],
      ['a link out of the allowed folder', () => ({ payload: 'link.wav' }), 'media.refused'],
      ['a file that is not there', () => ({ payload: 'none.wav' }), 'media.not-found'],
      ['concat:', () => ({ payload: 'concat:high.wav|high.wav' }), 'media.refused'],
      ['file:', () => ({ payload: 'file:/etc/passwd' }), 'media.refused'],
      ['an address', () => ({ payload: 'http://127.0.0.1:9/a.wav' }), 'media.refused'],
      ['rtsp in an object', () => ({ payload: { url: 'rtsp://127.0.0.1:9/a' } }), 'media.refused'],
      ['samples that are mostly NaN', () => ({ payload: new Float32Array(9000).fill(NaN) }), 'input.unusable'],
      ['a rate of 0', () => ({ payload: Array(900).fill(0), sampleRate: 0 }), 'input.unusable'],
      ['a rate that is no number', () => ({ payload: Array(900).fill(0), sampleRate: 'fast' }), 'input.unusable'],
      ['raw samples of no known format', () => ({ payload: Buffer.alloc(900), sampleRate: 8000, format: 's8' }), 'input.unusable'],
      ['less than one sample', () => ({ payload: Buffer.alloc(1), sampleRate: 8000 }), 'media.empty'],
      ['no samples', () => ({ payload: [] }), 'media.empty'],
      ['words among the samples', () => ({ payload: [1, 'a', 2] }), 'input.wrong-type'],
      ['a number', () => ({ payload: 5 }), 'input.wrong-type'],
      ['null', () => ({ payload: null }), 'input.wrong-type'],
      ['an object of something else', () => ({ payload: { text: 'a' } }), 'input.wrong-type'],
      ['a data URL that is not base64', () => ({ payload: 'data:audio/wav,RIFF' }), 'input.unusable'],
      ['more than the longest sound', () => ({ payload: new Float32Array(16_000 * 11) }), 'input.too-large'],
      ['no property', () => ({}), 'input.property-missing'],
    ]; // prettier-ignore
    for (const [name, message, code] of refused) {
      it(`catches ${name}`, async () => {
        const { sent, caught, completed } = await send(message());
        expect(caught.map(({ error }) => `${error.code}`)).to.deep.equal([code]);
        expect(caught[0]?.error.message).to.be.a('string').and.not.contain('Error:');
        expect([sent, completed]).to.deep.equal([[], []]);
        expect(payloadOf<Result>(await send({ payload: high })).label).to.equal('surprise');
      });
    }

    for (const name of ['cut.mp3', 'late-index.mp4', '8-bit.wav', '24-bit.wav', 'float.wav', 'surround.flac', '192k.wav']) {
      it(`reads ${name}`, async () => {
        const result = payloadOf<Result>(await send({ payload: read(name) }));
        expect(result.label).to.equal('surprise');
      });
    } // prettier-ignore

    it('answers 10 ms with no label', async () => {
      const result = payloadOf<Result>(await send({ payload: read('short.wav') })); // prettier-ignore
      expect(result).to.include({ label: null, reason: 'no-speech' });
    });

    it('bridges some NaN, and hears another pitch where the declared rate is wrong', async () => {
      const damaged = high.slice();
      for (let i = 0; i < damaged.length; i += 100) damaged[i] = NaN;
      expect(payloadOf<Result>(await send({ payload: damaged })).label).to.equal('surprise'); // prettier-ignore
      const wrong = payloadOf<Result>(
        await send({ payload: Array.from(high.subarray(0, 24_000)), sampleRate: 4_000 }),
      );
      expect(wrong.label).not.to.equal('surprise');
    });

    it('says that FFmpeg is missing and how to install it, and reads samples without it', async () => {
      const { PATH } = process.env;
      process.env.PATH = folder;
      try {
        const { caught } = await send({ payload: wavFile(high) });
        expect(caught[0]?.error.code).to.equal('media.ffmpeg-missing');
        expect(caught[0]?.error.message).to.match(/install/);
        const result = payloadOf<Result>(await send({ payload: high }));
        expect(result.label).to.equal('surprise');
      } finally {
        process.env.PATH = PATH;
      }
    });
  });

  it('says how long a window of the model may be when a longer one is asked for', async () => {
    flow = await start({ windowMs: 60_000 });
    const { sent, caught } = await flow.send('preprocess', { payload: high });
    expect(sent).to.deep.equal([]);
    expect(caught.map(({ error }) => error.code)).to.deep.equal(['input.unusable']);
    expect(caught[0]?.error.message).to.match(/at most \d+ ms.*got 60000/);
    await stop();
  });

  it('refuses as a whole what is longer than the limit, and says what to do', async () => {
    const file = joinPath(inside, 'over.flac');
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '660', file]); // prettier-ignore
    flow = await start({ folders: inside });
    const { sent, caught } = await flow.send('preprocess', { payload: 'over.flac' });
    expect(sent).to.deep.equal([]);
    expect(caught.map(({ error }) => error.code)).to.deep.equal(['input.too-large']);
    expect(caught[0]?.error.message).to.match(/600 seconds.*in windows/);
    await stop();
  });

  /** `EMOTION_LONG_SECONDS=10800` reads three hours. */
  const LONG = Number(process.env.EMOTION_LONG_SECONDS ?? 660);

  it('reads minutes and hours, too long to be held as a whole, window by window', async function () {
    this.timeout(30_000 + 60 * LONG);
    const file = joinPath(inside, 'long.flac');
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', `${LONG}`, file]); // prettier-ignore
    flow = await start({ folders: inside, output: 'windows', hopMs: 60_000, silence: 'skip' }, false); // prettier-ignore
    const before = process.memoryUsage.rss();
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 50);
    const { sent, completed } = await flow.send('preprocess', { payload: 'long.flac' });
    for (let i = 0; i < 20 * LONG && !completed.includes('preprocess'); i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    clearInterval(watch);
    expect(sent).to.have.length(Math.floor(LONG / 60) + 1);
    expect((sent.at(-1)?.payload as AudioSample).segments[0]?.end).to.be.closeTo(LONG, 0.1);
    expect(most - before).to.be.lessThan(200e6);
    await stop();
  });
});
