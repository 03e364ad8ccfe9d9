import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { encodeJpeg } from '../../lib/video/annotate';
import { babble } from '../audio/signal';
import { wavFile } from '../audio/wav';
import { portrait } from '../video/face-files';
import { FIXTURE_MODELS, NodeRed } from './node-red';

const TAB = 'noonnx0000000tab';
const id = (name: string) => `noonnx-${name}`;
const node = (name: string, type: string, to: readonly string[], settings: object = {}) => ({
  id: id(name),
  type,
  z: TAB,
  x: 100,
  y: 100,
  wires: to.length > 0 ? [to.map(id)] : [],
  ...settings,
});
const MODELS = { text: 'text-bilstm', audio: 'speech-crnn', video: 'face-cnn-lstm' };
const MODALITIES = ['text', 'audio', 'video'] as const;

/** POST /judge/text, /judge/audio, /judge/video; an error answers 500 with its code and message. */
const FLOW = [
  { id: TAB, type: 'tab', label: 'without ONNX Runtime' },
  ...MODALITIES.flatMap((modality) => [
    { id: id(`${modality}-model`), type: 'emotion-model', source: 'installed', model: MODELS[modality] },
    node(`${modality}-in`, 'http in', [`${modality}-read`], { url: `/judge/${modality}`, method: 'post' }),
    node(`${modality}-read`, `emotion-preprocess-${modality}`, [`${modality}-judge`], {
      model: id(`${modality}-model`),
    }),
    node(`${modality}-judge`, 'emotion-infer', ['answer'], { model: id(`${modality}-model`) }),
  ]),
  node('failed', 'catch', ['fallback'], {
    scope: MODALITIES.flatMap((modality) => [id(`${modality}-read`), id(`${modality}-judge`)]),
  }),
  node('fallback', 'emotion-fallback', ['answer'], { firstDelay: 0.02, longestDelay: 0.05, threshold: 1000 }),
  node('given-up', 'catch', ['explain'], { scope: [id('fallback')] }),
  node('explain', 'function', ['answer'], {
    func: 'msg.statusCode = 500; msg.payload = { code: msg.error.code, message: msg.error.message }; return msg;',
    outputs: 1,
  }),
  node('answer', 'http response', []),
]; // prettier-ignore

describe('a machine on which ONNX Runtime cannot be loaded', function () {
  this.timeout(120_000);
  let nodeRed: NodeRed;
  const preload = join(__dirname, 'without-onnx-runtime.js');
  const start = async (environment: Readonly<Record<string, string>> = {}) => {
    nodeRed = await NodeRed.start({
      models: FIXTURE_MODELS,
      environment: { NODE_OPTIONS: `--require=${preload}`, ...environment },
    });
    const { flows } = await nodeRed.flows();
    await nodeRed.deploy([...flows, ...FLOW]);
    await nodeRed.ready();
  };
  afterEach(() => nodeRed.stop());

  const judge = async (modality: string, body: Uint8Array | string) => {
    const response = await fetch(`${nodeRed.url}/judge/${modality}`, {
      method: 'POST',
      headers: { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/octet-stream' },
      body: body as BodyInit,
    }); // prettier-ignore
    return { status: response.status, body: (await response.json()) as unknown };
  };
  const sound = () => wavFile(babble(3));
  const face = () => encodeJpeg(portrait(240, 200, { mouth: 0.9 }), 95);

  it('answers texts, voices and faces by logistic regression', async () => {
    await start();
    const given = { text: 'I am so happy, what a wonderful day', audio: sound(), video: face() };
    for (const modality of MODALITIES) {
      const { status, body } = await judge(modality, given[modality]);
      expect(status, JSON.stringify(body)).to.equal(200);
      const result = body as Result;
      expect(result).to.include({
        modality,
        runtime: 'logistic',
        model: `fallback-${modality}`,
      });
      expect(result.label).to.be.a('string');
      expect(Object.values(result.scores).reduce((a, b) => a + b)).to.be.closeTo(1, 1e-6);
      expect(result.fallback?.reason).to.match(/^model\.load-failed$/);
    }
    expect(((await judge('text', given.text)).body as Result).label).to.equal('happy');
  });

  it('fails once where not even the points of a face can be read, and says why', async () => {
    await start({ EMOTION_TEST_NO_FACES: 'yes' });
    const { status, body } = await judge('video', face());
    expect(status).to.equal(500);
    expect(body).to.include({ code: 'fallback.exhausted' });
    expect((body as { message: string }).message).to.contain('model.load-failed');
    expect((await judge('audio', sound())).body).to.include({ runtime: 'logistic' });
  });
});
