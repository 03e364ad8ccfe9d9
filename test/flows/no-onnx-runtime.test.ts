import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { encodeJpeg } from '../../lib/video/annotate';
import { FaceReader } from '../../lib/video/face-reader';
import { openFaceNets } from '../../lib/video/open-face-nets';
import { INSTALL_LINE } from '../../lib/video/tensorflow-faces';
import { babble } from '../audio/signal';
import { wavFile } from '../audio/wav';
import { portrait } from '../video/face-files';
import { installStandIn } from '../video/stand-in-tensorflow';
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
const TYPES: Record<string, string> = { text: 'text/plain', points: 'application/json' };
const MODALITIES = ['text', 'audio', 'video'] as const;

/**
 * POST /judge/text, /judge/audio, /judge/video; /judge/points takes the 68 points of a face, as of a
 * message that was prepared elsewhere. An error answers 500 with its code and message.
 */
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
  node('points-in', 'http in', ['points-sample'], { url: '/judge/points', method: 'post' }),
  node('points-sample', 'function', ['video-judge'], {
    func: `const data = new Float32Array(48 * 48);
      msg.payload = { modality: 'video', model: 'face-cnn-lstm', source: {}, segments: [{ landmarks: msg.payload }],
        tensors: { faces: { type: 'float32', dims: [1, 1, 1, 48, 48], data } } };
      return msg;`,
    outputs: 1,
  }),
  node('failed', 'catch', ['fallback'], {
    scope: MODALITIES.flatMap((modality) => [id(`${modality}-read`), id(`${modality}-judge`)]),
  }),
  node('fallback', 'emotion-fallback', ['answer'], { firstDelay: 0.02, longestDelay: 0.05, threshold: 1000 }),
  node('given-up', 'catch', ['explain'], { scope: [id('fallback')] }),
  node('explain', 'function', ['answer'], {
    func: `msg.statusCode = 500;
      const { code, message, cause } = msg.error;
      const [first] = cause.cause.errors;
      msg.payload = { code, message, cause: first.message };
      return msg;`,
    outputs: 1,
  }),
  node('answer', 'http response', []),
]; // prettier-ignore

describe('a machine on which ONNX Runtime cannot be loaded', function () {
  this.timeout(300_000);
  let nodeRed: NodeRed;
  const preload = join(__dirname, 'without-onnx-runtime.js');
  const installed = process.env['EMOTION_TENSORFLOW'];
  const packages = mkdtempSync(join(tmpdir(), 'emotion-tensorflow-'));
  before(() => installStandIn(packages));
  after(() => rmSync(packages, { recursive: true }));

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
      headers: { 'content-type': TYPES[modality] ?? 'application/octet-stream' },
      body: body as BodyInit,
    }); // prettier-ignore
    return { status: response.status, body: (await response.json()) as unknown };
  };
  const sound = () => wavFile(babble(3));
  const face = () => encodeJpeg(portrait(240, 200, { mouth: 0.9 }), 95);

  it('answers texts, voices and faces by logistic regression, with faces found by TensorFlow.js', async () => {
    await start({
      NODE_PATH: installed === undefined ? packages : join(installed, 'node_modules'),
    });
    const given = { text: 'I am so happy, what a wonderful day', audio: sound(), video: face() };
    // The second of each comes while the engine that failed is left alone.
    for (const modality of [...MODALITIES, ...MODALITIES]) {
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
    expect(nodeRed.log.match(/found by TensorFlow\.js/g), nodeRed.log).to.have.length(1);
  });

  it('answers by the points that a message carries; without them, says once what to install', async () => {
    await start();
    const nets = await openFaceNets();
    const [found] = await new FaceReader(nets).readStill(portrait(240, 200, { mouth: 0.9 }));
    await nets.close();
    const points = await judge('points', JSON.stringify(found!.landmarks));
    expect(points.body).to.include({ runtime: 'logistic', model: 'fallback-video' });

    const { status, body } = await judge('video', face());
    expect(status).to.equal(500);
    expect(body).to.include({ code: 'fallback.exhausted' });
    const { message, cause } = body as { message: string; cause: string };
    expect(message).to.contain('model.load-failed');
    expect(cause).to.contain('ONNX Runtime').and.to.contain(INSTALL_LINE);
    expect((await judge('audio', sound())).body).to.include({ runtime: 'logistic' });
  });
});
