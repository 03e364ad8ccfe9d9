import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import type { VideoSample } from '../../lib/emotion/sample';
import { encodePng } from '../../lib/video/annotate';
import { FacePool, type FacePreparation, type ReadOptions } from '../../lib/workers/face-pool';
import type { FaceInput } from '../../lib/workers/face-protocol';
import { isAlive, scratchFolder, until } from '../media/fixtures';
import { drawFaces } from '../video/drawn-face';
import { ffmpeg, film, portrait } from '../video/face-files';
import { faceManifest } from '../video/manifest';

const OPTIONS: ReadOptions = {
  faces: 'all',
  maxFaces: 5,
  minSize: 20,
  fps: 10,
  maxSeconds: 60,
  picture: false,
};

const bytes = (content: Uint8Array): FaceInput => ({
  kind: 'media',
  media: { kind: 'bytes', bytes: content },
});

async function failure(promise: Promise<unknown>): Promise<EmotionError> {
  return promise.then(
    () => expect.fail('did not throw'),
    (error: unknown) => {
      expect(error, String(error)).to.be.instanceOf(EmotionError);
      return error as EmotionError;
    },
  );
}

/** A program that notes each file that FFmpeg reads, and lets FFmpeg read it. */
async function countingFfmpeg(folder: string, notes: string): Promise<string> {
  const program = join(folder, 'counting-ffmpeg');
  const script = `#!/bin/sh\ncase " $* " in *" -i "*) echo "$*" >> '${notes}' ;; esac\nexec ffmpeg "$@"\n`;
  await writeFile(program, script, { mode: 0o755 });
  return program;
}

const ids = ({ segments }: VideoSample) => segments.map(({ face }) => face);

