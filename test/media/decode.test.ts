import {
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  copyFileSync,
  chmodSync,
  mkdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decodeAudio, decodeWhole, Float32Aligner } from '../../lib/media/decode';
import { needsSeeking } from '../../lib/media/input';
import { liveProcessCount } from '../../lib/media/process';
import { probe } from '../../lib/media/probe';
import { sweepTemporaryFiles, temporaryFile } from '../../lib/media/temporary';
import { expectFailure, ffmpegChildren, make, scratchFolder, startNode, until } from './fixtures';

/** Frequency by counting upward zero crossings: right for a pure tone whatever its gain. */
function hertz(samples: Float32Array, sampleRateHz = 16_000): number {
  let crossings = 0;
  for (let i = 1; i < samples.length; i += 1) {
    if ((samples[i - 1] ?? 0) < 0 && (samples[i] ?? 0) >= 0) crossings += 1;
  }
  return (crossings * sampleRateHz) / samples.length;
}

/** A RIFF header for mono PCM: 44 bytes. */
function wavHeader(wav: { sampleRateHz: number; bits: number; bytes: number }): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + wav.bytes, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(wav.sampleRateHz, 24);
  header.writeUInt32LE((wav.sampleRateHz * wav.bits) / 8, 28);
  header.writeUInt16LE(wav.bits / 8, 32);
  header.writeUInt16LE(wav.bits, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(wav.bytes, 40);
  return header;
}

const temporaryFolders = () =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`emotion-media-${process.pid}-`));

