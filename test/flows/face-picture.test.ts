import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { encodeJpeg, encodePng } from '../../lib/video/annotate';
import { isAlive, scratchFolder, until } from '../media/fixtures';
import { drawFaces } from '../video/drawn-face';
import { film, hugePng, portrait } from '../video/face-files';
import { NodeRed } from './node-red';
import { Specification } from './specification';

const PATH = '/emotion/video';

describe('the flow for faces in pictures', function () {
  this.timeout(300_000);
  const folder = scratchFolder();
  const specification = new Specification([PATH]);
  const surprised = encodeJpeg(portrait(240, 200, { mouth: 0.9 }), 95);
  let nodeRed: NodeRed;
  before(async () => {
    nodeRed = await NodeRed.start();
  });
  after(async () => {
    if (nodeRed.process.exitCode === null) await nodeRed.stop();
  });

  const post = (body: Uint8Array | FormData, type?: string, query?: string) =>
    specification.request(
      nodeRed.url,
      'post',
      PATH,
      { body: body as BodyInit, ...(type !== undefined && { headers: { 'content-type': type } }) },
      query,
    );

  it('starts with a comment that says what to do, and can be pressed at once', async () => {
    const file = join(packageRoot(), 'examples/flows/05-face-picture.json');
    const flow = JSON.parse(await readFile(file, 'utf8')) as {
      type: string;
      id: string;
      info?: string;
    }[];
    expect(flow.find(({ type }) => type === 'comment')!.info).to.match(/Press the buttons/);
    const buttons = flow.filter(({ type }) => type === 'inject');
    expect(buttons).to.have.length(2);
    for (const { id } of buttons) {
      const pressed = await fetch(`${nodeRed.url}/inject/${id}`, { method: 'POST' });
      expect(pressed.status).to.equal(200);
    }
  });

  it('answers the bytes of a picture', async () => {
    for (const type of ['image/jpeg', 'application/octet-stream']) {
      const { status, body } = await post(surprised, type);
      expect(status).to.equal(200);
      expect(body).to.include({ modality: 'video', label: 'surprise', model: 'face-cnn-lstm' });
      expect((body as Result).segments![0]!.landmarks).to.have.length(68);
    }
  });

  it('answers a form with a file, among other parts', async () => {
    const form = new FormData();
    form.append('note', 'hello');
    form.append('file', new Blob([new Uint8Array(surprised)], { type: 'image/jpeg' }), 'face.jpg');
    expect((await post(form)).body).to.include({ label: 'surprise' });
  });

  it('answers a film, with a time for each clip', async () => {
    const path = await film(folder, 20, () => portrait());
    const { body } = await post(await readFile(path), 'video/mp4');
    const { segments, source } = body as Result;
    expect(source).to.deep.include({ duration: 2, fps: 10 });
    expect(segments!.map(({ start, face }) => [start, face])).to.deep.equal([
      [0, 1],
      [0.3, 1],
    ]);
  });

  it('says that there is nobody', async () => {
    const { status, body } = await post(encodePng(drawFaces(160, 120, [])), 'image/png');
    expect(status).to.equal(200);
    expect(body).to.include({ label: null, reason: 'no-face' });
  });

  it('refuses what it cannot use, and says why', async () => {
    const without = new FormData();
    without.append('picture', new Blob([new Uint8Array(surprised)]), 'face.jpg');
    const refused: [Uint8Array | FormData, string | undefined, number, string][] = [
      [Buffer.from('{}'), 'application/json', 415, 'input.unsupported-media'],
      [Buffer.from('no picture at all'), 'image/jpeg', 415, 'media.unreadable'],
      [Buffer.alloc(0), 'image/jpeg', 400, 'request.malformed'],
      [without, undefined, 400, 'request.malformed'],
      [Buffer.from('--x'), 'multipart/form-data', 400, 'request.malformed'],
      [hugePng(20_000, 20_000), 'image/png', 413, 'input.too-large'],
    ];
    for (const [body, type, status, code] of refused) {
      expect((await post(body, type)).body).to.include({ status, code });
    }
    const other = await post(surprised, 'image/jpeg', '?model=nothing');
    expect(other.body).to.include({ status: 422, code: 'input.wrong-model' });
  });

  it('says that no model is there, and works again when it is put right', async () => {
    const { flows } = await nodeRed.flows();
    const of = (node: { type: string }) =>
      node.type === 'emotion-preprocess-video' ? { ...node, model: '' } : node;
    await nodeRed.deploy(flows.map(of));
    await nodeRed.ready();
    expect((await post(surprised, 'image/jpeg')).body).to.include({ status: 503 });
    await nodeRed.deploy(flows);
    await nodeRed.ready();
    expect((await post(surprised, 'image/jpeg')).status).to.equal(200);
  });

  it('gave every answer that the specification promises, and left nothing odd in the log', () => {
    expect([...specification.unseen]).to.deep.equal([]);
    expect(nodeRed.log).not.to.match(/TypeError|ReferenceError|unhandled/i);
  });

  it('leaves no process behind', async () => {
    const children = await nodeRed.children();
    expect(children.length).to.be.within(2, 3);
    expect(await nodeRed.stop()).to.equal(0);
    await until(() => !children.some(isAlive), 'the end of the engines');
  });
});
