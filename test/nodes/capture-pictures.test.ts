import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import type { Result } from '../../lib/emotion/result';
import { liveProcessCount } from '../../lib/media/process';
import { ffmpegChildren, scratchFolder, until } from '../media/fixtures';
import { film, ffmpeg, portrait } from '../video/face-files';
import { Flow, type FlowNodeDefinition } from './harness';

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Buffer;
  readonly time: number;
  readonly device: string;
}

const of = <T>(messages: readonly NodeMessage[]): T[] =>
  messages.map(({ payload }) => payload as T);

describe('emotion-capture for pictures', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  let flow: Flow | undefined;
  let path: string;

  before(async () => {
    await film(folder, 20, () => portrait(240, 200, { mouth: 0.9 }), { name: 'quiet.mp4' });
    await ffmpeg(folder, '-i', 'quiet.mp4', '-f', 'lavfi', '-i', 'sine=duration=2', '-c:v', 'copy', '-shortest', 'film.mp4'); // prettier-ignore
    path = `${folder}/film.mp4`;
  });
  afterEach(async () => {
    await flow?.stop();
    flow = undefined;
    expect(liveProcessCount()).to.equal(0);
    expect(await ffmpegChildren()).to.deep.equal([]);
  });

  it('sends sound and pictures of one film with times of one clock', async () => {
    const capture: FlowNodeDefinition = {
      id: 'capture',
      type: 'emotion-capture',
      source: 'file',
      media: 'both',
      path,
      fps: 5,
      maxWidth: 120,
      windowMs: 400,
      hopMs: 400,
      wires: [['out'], [], ['aside']],
    };
    flow = await Flow.start([capture]);
    const [windows, pictures] = [flow.messages('out'), flow.messages('aside')];
    flow.give('capture', { action: 'start' });
    await until(() => pictures.length >= 8 && windows.length >= 3, 'sound and pictures');
    const [first, second] = of<Picture>(pictures);
    expect(first).to.include({ width: 120, height: 100, channels: 3, device: path });
    expect(first!.data).to.have.length(120 * 100 * 3);
    expect(second!.time - first!.time).to.be.closeTo(0.2, 0.05);
    const [window] = of<{ start: number }>(windows);
    expect(window!.start).to.be.closeTo(first!.time, 0.1);
    const parts = pictures.map((message) => message.parts as { id: string; index: number });
    expect(parts.map(({ index }) => index)).to.deep.equal(pictures.map((_, index) => index));
    expect((windows[0]!.parts as { id: string }).id).to.equal(parts[0]!.id);
  });

  it('feeds preprocess video and infer: an emotion a picture', async () => {
    flow = await Flow.start([
      { id: 'model', type: 'emotion-model', source: 'installed', model: 'tiny-face' },
      { id: 'capture', type: 'emotion-capture', source: 'file', media: 'pictures', path, fps: 5, loop: true, wires: [[], [], ['prepare']] }, // prettier-ignore
      { id: 'prepare', type: 'emotion-preprocess-video', model: 'model', queuePolicy: 'latest', wires: [['infer']] }, // prettier-ignore
      { id: 'infer', type: 'emotion-infer', model: 'model' },
    ]);
    const results = flow.messages('out');
    flow.give('capture', { action: 'start' });
    // On a busy machine pictures are left out, and the face of the next one may count as new.
    const pairs = () =>
      of<Result>(results).flatMap((last, at, all): [Result, Result][] => {
        const [before] = [all[at - 1]?.segments?.[0]];
        const [now] = last.segments ?? [];
        const isSame = before !== undefined && now !== undefined && before.face === now.face;
        return isSame && now.end! - now.start! > 0.3 ? [[all[at - 1]!, last]] : [];
      });
    await until(() => pairs().length > 0, 'two results of one face', 60_000);
    flow.give('capture', { action: 'stop' });
    const [before, last] = pairs()[0]!;
    expect(last).to.include({ modality: 'video', label: 'surprise' });
    expect(last.source).to.deep.equal({ device: path, width: 240, height: 200 });
    expect(last.segments).to.have.length(1);
    expect(last.segments![0]!.face).to.equal(before.segments![0]!.face);
    expect(last.segments![0]!.end! - last.segments![0]!.start!).to.be.above(0.3);
  });

  it('says what is missing', async () => {
    flow = await Flow.start([
      { id: 'capture', type: 'emotion-capture', source: 'device', media: 'pictures', camera: '', wires: [[], [], []] }, // prettier-ignore
    ]);
    const { caught } = await flow.send('capture', { payload: 'start' });
    expect(caught[0]!.error.message).to.match(/No camera is chosen/);
  });
});