describe('decoding sound', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  const tone = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=1'];
  const film = [
    '-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=5:duration=1', ...tone, '-shortest',
  ]; // prettier-ignore
  let wav: string;
  let mp3: string;
  let mp4: string;

  before(async () => {
    [wav, mp3, mp4] = await Promise.all([
      make(folder, tone, 'tone.wav'),
      make(folder, tone, 'tone.mp3'),
      make(folder, film, 'film.mp4'),
    ]);
  });

  afterEach(async () => {
    expect(liveProcessCount()).to.equal(0);
    expect(await ffmpegChildren()).to.deep.equal([]);
    expect(temporaryFolders()).to.deep.equal([]);
  });

  it('gives 16 kHz mono of any width, channel count and rate', async () => {
    const cases: [string, string[]][] = [
      ['u8.wav', ['-c:a', 'pcm_u8']],
      ['s24.wav', ['-c:a', 'pcm_s24le']],
      ['f32.wav', ['-c:a', 'pcm_f32le']],
      ['51.wav', ['-ac', '6']],
      ['192.wav', ['-ar', '192000']],
      ['8.wav', ['-ar', '8000']],
      ['opus.ogg', ['-c:a', 'libopus']],
      ['a.flac', []],
      ['a.m4a', []],
      ['a.webm', ['-c:a', 'libopus']],
    ];
    for (const [name, args] of cases) {
      const path = await make(folder, [...tone, ...args], name);
      const sound = await decodeWhole({ kind: 'file', path });
      expect(sound.duration, name).to.be.closeTo(1, 0.08);
      expect(hertz(sound.data), name).to.be.closeTo(440, 6);
      expect(Math.max(...sound.data), name).to.be.within(0.03, 0.5);
    }
  });

  it('reads bytes as well as files, with the same samples', async () => {
    const fromFile = await decodeWhole({ kind: 'file', path: wav });
    const fromBytes = await decodeWhole({ kind: 'bytes', bytes: readFileSync(wav) });
    expect(fromBytes.data).to.deep.equal(fromFile.data);
    expect(fromFile).to.include({ samples: 16_000, duration: 1, sampleRateHz: 16_000 });
    expect(fromFile).to.not.have.property('warning');
  });

  it('reads an MP4 whose index is at the end, given as bytes', async () => {
    const bytes = readFileSync(mp4);
    expect(needsSeeking(bytes)).to.equal(true);
    const sound = await decodeWhole({ kind: 'bytes', bytes });
    expect(hertz(sound.data)).to.be.closeTo(440, 6);
    const fast = readFileSync(await make(folder, [...film, '-movflags', '+faststart'], 'fast.mp4'));
    expect(needsSeeking(fast)).to.equal(false);
    expect((await decodeWhole({ kind: 'bytes', bytes: fast })).samples).to.equal(sound.samples);
  });

  it('reads PCM with a declared format, and refuses an impossible declaration', async () => {
    const bytes = new Uint8Array(
      new Int16Array(8000).map((_, i) => 9000 * Math.sin(i * 0.345575)).buffer,
    );
    const pcm = { kind: 'pcm', bytes, format: 's16le', sampleRateHz: 8000, channels: 1 } as const;
    const sound = await decodeWhole(pcm);
    expect(sound.duration).to.be.closeTo(1, 0.01);
    expect(hertz(sound.data)).to.be.closeTo(440, 6);
    await expectFailure(decodeWhole({ ...pcm, sampleRateHz: 0 }), 'input.unusable', /sample rate/);
    await expectFailure(decodeWhole({ ...pcm, channels: 0.5 }), 'input.unusable', /channels/);
    await expectFailure(decodeWhole({ ...pcm, bytes: new Uint8Array(0) }), 'media.empty');
  });

  it('takes part of a file', async () => {
    const sound = await decodeWhole({ kind: 'file', path: wav }, { start: 0.25, seconds: 0.5 });
    expect(sound.duration).to.be.closeTo(0.5, 0.01);
  });

  it('keeps what a cut-off file still holds', async () => {
    const path = join(folder, 'cut.mp3');
    copyFileSync(mp3, path);
    truncateSync(path, 4000);
    const sound = await decodeWhole({ kind: 'file', path });
    expect(sound.duration).to.be.within(0.2, 0.9);
    expect(hertz(sound.data)).to.be.closeTo(440, 12);
  });

  it('names what is wrong with everything that is not sound', async () => {
    const at = (name: string, content: string | Uint8Array) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const cases = [
      [at('zero.wav', ''), 'media.empty', /0 bytes/],
      [at('header.wav', readFileSync(wav).subarray(0, 44)), 'media.unreadable', /no 'data' tag/],
      [at('text.wav', 'this is a text, renamed to look like sound'), 'media.unreadable', /Invalid/],
      [
        at(
          'noise.bin',
          new Uint8Array(5000).map((_, i) => (i * 7919) % 251),
        ),
        'media.unreadable',
      ],
      [at('cut.mp4', readFileSync(mp4).subarray(0, 500)), 'media.unreadable', /moov/],
      [join(folder, 'none.wav'), 'media.not-found'],
      [await make(folder, film.slice(0, 4), 'silent.mp4'), 'media.no-stream'],
    ] as const;
    for (const [path, code, words] of cases) {
      await expectFailure(decodeWhole({ kind: 'file', path }), code, words);
      if (code === 'media.not-found') continue;
      const bytes = readFileSync(path);
      await expectFailure(decodeWhole({ kind: 'bytes', bytes }), code);
    }
    const empty = await make(folder, ['-f', 'lavfi', '-i', 'anullsrc', '-t', '0', '-c:a', 'pcm_s16le'], 'none.wav'); // prettier-ignore
    await expectFailure(
      decodeWhole({ kind: 'file', path: empty }),
      'media.empty',
      /not one sample/,
    );
  });

  it('does not follow a playlist out of the file', async () => {
    const cases = [
      ['list.wav', `ffconcat version 1.0\nfile ${wav}\n`],
      [
        'list.m3u8',
        `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nfile://${wav}\n#EXT-X-ENDLIST\n`,
      ],
      [
        'list.sdp',
        'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n',
      ],
    ] as const;
    for (const [name, content] of cases) {
      writeFileSync(join(folder, name), content);
      const failed = await decodeWhole({ kind: 'file', path: join(folder, name) }).then(
        () => 'was read',
        (error: { code: string }) => error.code,
      );
      expect(failed, name).to.be.oneOf(['media.refused', 'media.unreadable']);
    }
  });

  it('reads names that look like options, patterns or commands as plain names', async () => {
    for (const name of [
      '-i.wav',
      'a%03d.wav',
      '$(touch x).wav',
      'a b;c&d.wav',
      'é"\'.wav',
      '北京.wav',
    ]) {
      copyFileSync(wav, join(folder, name));
      expect((await decodeWhole({ kind: 'file', path: join(folder, name) })).samples).to.equal(
        16_000,
      );
    }
  });

  it('holds little memory however long the file is', async () => {
    // Three hours at 8 kHz, 8 bit: 86 MB of zeros that take no room on the disk.
    const length = 3 * 3600 * 8000;
    const path = join(folder, 'long.wav');
    writeFileSync(path, wavHeader({ sampleRateHz: 8000, bits: 8, bytes: length }));
    truncateSync(path, 44 + length);
    const before = process.memoryUsage().rss;
    let samples = 0;
    let largest = 0;
    for await (const piece of decodeAudio({ kind: 'file', path })) {
      samples += piece.length;
      largest = Math.max(largest, piece.length);
    }
    expect(samples).to.equal(3 * 3600 * 16_000);
    expect(largest).to.be.lessThan(100_000);
    expect(process.memoryUsage().rss - before).to.be.lessThan(150e6);
    await expectFailure(
      decodeWhole({ kind: 'file', path: wav }, { maxSeconds: 0.5 }),
      'input.too-large',
      /0\.5 seconds/,
    );
  });

  it('ends FFmpeg when the reader leaves early', async () => {
    for await (const piece of decodeAudio({ kind: 'file', path: wav })) {
      expect(piece.length).to.be.greaterThan(0);
      break;
    }
    expect(await ffmpegChildren()).to.deep.equal([]);
  });

  it('ends at a time limit and on a signal, and says so', async () => {
    await make(folder, ['-f', 'lavfi', '-i', 'anullsrc=r=48000:cl=stereo', '-t', '400', '-c:a', 'flac'], 'slow.flac'); // prettier-ignore
    // Hours of zeros that take no room on the disk: seconds of work on any machine.
    const length = 2 ** 31 - 1024;
    const path = join(folder, 'hours.wav');
    writeFileSync(path, wavHeader({ sampleRateHz: 8000, bits: 8, bytes: length }));
    truncateSync(path, 44 + length);
    const slow = { kind: 'file', path } as const;
    const maxSeconds = 1e6;
    await expectFailure(decodeWhole(slow, { maxSeconds, timeoutMs: 60 }), 'media.stalled', /60 ms/);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 60);
    await expectFailure(
      decodeWhole(slow, { maxSeconds, signal: controller.signal }),
      'media.killed',
      /stopped/,
    );
  });

  it('says when FFmpeg was killed from outside', async () => {
    const path = join(folder, 'slow.flac');
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const decoding = decodeAudio({ kind: 'file', path });
      await decoding.next();
      for (const pid of await ffmpegChildren()) process.kill(pid, signal);
      const rest = (async () => {
        for await (const piece of decoding) expect(piece.length).to.be.greaterThan(0);
      })();
      await expectFailure(rest, 'media.killed', /from outside/);
    }
  });

  it('tells how to install FFmpeg where it is missing, and survives a broken one', async () => {
    const path = process.env.PATH;
    try {
      process.env.PATH = folder;
      await expectFailure(probe({ kind: 'file', path: wav }), 'media.ffmpeg-missing', /install/);
      await expectFailure(decodeWhole({ kind: 'file', path: wav }), 'media.ffmpeg-missing');
      const broken = join(folder, 'broken');
      mkdirSync(broken);
      for (const name of ['ffmpeg', 'ffprobe']) {
        writeFileSync(join(broken, name), '#!/no/such/interpreter\n');
        chmodSync(join(broken, name), 0o755);
      }
      process.env.PATH = broken;
      await expectFailure(decodeWhole({ kind: 'file', path: wav }), 'media.killed', /started/);
      await expectFailure(probe({ kind: 'file', path: wav }), 'media.killed', /started/);
    } finally {
      process.env.PATH = path;
    }
    expect((await decodeWhole({ kind: 'file', path: wav })).samples).to.equal(16_000);
  });

  it('removes the temporary files of a process that crashed', async () => {
    const script = `
      const { temporaryFile } = require(${JSON.stringify(require.resolve('../../lib/media/temporary'))});
      temporaryFile(Buffer.from('x')).then((file) => { console.log(file.path); setInterval(() => {}, 1000); });`;
    const child = startNode(script);
    const path = await new Promise<string>((resolve) =>
      child.stdout?.once('data', (text: Buffer) => resolve(text.toString().trim())),
    );
    expect(readFileSync(path, 'utf8')).to.equal('x');
    await sweepTemporaryFiles();
    expect(readFileSync(path, 'utf8'), 'a living process keeps its file').to.equal('x');
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    await sweepTemporaryFiles();
    expect(() => readFileSync(path)).to.throw('ENOENT');
    const mine = await temporaryFile(new Uint8Array(1));
    await mine.remove();
    await mine.remove();
  });

  it('leaves no FFmpeg behind when its own process is killed', async () => {
    const script = `
      const { decodeAudio } = require(${JSON.stringify(require.resolve('../../lib/media/decode'))});
      (async () => { for await (const piece of decodeAudio({ kind: 'file', path: ${JSON.stringify(join(folder, 'slow.flac'))} })) {
        console.log('reading'); await new Promise(() => setInterval(() => {}, 1000)); } })();`;
    const child = startNode(script);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const [pid] = await ffmpegChildren(child.pid ?? 0);
    expect(pid).to.be.a('number');
    child.kill('SIGKILL');
    await until(() => {
      try {
        // A zombie that nobody reaps still answers signal 0; what matters is that it does not run.
        return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
      } catch {
        return true;
      }
    }, 'FFmpeg to end after its parent');
  });
});

describe('Float32Aligner', () => {
  it('joins samples that the pipe has cut anywhere', () => {
    const samples = Float32Array.from({ length: 100 }, (_, i) => Math.fround(i / 7));
    const bytes = Buffer.from(samples.buffer);
    for (const step of [1, 3, 4, 5, 399]) {
      const aligner = new Float32Aligner();
      const out: number[] = [];
      for (let at = 0; at < bytes.length; at += step) {
        out.push(...aligner.push(bytes.subarray(at, at + step)));
      }
      expect(out).to.deep.equal([...samples]);
    }
  });
});
