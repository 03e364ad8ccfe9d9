import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Fused } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { encodeJpeg } from '../../lib/video/annotate';
import { wavFile } from '../audio/wav';
import { scratchFolder } from '../media/fixtures';
import { ffmpeg, film, portrait } from '../video/face-files';
import { installModel, NodeRed } from './node-red';
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
  this.timeout(300_000);
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

  it('uses the sound of a clip that has no pictures', async () => {
    const answer = await fused({ clip: sentence });
    expect(answer.missing).to.deep.equal(['video']);
    expect(answer.modalities.video).to.include({ label: null, reason: 'media.no-stream' });
    expect(answer.modalities.audio!.label).to.be.a('string');
    const whole = await fused({ clip: talking });
    expect(whole.modalities.audio!.segments).to.have.length(
      answer.modalities.audio!.segments!.length,
    );
  });

  it('does not listen to what was sent as pictures', async () => {
    expect(Object.keys((await fused({ video: talking })).modalities)).to.deep.equal(['video']);
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

  /** A form as it goes over the wire, to say it in ways that `FormData` never would. */
  const raw = (content: string, boundary = 'boundary=b1', end = '--b1--\r\n') =>
    post(Buffer.from(content + end, 'latin1'), {
      'content-type': `multipart/form-data; ${boundary}`,
    });
  const part = (name: string, value: string, boundary = 'b1') =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;

  it('reads forms as they are written by anybody', async () => {
    const read: [string, Promise<{ status: number; body: unknown }>][] = [
      ['a field that nobody knows', raw(part('note', 'x') + part('text', 'so sad') + part('x', ''))],
      ['a field of that kind twice', raw(part('x', '1') + part('text', 'so sad') + part('x', '2'))],
      ['a quoted boundary', raw(part('text', 'so sad', 'b 1'), 'boundary="b 1"', '--b 1--')],
      ['a preamble and an epilogue', raw(`hello\r\n${part('text', 'so sad')}`, undefined, '--b1--\r\nbye')],
      ['more headers, in other letters', raw('--b1\r\ncontent-type: text/plain\r\ncontent-disposition: form-data; name=text\r\n\r\nso sad\r\n')],
    ]; // prettier-ignore
    for (const [what, answer] of read) {
      const { status, body } = await answer;
      expect(status, what).to.equal(200);
      expect(body, what).to.deep.include({ label: 'sad' });
    }
    const { body } = await raw(part('text', ''));
    expect(body).to.deep.include({ label: null, reason: 'empty-text', missing: ['text'] });
  });

  it('refuses forms that are not clear', async () => {
    const unclear: [string, Promise<{ body: unknown }>][] = [
      ['the same part twice', raw(part('text', 'so sad') + part('text', 'so happy'))],
      ['an empty file', raw(part('text', 'so sad') + part('video', ''))],
      ['an empty clip', raw(part('clip', ''))],
      ['no end', raw(part('text', 'so sad'), undefined, '')],
      ['another boundary', raw(part('text', 'so sad'), 'boundary=b2')],
      ['no boundary', raw(part('text', 'so sad'), 'charset=utf-8')],
      ['a part without a name', raw('--b1\r\nContent-Disposition: form-data\r\n\r\nx\r\n')],
      ['a text that is not UTF-8', raw(part('text', '\xff\xfe'))],
      ['nothing at all', raw('', undefined, '')],
    ];
    for (const [what, answer] of unclear) {
      expect((await answer).body, what).to.include({ status: 400, code: 'request.malformed' });
    }
  });

  it('says what is too large, and what can be read but not used', async () => {
    const large = await post(form({ audio: new Uint8Array(100_000_001) }));
    expect(large.body).to.include({ status: 413, code: 'input.too-large' });
    const { body } = await post(form({ audio: wavFile(new Float32Array(0)) }));
    expect(body).to.include({ status: 422, code: 'media.empty' });
  });

  /** Runs with other settings of some nodes, then with those from before. */
  async function having(
    change: (node: { type: string }) => object | undefined,
    check: () => Promise<void>,
  ): Promise<void> {
    const { flows } = await nodeRed.flows();
    await nodeRed.deploy(flows.map((node) => ({ ...node, ...change(node) })));
    await nodeRed.ready();
    try {
      await check();
    } finally {
      await nodeRed.deploy(flows);
      await nodeRed.ready();
    }
  }

  it('says when too much waits, when a model takes too long, and when it is not there', async () => {
    await installModel(nodeRed.userDir, 'slow-text', 'slow-text');
    const slow = (timeoutMs: number) => (node: { type: string }) => {
      if (node.type === 'emotion-model') {
        const text = (node as { model?: string }).model === 'text-bilstm';
        return text ? { model: 'slow-text', maxBatch: 1, timeoutMs } : undefined;
      }
      return node.type === 'emotion-infer' ? { queueLimit: 1 } : undefined;
    };
    await having(slow(60_000), async () => {
      const texts = Array.from({ length: 12 }, (_, index) => `slow slow ${index}`);
      const answers = await Promise.all(texts.map((text) => post(form({ text }))));
      const full = answers.filter(({ status }) => status === 429);
      expect(full).not.to.have.length(0);
      expect(full[0]!.body).to.include({ code: 'queue.full' });
      expect(Number(full[0]!.headers.get('retry-after'))).to.be.at.least(1);
      expect(answers.filter(({ status }) => status === 200)).not.to.have.length(0);
    });
    await having(slow(100), async () => {
      const { body } = await post(form({ text: 'slow '.repeat(60) }));
      expect(body).to.include({ status: 504, code: 'engine.timeout' });
    });
    await having(
      ({ type }) => (type === 'emotion-model' ? { model: 'missing' } : undefined),
      async () => {
        const { body } = await post(form({ text: 'so sad' }));
        expect(body).to.include({ status: 503, code: 'model.not-found' });
      },
    );
    expect((await fused({ text: 'so sad' })).label).to.equal('sad');
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

  it('gave every answer that the specification promises', () => {
    expect([...specification.unseen]).to.deep.equal([]);
  });
});
