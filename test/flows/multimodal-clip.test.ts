import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Fused } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { encodeJpeg } from '../../lib/video/annotate';
import { scratchFolder } from '../media/fixtures';
import { ffmpeg, film, portrait } from '../video/face-files';
import { NodeRed } from './node-red';
import { Specification } from './specification';

const PATH = '/emotion';

/** The sound behind the button of the example for speech. */
async function exampleSentence(): Promise<Buffer> {
  const file = join(packageRoot(), 'examples/flows/03-speech-file.json');
  const flow = JSON.parse(await readFile(file, 'utf8')) as { payload?: string }[];
  const { payload } = flow.find((node) => node.payload?.startsWith('data:audio'))!;
  return Buffer.from(payload!.split(',')[1]!, 'base64');
}

describe('the flow that makes one answer of a clip', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  const specification = new Specification([`post ${PATH}`]);
  const surprised = encodeJpeg(portrait(240, 200, { mouth: 0.9 }), 95);
  let nodeRed: NodeRed;
  let talking: Buffer;
  let silent: Buffer;
  let sentence: Buffer;
  before(async () => {
    const frames = { name: 'silent.mp4' };
    silent = await readFile(await film(folder, 20, () => portrait(), frames));
    sentence = await exampleSentence();
    await writeFile(join(folder, 'sentence.ogg'), sentence);
    await ffmpeg(folder, '-i', 'silent.mp4', '-i', 'sentence.ogg', '-c:v', 'copy', 'talking.mp4'); // prettier-ignore
    talking = await readFile(join(folder, 'talking.mp4'));
    nodeRed = await NodeRed.start();
  });
  after(() => nodeRed.stop());

  function form(parts: Readonly<Record<string, string | Uint8Array>>): FormData {
    const data = new FormData();
    for (const [name, value] of Object.entries(parts)) {
      if (typeof value === 'string') data.append(name, value);
      else data.append(name, new Blob([new Uint8Array(value)]), name);
    }
    return data;
  }
  const post = (body: BodyInit, headers?: Record<string, string>) =>
    specification.request(nodeRed.url, 'post', PATH, { body, ...(headers && { headers }) });
  const fused = async (parts: Readonly<Record<string, string | Uint8Array>>) => {
    const { status, body } = await post(form(parts));
    expect(status, JSON.stringify(body)).to.equal(200);
    return body as Fused;
  };

  it('starts with a comment that says what to do', async () => {
    const file = join(packageRoot(), 'examples/flows/07-multimodal-clip.json');
    const flow = JSON.parse(await readFile(file, 'utf8')) as { type: string; info?: string }[];
    expect(flow.find(({ type }) => type === 'comment')!.info).to.match(/POST \/emotion/);
  });

  it('judges the sound and the pictures of a clip, and what was said', async () => {
    const answer = await fused({ text: 'I am so happy', clip: talking });
    expect(answer).to.include({ modality: 'multimodal', model: 'fusion-attention' });
    expect(answer.missing).to.deep.equal([]);
    expect(Object.keys(answer.modalities)).to.have.members(['text', 'audio', 'video']);
    const sum = Object.values(answer.weights).reduce((total, weight) => total + weight, 0);
    expect(sum).to.be.closeTo(1, 1e-6);
  });

  it('answers for each part alone', async () => {
    const parts = { text: 'I am so happy', audio: sentence, video: surprised };
    for (const [modality, value] of Object.entries(parts)) {
      const answer = await fused({ [modality]: value });
      expect(Object.keys(answer.modalities)).to.deep.equal([modality]);
      expect(answer.missing).to.deep.equal([]);
    }
  });

  it('says what is missing of a clip without sound', async () => {
    const answer = await fused({ text: 'I am so happy', clip: silent });
    expect(answer.missing).to.deep.equal(['audio']);
    expect(answer.modalities.audio).to.include({ label: null, reason: 'media.no-stream' });
    expect(Object.keys(answer.weights)).to.deep.equal(['text', 'video']);
  });

  it('answers many at a time, each with its own', async () => {
    const texts = ['I am so happy', 'so sad', 'so angry'];
    const answers = await Promise.all(texts.map((text) => fused({ text, video: surprised })));
    expect(answers.map(({ source }) => source.text)).to.deep.equal(texts);
  });

  it('refuses what it cannot use, and says why', async () => {
    const refused: [BodyInit, Record<string, string> | undefined, number, string][] = [
      ['{}', { 'content-type': 'application/json' }, 415, 'input.unsupported-media'],
      ['--x', { 'content-type': 'multipart/form-data; boundary=x' }, 400, 'request.malformed'],
      [form({ note: 'hello' }), undefined, 400, 'request.malformed'],
      [form({ clip: talking, audio: sentence }), undefined, 400, 'request.malformed'],
      [form({ audio: new Uint8Array() }), undefined, 400, 'request.malformed'],
      [form({ clip: Buffer.from('no film at all') }), undefined, 415, 'media.unreadable'],
    ];
    for (const [body, headers, status, code] of refused) {
      expect((await post(body, headers)).body).to.include({ status, code });
    }
  });

  it('answers without the network for fusion', async () => {
    const { flows } = await nodeRed.flows();
    const without = flows.map((node) =>
      node.type === 'emotion-fuse' ? { ...node, model: '' } : node,
    );
    await nodeRed.deploy(without);
    await nodeRed.ready();
    const answer = await fused({ text: 'I am so happy', video: surprised });
    expect(answer).to.include({ model: 'fusion-reliability-vote', runtime: 'javascript' });
  });
});