describe('FacePool', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  const pool = new FacePool();
  let front: FacePreparation;
  const picture = portrait();

  before(() => {
    front = pool.open(faceManifest(), 'onnxruntime');
  });
  after(async () => {
    const [pid] = pool.pids;
    await front.close();
    expect(pid && isAlive(pid)).to.equal(false);
  });

  it('gives a row a face: box, landmarks, quality, and a clip of one picture', async () => {
    const two = drawFaces(480, 270, [
      { x: 110, y: 120, size: 50 },
      { x: 330, y: 130, size: 80 },
    ]);
    const sample = await front.read(bytes(encodePng(two)), { device: 'test' }, OPTIONS);
    expect(sample).to.include({ modality: 'video', model: 'face-test' });
    expect(sample.tensors['faces']?.dims).to.deep.equal([2, 16, 1, 48, 48]);
    expect(sample.source).to.deep.equal({ device: 'test', width: 480, height: 270 });
    const [large, small] = sample.segments;
    expect(large!.box![0]).to.be.closeTo(270, 15);
    expect(small!.box![0]).to.be.closeTo(74, 15);
    expect(large).to.have.property('landmarks').with.length(68);
    expect(large).not.to.have.any.keys('start', 'end', 'flaws');
    const { faces, annotations, ...features } = sample.features!;
    expect(features).to.deep.equal({ engine: 'onnxruntime', frames: 1, framesWithFace: 1 });
    expect(faces.map(({ quality }) => quality.flaws)).to.deep.equal([[], []]);
    expect(annotations.map(({ bbox }) => bbox)).to.deep.equal(faces.map(({ box }) => box));

    const one = await front.read(bytes(encodePng(two)), {}, { ...OPTIONS, faces: 'largest' });
    expect(one.segments.map(({ box }) => box)).to.deep.equal([large!.box]);
  });

  it('gives the annotated picture on request', async () => {
    const { features } = await front.read(
      bytes(encodePng(picture)),
      {},
      { ...OPTIONS, picture: true },
    );
    expect(Buffer.from(features!.annotated!.subarray(0, 3)).toString('hex')).to.equal('ffd8ff');
    expect(features!.picture).to.include({ width: 240, height: 200, channels: 3 });
    expect(Buffer.from(picture.data).equals(features!.picture!.data)).to.equal(true);
  });

  it('follows a face through a film and cuts it into clips', async () => {
    const path = await film(folder, 26, (i) => portrait(240, 200, { x: 90 + 2 * i }));
    const input: FaceInput = { kind: 'media', media: { kind: 'file', path } };
    const sample = await front.read(input, {}, OPTIONS);
    expect(sample.tensors['faces']?.dims).to.deep.equal([3, 16, 1, 48, 48]);
    expect(ids(sample)).to.deep.equal([1, 1, 1]);
    expect(sample.segments.map(({ start, end }) => [start, end])).to.deep.equal([
      [0, 1.7],
      [0.8, 2.5],
      [0.9, 2.6],
    ]);
    expect(sample.source).to.deep.include({ duration: 2.6, fps: 10 });
    expect(sample.features).to.deep.include({ frames: 26, framesWithFace: 26 });
    const content = await readFile(path);
    const other = await front.read(bytes(content), {}, OPTIONS);
    expect(other.segments).to.deep.equal(sample.segments);

    const short = await failure(front.read(input, {}, { ...OPTIONS, maxSeconds: 1 }));
    expect(short.code).to.equal('input.too-large');
  });

  it('splits a film into faces and sound by one run of FFmpeg', async () => {
    const seen = join(folder, 'runs');
    const silent = await film(folder, 15, () => portrait(), { name: 'silent.mp4' });
    const tone = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100:duration=1.5'];
    await ffmpeg(folder, '-i', silent, ...tone, '-c:v', 'copy', '-shortest', 'tone.mkv');
    await ffmpeg(folder, ...tone, 'tone.wav');
    const whole = await readFile(join(folder, 'tone.mkv'));

    const program = await countingFfmpeg(folder, seen);
    const counted = new FacePool();
    const split = counted.open(faceManifest(), 'onnxruntime');
    const before = process.env.FFMPEG_PATH;
    // The process that looks for faces takes it over when it starts.
    process.env.FFMPEG_PATH = program;
    try {
      const { faces, sound } = await split.split(bytes(whole), {}, OPTIONS);
      expect((await readFile(seen, 'utf8')).trim().split('\n')).to.have.length(1);
      expect(faces.features).to.deep.include({ frames: 15, framesWithFace: 15 });
      expect(sound.length / 16_000).to.be.closeTo(1.5, 0.05);
      expect(Math.max(...sound)).to.be.closeTo(1 / 8, 0.02);
      expect(faces).to.deep.equal(await split.read(bytes(whole), {}, OPTIONS));
    } finally {
      if (before === undefined) delete process.env.FFMPEG_PATH;
      else process.env.FFMPEG_PATH = before;
      await split.close();
    }

    const mute = await front.split(bytes(await readFile(silent)), {}, OPTIONS);
    expect([mute.sound.length, mute.faces.features!.frames]).to.deep.equal([0, 15]);
    const still = await front.split(bytes(encodePng(picture)), {}, OPTIONS);
    expect([still.sound.length, ids(still.faces)]).to.deep.equal([0, [1]]);
    const onlySound = bytes(await readFile(join(folder, 'tone.wav')));
    expect((await failure(front.split(onlySound, {}, OPTIONS))).code).to.equal('media.no-stream');
  });

  it('takes pictures one by one as a film, with their own times', async () => {
    const pictures = [0, 0.4, 0.8].map((time) => ({ picture, time }));
    const sample = await front.read({ kind: 'series', pictures }, {}, OPTIONS);
    expect(sample.segments).to.have.length(1);
    expect(sample.segments[0]).to.include({ start: 0, end: 0.9, face: 1 });
  });

  it('remembers the last seconds of a stream, and streams apart', async () => {
    const next = (stream: string, time: number, shown = picture) =>
      front.read({ kind: 'stream', stream, next: { picture: shown, time } }, {}, OPTIONS);
    const spans: (number | undefined)[][] = [];
    for (const time of [10, 10.5, 11, 11.5, 12]) {
      const { segments } = await next('one', time);
      spans.push([segments[0]!.start, segments[0]!.end]);
    }
    expect(spans).to.deep.equal([
      [10, 10.1],
      [10, 10.6],
      [10, 11.1],
      [10, 11.6],
      [10.5, 12.1],
    ]);
    const [other] = (await next('two', 0)).segments;
    expect(other).to.include({ start: 0, end: 0.1 });
    const nobody = await next('one', 12.5, drawFaces(240, 200, []));
    expect(nobody).to.include({ reason: 'no-face' });
    expect(nobody.segments).to.deep.equal([]);
  });

  it('leaves the event loop to the others while it works', async () => {
    // Of the processor: on a busy machine others may run while this process has something to do.
    const before = process.cpuUsage();
    const startedAt = performance.now();
    while (performance.now() - startedAt < 400) {
      await front.read(
        { kind: 'stream', stream: 'loop', next: { picture, time: performance.now() / 1000 } },
        {},
        OPTIONS,
      );
    }
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000 / (performance.now() - startedAt)).to.be.below(0.5);
  });

  it('says what is wrong in the words of the input, not of the file it lay in', async () => {
    const noise = Buffer.alloc(400_000, 'no picture');
    const error = await failure(front.read(bytes(noise), {}, OPTIONS));
    expect(error.code).to.equal('media.unreadable');
    expect(error.message)
      .to.match(/^400000 bytes: /)
      .and.not.match(/emotion-media/);
  });

  it('starts a new process when one dies, and fails what it held', async () => {
    const [pid] = pool.pids;
    await ffmpeg(folder, '-f', 'lavfi', '-i', 'testsrc=size=640x360:rate=25:duration=20', 'long.mp4'); // prettier-ignore
    const long = front.read(
      { kind: 'media', media: { kind: 'file', path: `${folder}/long.mp4` } },
      {},
      { ...OPTIONS, fps: 25 },
    );
    setTimeout(() => process.kill(pid!, 'SIGKILL'), 150);
    expect((await failure(long)).code).to.equal('engine.crashed');
    expect((await front.read(bytes(encodePng(picture)), {}, OPTIONS)).segments).to.have.length(1);
    expect(pool.pids[0]).not.to.equal(pid);
  });

  it('gives a task up when it is told to, and goes on with the others', async () => {
    const abort = new AbortController();
    const task = front.read(
      { kind: 'media', media: { kind: 'file', path: `${folder}/long.mp4` } },
      {},
      { ...OPTIONS, fps: 25, signal: abort.signal },
    );
    setTimeout(() => abort.abort(new EmotionError('queue.reset', 'reset')), 100);
    expect((await failure(task)).code).to.equal('queue.reset');
    expect((await front.read(bytes(encodePng(picture)), {}, OPTIONS)).segments).to.have.length(1);
  });

  it('kills a process that gives no sign of life', async () => {
    const impatient = new FacePool({ stuckMs: 300, file: require.resolve('./stuck-process') });
    const stuck = impatient.open(faceManifest(), 'onnxruntime');
    const reading = failure(stuck.read(bytes(encodePng(picture)), {}, OPTIONS));
    await until(() => impatient.pids.length === 1, 'a process');
    const [pid] = impatient.pids;
    expect((await reading).code).to.equal('engine.timeout');
    await until(() => !isAlive(pid!), 'its end');
    await stuck.close();
  });

  it('refuses models for other things, and work after it was closed', async () => {
    const text = { ...faceManifest(), preprocessing: { kind: 'text' } };
    expect(() => pool.open(text as never, 'onnxruntime')).to.throw(EmotionError, /not pictures/);
    const other = pool.open(faceManifest(), 'onnxruntime');
    await other.close();
    await other.close();
    expect((await failure(other.read(bytes(encodePng(picture)), {}, OPTIONS))).code).to.equal(
      'engine.closed',
    );
    expect(pool.pids).to.have.length(1);
  });
});
