/**
 * The child process that looks for faces. It is started by `face-pool.ts` and speaks
 * `face-protocol.ts` over the IPC channel. It holds the native sessions and starts FFmpeg itself, so
 * that neither pixels nor runs pass through Node-RED's event loop, and ends when the channel closes.
 */
import { EmotionError } from '../emotion/error';
import type { VideoSample } from '../emotion/sample';
import type { Source } from '../emotion/source';
import { decodeFrames } from '../media/frames';
import type { MediaInfo } from '../media/probe';
import type { Manifest } from '../models/manifest';
import { FaceReader } from '../video/face-reader';
import { openFaces, type Faces } from '../video/open-faces';
import { checkPicture, type Picture } from '../video/picture';
import { VideoPreparer, type FaceRecord } from '../video/prepare';
import { drawFaces, encodeJpeg } from '../video/annotate';
import { answering } from './answer';
import type {
  FaceLoadRequest,
  FaceOptions,
  FacePicture,
  FaceReply,
  FaceRequest,
  FaceTask,
  ReadTask,
  TimedPicture,
} from './face-protocol';

/** What is remembered of a live source. */
interface Stream {
  /** What its reader and record were made for. */
  readonly made: string;
  readonly reader: FaceReader;
  readonly record: FaceRecord;
  work: Promise<unknown>;
  frames: number;
}

const STREAMS = 32;
const MANIFESTS = 8;
/** A sign of life at most so often. */
const BUSY_MS = 1_000;

let engine: Promise<Faces> | undefined;
const running = new Map<number, AbortController>();
const streams = new Map<string, Stream>();
const preparers = new Map<string, VideoPreparer>();
let busyAt = 0;

process.on('message', (request: FaceRequest | FaceLoadRequest) => {
  switch (request.kind) {
    case 'load':
      process.title = request.title;
      engine = openFaces(request.engine, request.threads);
      void answering(() => engine!)(undefined).then((answer) =>
        reply(answer.ok ? { kind: 'loaded' } : { kind: 'load-failed', error: answer.error }),
      );
      break;
    case 'run':
      void run(request.id, request.task);
      break;
    case 'cancel':
      running.get(request.id)?.abort();
      break;
  }
});
process.on('disconnect', () => process.exit(0));
// Node-RED decides when this process ends, not a signal to the whole group.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});

async function run(id: number, task: FaceTask): Promise<void> {
  const abort = new AbortController();
  running.set(id, abort);
  const answer = await answering<FaceTask, VideoSample | Uint8Array>((wanted) =>
    wanted.task === 'draw'
      ? encodeJpeg(drawFaces(wanted.picture, wanted.faces))
      : read(wanted, abort.signal),
  )(task);
  running.delete(id);
  reply(
    answer.ok
      ? { kind: 'done', id, value: answer.value }
      : { kind: 'failed', id, error: answer.error },
  );
}

async function read(task: ReadTask, signal: AbortSignal): Promise<VideoSample> {
  const { input, options, source } = task;
  const preparer = preparerOf(task);
  const open = await engine!;
  if (input.kind === 'stream') return readStream(task, input, preparer, open, signal);

  const reader = readerFor(open, preparer, options);
  const record = preparer.record(open.name);
  let about: Source;
  if (input.kind === 'media') {
    about = await readFilm(input.media, reader, record, options, signal);
  } else {
    for (const [index, timed] of input.pictures.entries()) {
      const picture = await pixelsOf(timed.picture, signal);
      const time = timed.time ?? index / options.fps;
      record.add(picture, time, await reader.read(picture, time));
      showLife();
    }
    about = input.pictures.length > 1 ? { fps: options.fps } : {};
  }
  return record.clips({ ...about, ...source }, options);
}

async function readFilm(
  media: Parameters<typeof decodeFrames>[0],
  reader: FaceReader,
  record: FaceRecord,
  { fps, maxSeconds, sound }: FaceOptions,
  signal: AbortSignal,
): Promise<Source> {
  const frames = decodeFrames(media, { fps, signal, ...(sound && { sound }) });
  try {
    for (;;) {
      const next = await frames.next();
      if (next.done) return describeFilm(next.value, fps);
      const { time, width, height, data } = next.value;
      if (time > maxSeconds) {
        throw new EmotionError(
          'input.too-large',
          `The film is longer than ${maxSeconds} seconds; send it in parts, or raise the limit`,
          { limit: maxSeconds },
        );
      }
      const picture: Picture = { width, height, channels: 3, data };
      record.add(picture, time, await reader.read(picture, time));
      showLife();
    }
  } finally {
    // Typed as if what is known of the film were given back here: ending early has none.
    await frames.return(undefined as never);
  }
}

function describeFilm({ duration, video }: MediaInfo, fps: number): Source {
  const isFilm = video?.fps !== undefined && duration !== undefined;
  return isFilm ? { duration, fps } : {};
}

/** Pictures of one source one after the other, however fast they come. */
async function readStream(
  { options, source, key }: ReadTask,
  { stream, next }: { readonly stream: string; readonly next: TimedPicture },
  preparer: VideoPreparer,
  open: Faces,
  signal: AbortSignal,
): Promise<VideoSample> {
  const made = JSON.stringify([key, options]);
  let known = streams.get(stream);
  // The one that was used last stands last.
  streams.delete(stream);
  if (known?.made !== made) {
    const reader = readerFor(open, preparer, options);
    const record = preparer.record(open.name);
    known = { made, reader, record, work: Promise.resolve(), frames: 0 };
  }
  streams.set(stream, known);
  const [oldest] = streams.keys();
  if (streams.size > STREAMS) streams.delete(oldest!);

  const { reader, record } = known;
  const work = known.work.then(async () => {
    signal.throwIfAborted();
    const time = next.time ?? known.frames / options.fps;
    known.frames += 1;
    const picture = await pixelsOf(next.picture, signal);
    record.add(picture, time, await reader.read(picture, time));
    record.forgetOld();
    return record.latest(source, options);
  });
  known.work = work.catch(() => undefined);
  return work;
}

async function pixelsOf(picture: FacePicture, signal: AbortSignal): Promise<Picture> {
  if (!('kind' in picture)) {
    checkPicture(picture);
    return picture;
  }
  const frames = decodeFrames(picture, { maxFrames: 1, signal });
  try {
    const next = await frames.next();
    if (next.done) throw new EmotionError('media.empty', 'There is no picture in it');
    const { width, height, data } = next.value;
    return { width, height, channels: 3, data };
  } finally {
    await frames.return(undefined as never);
  }
}

function readerFor(open: Faces, preparer: VideoPreparer, options: FaceOptions): FaceReader {
  const { maxFaces, minSize } = options;
  return new FaceReader(open.finder({ maxFaces, minSize }), {
    cropSide: preparer.settings.crop.side,
  });
}

function preparerOf({ key, manifest }: ReadTask): VideoPreparer {
  const known = preparers.get(key);
  if (known) return known;
  const made = new VideoPreparer(JSON.parse(manifest) as Manifest);
  preparers.set(key, made);
  const [oldest] = preparers.keys();
  if (preparers.size > MANIFESTS) preparers.delete(oldest!);
  return made;
}

function showLife(): void {
  const now = performance.now();
  if (now - busyAt < BUSY_MS) return;
  busyAt = now;
  reply({ kind: 'busy' });
}

function reply(message: FaceReply): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
