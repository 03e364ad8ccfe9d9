import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import type { VideoSample } from '../../lib/emotion/sample';
import { decodeFrames, type Frame } from '../../lib/media/frames';
import { encodeJpeg, encodePng } from '../../lib/video/annotate';
import { scratchFolder } from '../media/fixtures';
import { cmykJpeg } from '../video/cmyk-jpeg';
import { drawFaces } from '../video/drawn-face';
import {
  ffmpeg,
  film,
  hugePng,
  portrait,
  tiled,
  turned,
  withOrientation,
} from '../video/face-files';
import { Flow, type Outcome } from './harness';

async function pixels(bytes: Uint8Array): Promise<Frame> {
  for await (const frame of decodeFrames({ kind: 'bytes', bytes })) return frame;
  throw new Error('no picture');
}

const red = ({ width, data }: Frame, [x, y]: readonly [number, number]): number =>
  data[(y * width + x) * 3]!;

describe('pictures through preprocess video and infer', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  const face = portrait();
  const surprised = portrait(240, 200, { mouth: 0.9 });
  let flow: Flow;

  before(async () => {
    flow = await Flow.start(nodes);
  });
  const nodes = [
    { id: 'model', type: 'emotion-model', source: 'installed', model: 'tiny-face' },
    {
      id: 'prepare',
      type: 'emotion-preprocess-video',
      model: 'model',
      faces: 'all',
      maxFaces: 30,
      folders: folder,
      wires: [['infer', 'aside']],
    },
    { id: 'infer', type: 'emotion-infer', model: 'model' },
  ];
  after(() => flow.stop());

  const send = (payload: unknown, more: object = {}): Promise<Outcome> =>
    flow.send('prepare', { payload, ...more });

  async function result(payload: unknown, more: object = {}): Promise<Result> {
    const { sent, caught } = await send(payload, more);
    expect(caught.map(({ error }) => error.message)).to.deep.equal([]);
    return (sent[0] as { payload?: Result }).payload!;
  }

  async function error(payload: unknown, code: string, words?: RegExp): Promise<void> {
    const { sent, caught, completed } = await send(payload);
    expect(sent, code).to.deep.equal([]);
    expect(completed).to.deep.equal([]);
    expect(caught.map((message) => message.error.code)).to.deep.equal([code]);
    if (words) expect(caught[0]!.error.message).to.match(words);
  }

  async function sample(payload: unknown): Promise<VideoSample> {
    return (await flow.node('prepare', { payload })).payload as VideoSample;
  }

  it('gives an emotion with the face that shows it, and leaves the message as it was', async () => {
    const { sent } = await send(encodePng(surprised), { topic: 'door', req: 1 });
    const { payload, topic, req } = sent[0] as never as { payload: Result; topic: string; req: 1 };
    expect([topic, req]).to.deep.equal(['door', 1]);
    expect(payload).to.include({ modality: 'video', label: 'surprise', model: 'tiny-face' });
    expect(payload).not.to.have.any.keys('uncertain', 'flaws', 'reason');
    expect(payload.segments).to.have.length(1);
    expect(payload.segments![0]).to.include({ face: 1, label: 'surprise', weight: 1 });
    expect(payload.segments![0]!.landmarks).to.have.length(68);
    expect((await result(encodePng(face))).label).to.equal('neutral');
  });

  it('takes a buffer, a path, base64, a data URL, pixels and an array alike', async () => {
    const jpeg = encodeJpeg(surprised, 95);
    await writeFile(join(folder, 'face.jpg'), jpeg);
    const { width, height, data } = surprised;
    const rgba = new Uint8ClampedArray(width * height * 4).map((_, at) =>
      at % 4 === 3 ? 255 : data[Math.floor(at / 4) * 3 + (at % 4)]!,
    );
    for (const payload of [
      jpeg,
      join(folder, 'face.jpg'),
      'face.jpg',
      jpeg.toString('base64'),
      `data:image/jpeg;base64,${jpeg.toString('base64')}`,
      surprised,
      { width, height, data: rgba },
      [jpeg, surprised, { picture: jpeg, time: 0.5 }],
    ]) {
      expect((await result(payload)).label).to.equal('surprise');
    }
  });

  it('follows the face of a film: first neutral, then surprised', async () => {
    const path = await film(folder, 40, (i) => (i < 20 ? face : surprised), { name: 'mood.mp4' });
    const { segments, label, source } = await result(path);
    expect(source).to.deep.include({ file: path, duration: 4, fps: 10, width: 240, height: 200 });
    expect(segments!.map((segment) => [segment.start, segment.label])).to.deep.equal([
      [0, 'neutral'],
      [0.8, 'surprise'],
      [1.6, 'surprise'],
      [2.3, 'surprise'],
    ]);
    expect(segments!.every((segment) => segment.face === 1)).to.equal(true);
    expect(label).to.equal('surprise');
  });

  it('answers pictures of a live source with what the last seconds showed', async () => {
    const spans: [number, number][] = [];
    for (const [index, picture] of [face, face, surprised].entries()) {
      const { segments, label } = await result(
        { ...picture, time: index / 10 },
        { parts: { id: 'camera', index } },
      );
      spans.push([segments![0]!.start!, segments![0]!.end!]);
      expect(label).to.equal(index < 2 ? 'neutral' : 'surprise');
    }
    expect(spans).to.deep.equal([[0, 0.1], [0, 0.2], [0, 0.3]]); // prettier-ignore
  });

  it('draws the faces, their labels and where the network looked, when it is told to', async () => {
    const wired = (picture: string) => [
      { id: 'model', type: 'emotion-model', source: 'installed', model: 'tiny-face' },
      { id: 'prepare', type: 'emotion-preprocess-video', model: 'model', picture: true, wires: [['infer']] }, // prettier-ignore
      { id: 'infer', type: 'emotion-infer', model: 'model', picture },
    ];
    const drawn = async (picture: string): Promise<Uint8Array | undefined> => {
      await flow.deploy(wired(picture));
      return (await result(encodePng(surprised))).annotated;
    };
    expect(await drawn('none')).to.equal(undefined);
    const [labels, saliency] = [await drawn('labels'), await drawn('saliency')];
    const [plain, heated] = [await pixels(labels!), await pixels(saliency!)];
    expect([plain.width, plain.height]).to.deep.equal([240, 200]);
    // The open mouth is dark, which is what the fixture looks at; the background is left alone.
    const [mouth, corner] = [[120, 131], [10, 190]] as const; // prettier-ignore
    expect(red(heated, mouth) - red(plain, mouth)).to.be.above(40);
    expect(red(heated, corner) - red(plain, corner)).to.be.within(-4, 4);
    await flow.deploy(nodes);
  });

  it('says no-face where there is nobody: that is an answer', async () => {
    for (const payload of [encodePng(drawFaces(200, 150, [])), hugePng(1, 1)]) {
      expect(await result(payload)).to.deep.include({ label: null, score: 0, reason: 'no-face' });
    }
  });

  it('finds thirty faces, and no more than it may', async () => {
    const many = tiled(drawFaces(160, 190, [{ x: 80, y: 92, size: 60 }]), 6, 5);
    const { segments } = await result(encodePng(many));
    expect(segments!.length).to.be.within(20, 30);
    const total = segments!.reduce((sum, { weight = 0 }) => sum + weight, 0);
    expect(total).to.be.closeTo(1, 1e-9);
  });

  it('doubts a face that the border cuts, and one that is too dark, and says why', async () => {
    const cut = await result(encodePng(drawFaces(300, 240, [{ x: 24, y: 120, size: 90 }])));
    expect(cut).to.deep.include({ uncertain: true, flaws: ['cut'] });
    const dark = { ...face, data: face.data.map((value) => value * 0.09) };
    const gloomy = await result(encodePng(dark));
    expect(gloomy).to.deep.include({ uncertain: true, flaws: ['dark'] });
    expect(gloomy.segments![0]!.flaws).to.deep.equal(['dark']);
  });

  describe('of every kind', () => {
    it('reads a CMYK photograph', async () => {
      const printed = cmykJpeg(drawFaces(100, 80, [{ x: 50, y: 38, size: 26 }]));
      expect((await result(printed)).segments).to.have.length(1);
    });

    it('reads a PNG with 16 bits a colour', async () => {
      await writeFile(join(folder, 'eight.png'), encodePng(surprised));
      await ffmpeg(folder, '-i', 'eight.png', '-pix_fmt', 'rgb48be', 'sixteen.png');
      expect((await result('sixteen.png')).label).to.equal('surprise');
    });

    it('turns a photograph as its EXIF note says', async () => {
      const lying = encodeJpeg(turned(surprised), 95);
      const upright = await sample(withOrientation(lying, 8));
      expect(upright.source).to.include({ width: 240, height: 200 });
      expect(upright.features!.faces[0]!.quality.pose.roll).to.be.closeTo(0, 6);
    });

    it('reads an animated GIF as a film', async () => {
      const path = await film(folder, 12, () => surprised, { name: 'moving.gif', arguments: ['-pix_fmt', 'rgb8'] }); // prettier-ignore
      for (const payload of [path, await readFile(path)]) {
        const { segments, label } = await result(payload);
        expect(label).to.equal('surprise');
        expect(segments![0]).to.include({ start: 0, end: 1.2 });
      }
    });

    it('reads a film whose pictures come at changing intervals by its clock', async () => {
      await film(folder, 40, (i) => (i < 20 ? face : surprised), { name: 'even.mp4' });
      // The first second at ten pictures a second, after that two.
      await ffmpeg(folder, '-i', 'even.mp4', '-vf', "select='lt(n,10)+not(mod(n,5))'", '-vsync', 'vfr', 'uneven.mp4'); // prettier-ignore
      const { segments } = await result('uneven.mp4');
      expect(segments!.at(-1)!.end).to.be.closeTo(3.7, 0.4);
      expect(segments!.map(({ label }) => label)).to.include.members(['neutral', 'surprise']);
    });

    it('turns the film of a telephone that was held upright', async () => {
      await film(folder, 6, () => turned(surprised), { name: 'lying.mp4' });
      await ffmpeg(folder, '-i', 'lying.mp4', '-c', 'copy', '-metadata:s:v', 'rotate=90', 'phone.mp4'); // prettier-ignore
      const { source, features } = await sample('phone.mp4');
      expect(source).to.include({ width: 240, height: 200 });
      expect(features!.faces[0]!.quality.pose.roll).to.be.closeTo(0, 6);
    });
  });

  describe('that are none', () => {
    it('are a defined error each', async () => {
      const jpeg = encodeJpeg(face, 90);
      const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
      const heic = Buffer.concat([
        Buffer.from('0000001c66747970686569630000000068656963', 'hex'),
        Buffer.alloc(400, 'mdat'),
      ]);
      await writeFile(join(folder, 'text.jpg'), 'a text that was renamed');
      await ffmpeg(folder, '-f', 'lavfi', '-i', 'sine=duration=0.3', 'sound.mp4');
      await error(Buffer.alloc(0), 'media.empty', /0 bytes/);
      await error(jpeg.subarray(0, 200), 'media.unreadable');
      await error(hugePng(20_000, 20_000), 'input.too-large', /20000/);
      await error(heic, 'media.unreadable');
      await error(svg, 'media.unreadable');
      await error(`data:image/svg+xml,${encodeURIComponent(svg.toString())}`, 'media.unreadable');
      await error('text.jpg', 'media.unreadable');
      await error('sound.mp4', 'media.no-stream', /no pictures/);
    });

    it('are refused by name outside the folders of the node, and as addresses', async () => {
      await error('/etc/hostname', 'media.refused', /outside/);
      await error('../x.jpg', 'media.refused');
      await error('none.jpg', 'media.not-found');
      await error('http://127.0.0.1:9/face.jpg', 'media.refused', /addresses/);
      await error('concat:a|b', 'media.refused');
    });

    it('are refused by type, with what was expected', async () => {
      for (const payload of [42, true, {}, { width: 2, height: 2 }, [1]]) {
        await error(payload, 'input.wrong-type', /buffer, a path, base64/);
      }
      await error([], 'input.unusable');
      await error('', 'input.unusable');
      await error({ width: 2, height: 2, data: new Uint8Array(5) }, 'input.unusable');
      await error({ width: 2, height: 2, channels: 3, data: new Uint8Array(5) }, 'input.unusable');
    });

    it('of which most can be read give what could be read', async () => {
      const jpeg = encodeJpeg(surprised, 95);
      const { sent, caught } = await send(jpeg.subarray(0, Math.round(jpeg.length * 0.9)));
      expect(sent.length + caught.length).to.equal(1);
    });
  });
});
