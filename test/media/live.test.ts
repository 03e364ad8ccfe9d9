import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { backoffMs, DEFAULT_BACKOFF } from '../../lib/media/backoff';
import {
  LiveCapture,
  type LiveFrame,
  type LiveSamples,
  type LiveStatus,
} from '../../lib/media/live';
import { liveProcessCount } from '../../lib/media/process';
import { ffmpegChildren, make, scratchFolder, until } from './fixtures';

const AUDIO = { audio: { sampleRateHz: 16_000 } } as const;
const QUICK = { backoff: { initialMs: 10, maxMs: 20 } } as const;

function record(capture: LiveCapture) {
  const seen = {
    statuses: [] as LiveStatus[],
    samples: [] as LiveSamples[],
    frames: [] as LiveFrame[],
  };
  capture.on('status', (status) => seen.statuses.push(status));
  capture.on('samples', (samples) => seen.samples.push(samples));
  capture.on('frame', (frame) => seen.frames.push(frame));
  return seen;
}

const failureIn = (statuses: readonly LiveStatus[]) =>
  statuses.flatMap((status) => ('error' in status ? [status.error.code] : []));

describe('a live source', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  let film: string;

  before(async () => {
    film = await make(
      folder,
      ['-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=10:duration=1.2', '-f', 'lavfi', '-i', 'sine=duration=1.2', '-shortest'],
      'film.mp4',
    ); // prettier-ignore
  });

  afterEach(async () => {
    expect(liveProcessCount()).to.equal(0);
    expect(await ffmpegChildren()).to.deep.equal([]);
  });

  it('gives a test tone in real time, with a time on every piece', async () => {
    const capture = new LiveCapture({ kind: 'test', hz: 1000 }, AUDIO);
    const seen = record(capture);
    const startedAt = performance.now();
    capture.start();
    capture.start();
    await until(() => seen.samples.length > 12, 'samples');
    const seconds = (performance.now() - startedAt) / 1000;
    await capture.stop();
    const sound = seen.samples.reduce((sum, piece) => sum + piece.data.length, 0) / 16_000;
    expect(sound).to.be.lessThan(seconds);
    for (const [i, piece] of seen.samples.entries()) {
      const next = seen.samples[i + 1];
      if (next) expect(next.time - piece.time).to.be.closeTo(piece.data.length / 16_000, 0.002);
    }
    expect(Math.max(...(seen.samples[5]?.data ?? []))).to.be.closeTo(0.125, 0.01);
    expect(seen.statuses.map(({ state }) => state)).to.deep.equal([
      'connecting',
      'running',
      'idle',
    ]);
  });

  it('gives sound and pictures of one file on one clock, in real time, to the end', async () => {
    const capture = new LiveCapture({ kind: 'file', path: film }, { ...AUDIO, video: { fps: 10 } });
    const seen = record(capture);
    const startedAt = performance.now();
    capture.start();
    await until(() => capture.status.state === 'ended', 'the end of the file');
    expect(performance.now() - startedAt).to.be.greaterThan(900);
    expect(seen.frames.length).to.be.within(11, 13);
    expect(seen.frames[0]).to.include({ width: 64, height: 48 });
    expect(seen.frames[0]?.data.length).to.equal(64 * 48 * 3);
    expect(seen.frames[0]?.time).to.be.closeTo(seen.samples[0]?.time ?? -1, 0.06);
    const last = seen.samples.at(-1);
    expect(seen.frames.at(-1)?.time).to.be.closeTo(last?.time ?? -1, 0.25);
    await capture.stop();
  });

  it('comes back each time that FFmpeg is killed, twenty times, and still obeys', async () => {
    const capture = new LiveCapture({ kind: 'test' }, { ...AUDIO, ...QUICK });
    const seen = record(capture);
    capture.start();
    for (let kill = 1; kill <= 20; kill += 1) {
      await until(
        () => seen.samples.some((piece) => piece.connection === kill),
        `connection ${kill}`,
      );
      const [pid] = await ffmpegChildren();
      expect(pid).to.be.a('number');
      process.kill(pid!, kill % 4 === 0 ? 'SIGTERM' : 'SIGKILL');
    }
    await until(() => seen.samples.some((piece) => piece.connection === 21), 'the last connection');
    expect(await ffmpegChildren()).to.have.length(1);
    await capture.stop();
    expect(failureIn(seen.statuses)).to.deep.equal(Array(20).fill('media.killed'));
    const times = seen.samples.map((piece) => piece.time);
    expect(times, 'time goes on').to.deep.equal([...times].sort((a, b) => a - b));
  });

  it('loses no control message, however fast they come', async () => {
    const capture = new LiveCapture({ kind: 'test' }, { ...AUDIO, ...QUICK });
    const seen = record(capture);
    for (let i = 0; i < 10; i += 1) {
      capture.start();
      if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 30));
      void capture.stop();
    }
    capture.start();
    await until(() => seen.samples.length > 0, 'samples after the last start');
    expect(await ffmpegChildren()).to.have.length(1);
    await Promise.all([capture.stop(), capture.stop()]);
    expect(capture.status.state).to.equal('idle');
    const count = seen.samples.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen.samples).to.have.length(count);
  });

  it('goes on in a file where it was interrupted', async () => {
    const capture = new LiveCapture({ kind: 'file', path: film }, { ...AUDIO, ...QUICK });
    const seen = record(capture);
    capture.start();
    // Looked for while there is time: the file plays for little more than a second.
    let pid: number | undefined;
    await until(async () => ([pid] = await ffmpegChildren()).length > 0, 'FFmpeg');
    await until(() => seen.samples.length >= 8, 'half of the file');
    process.kill(pid!, 'SIGKILL');
    await until(() => capture.status.state === 'ended', 'the end of the file');
    const sound = seen.samples.reduce((sum, piece) => sum + piece.data.length, 0) / 16_000;
    expect(sound).to.be.within(1, 1.5);
    await capture.stop();
  });

  it('says what is wrong with a device that does not exist, and keeps trying', async () => {
    for (const source of [
      { kind: 'device', microphone: { system: 'alsa', name: 'hw:99,0' } },
      { kind: 'device', camera: { system: 'v4l2', name: '/dev/video99' } },
    ] as const) {
      const wants = 'camera' in source ? { video: { fps: 5 } } : AUDIO;
      const capture = new LiveCapture(source, { ...wants, ...QUICK });
      const seen = record(capture);
      capture.start();
      await until(() => failureIn(seen.statuses).length >= 2, 'two attempts');
      await capture.stop();
      expect(new Set(failureIn(seen.statuses))).to.deep.equal(new Set(['media.device']));
    }
  });

  it('refuses device names that would be commands to the sound system', () => {
    for (const name of ["file:'/tmp/x'", 'tee:hw,/tmp/x', '{type file}', 'hw:0 -y', '../x']) {
      const source = { kind: 'device', microphone: { system: 'alsa', name } } as const;
      expect(() => new LiveCapture(source, AUDIO), name).to.throw('is not the name');
    }
    expect(() => new LiveCapture({ kind: 'test' }, {})).to.throw('sound, pictures or both');
    expect(() => new LiveCapture({ kind: 'device' }, AUDIO)).to.throw('No microphone is chosen');
  });

  it('gives up where trying again cannot help', async () => {
    const silent = await make(
      folder,
      ['-f', 'lavfi', '-i', 'testsrc=size=64x48:duration=1'],
      'silent.mp4',
    );
    for (const [path, code] of [
      [silent, 'media.no-stream'],
      [`${folder}/none.wav`, 'media.not-found'],
    ] as const) {
      const capture = new LiveCapture({ kind: 'file', path }, AUDIO);
      capture.start();
      await until(() => capture.status.state === 'failed', 'a failure');
      expect(capture.status).to.have.nested.property('error.code', code);
      await capture.stop();
    }
    const nowhere = { kind: 'stream', url: 'http://127.0.0.1:9/' } as const;
    const capture = new LiveCapture(nowhere, { ...AUDIO, ...QUICK, maxAttempts: 2 });
    const seen = record(capture);
    capture.start();
    await until(() => capture.status.state === 'failed', 'the second attempt');
    expect(failureIn(seen.statuses)).to.deep.equal(['media.unreachable', 'media.unreachable']);
    await capture.stop();
  });

  describe('from a server', () => {
    let server: Server;
    let url: string;
    let requests = 0;
    let mode: 'stall' | 'silent' | 'serve' = 'stall';

    before(async () => {
      // A long header-only stream of silence, then whatever the mode says.
      const wav = await make(
        folder,
        ['-f', 'lavfi', '-i', 'sine=duration=2:sample_rate=16000'],
        'tone.wav',
      );
      const bytes = readFileSync(wav);
      server = createServer((_request, response) => {
        requests += 1;
        if (mode === 'silent') return;
        response.writeHead(200, { 'content-type': 'audio/wav' });
        if (mode === 'stall') response.write(bytes.subarray(0, 48_000));
        else response.end(bytes);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    });

    after(() => {
      server.closeAllConnections();
      server.close();
    });

    it('replaces an FFmpeg whose server has gone quiet, and hears the server when it is back', async () => {
      mode = 'stall';
      const capture = new LiveCapture(
        { kind: 'stream', url },
        // Long enough for an FFmpeg that starts on a busy machine.
        { ...AUDIO, ...QUICK, stallMs: 1_500 },
      );
      const seen = record(capture);
      capture.start();
      try {
        await until(() => failureIn(seen.statuses).length >= 2, 'two stalls', 20_000);
        expect(new Set(failureIn(seen.statuses))).to.deep.equal(new Set(['media.stalled']));
        mode = 'silent';
        const before = requests;
        await until(() => requests >= before + 2, 'attempts at a silent server', 20_000);
        mode = 'serve';
        await until(() => capture.status.state === 'running', 'sound', 20_000);
      } finally {
        await capture.stop();
      }
      expect(seen.samples.length).to.be.greaterThan(0);
    }).timeout(70_000);

    it('stops at once while it is stalled', async () => {
      mode = 'silent';
      const capture = new LiveCapture({ kind: 'stream', url }, { ...AUDIO, stallMs: 60_000 });
      capture.start();
      await until(async () => (await ffmpegChildren()).length === 1, 'FFmpeg');
      const startedAt = performance.now();
      await capture.stop();
      expect(performance.now() - startedAt).to.be.lessThan(10_000);
    });
  });
});

describe('backoffMs', () => {
  it('doubles up to the limit and spreads by the jitter', () => {
    const waits = [0, 1, 2, 10].map((attempt) => backoffMs(attempt, DEFAULT_BACKOFF, () => 0));
    expect(waits).to.deep.equal([500, 1000, 2000, 30_000]);
    expect(backoffMs(0, DEFAULT_BACKOFF, () => 1)).to.equal(400);
  });
});
