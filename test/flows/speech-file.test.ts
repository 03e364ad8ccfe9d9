import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { babble, join as joinSound, silence, tone } from '../audio/signal';
import { wavFile } from '../audio/wav';
import { make, scratchFolder, until } from '../media/fixtures';
import { installModel, NodeRed } from './node-red';
import { Specification } from './specification';

const PATH = '/emotion/audio';

describe('the flow for speech in files', function () {
  this.timeout(300_000);
  const folder = scratchFolder();
  const specification = new Specification([PATH]);
  const voice = wavFile(babble(4));
  let nodeRed: NodeRed;
  before(async () => {
    nodeRed = await NodeRed.start();
    await installModel(nodeRed.userDir, 'slow-speech', 'slow-speech');
  });
  after(async () => {
    await nodeRed.stop();
  });

  const post = (body: Uint8Array | FormData | string, type?: string, query?: string) =>
    specification.request(
      nodeRed.url,
      'post',
      PATH,
      { body: body as BodyInit, ...(type !== undefined && { headers: { 'content-type': type } }) },
      query,
    );

  it('starts with a comment that says what to do, and its buttons work', async () => {
    const file = join(packageRoot(), 'examples/flows/03-speech-file.json');
    const flow = JSON.parse(readFileSync(file, 'utf8')) as {
      type: string;
      id: string;
      name: string;
      info?: string;
      payload?: string;
    }[];
    expect(flow.find(({ type }) => type === 'comment')?.info).to.match(/Press the button/);
    const sentence = flow.find(({ name }) => name === 'a sentence');
    const pressed = await fetch(`${nodeRed.url}/inject/${sentence?.id}`, { method: 'POST' });
    expect(pressed.status).to.equal(200);
    // The same sentence over HTTP: somebody speaks in it.
    const bytes = Buffer.from(sentence?.payload?.replace(/^.*,/, '') ?? '', 'base64');
    const { body } = await post(bytes, 'audio/ogg');
    expect((body as Result).label).to.be.a('string');
    expect((body as Result).segments?.length).to.be.above(1);
  });

  it('answers the bytes of a sound, whatever their type is called', async () => {
    for (const type of ['audio/wav', 'application/octet-stream', undefined]) {
      const { status, body } = await post(voice, type);
      expect(status).to.equal(200);
      expect(body).to.include({ modality: 'audio', model: 'speech-crnn', runtime: 'onnxruntime' });
      const { segments = [], source } = body as Result;
      expect(segments.length).to.be.above(1);
      expect(segments[0]?.times).to.have.length(16);
      expect(source.duration).to.equal(4);
    }
  });

  it('answers a form with a file, among other parts', async () => {
    const form = new FormData();
    form.append('note', '--not a boundary\r\n\r\n');
    form.append('file', new Blob([new Uint8Array(voice)], { type: 'audio/wav' }), 'voice.wav');
    form.append('after', 'more');
    const { body } = await post(form);
    expect((body as Result).source.duration).to.equal(4);
  });

  it('answers a film with sound', async () => {
    const film = await make(
      folder,
      ['-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=5:duration=2', '-f', 'lavfi', '-i', 'sine=duration=2', '-shortest'],
      'film.mp4',
    ); // prettier-ignore
    expect((await post(readFileSync(film), 'video/mp4')).body).to.include({ reason: 'no-speech' });
  });

  it('says where nobody speaks', async () => {
    const { body } = await post(wavFile(silence(2)), 'audio/wav');
    expect(body).to.include({ label: null, reason: 'silence' });
    const mixed = await post(wavFile(joinSound(babble(3), silence(6))), 'audio/wav');
    const { segments = [] } = mixed.body as Result;
    expect(segments.at(-1)?.end).to.be.lessThan(6);
  });

  const refused: [string, () => Parameters<typeof post>, number, string][] = [
    ['an empty body', () => [new Uint8Array(0), 'audio/wav'], 400, 'request.malformed'],
    ['a form without a file', () => [new FormData()], 400, 'request.malformed'],
    ['a form without a boundary', () => [voice, 'multipart/form-data'], 400, 'request.malformed'],
    ['JSON', () => ['{}', 'application/json'], 415, 'input.unsupported-media'],
    ['text', () => ['hello', 'text/plain'], 415, 'input.unsupported-media'],
    ['text that is called a sound', () => ['hello', 'audio/wav'], 415, 'media.unreadable'],
    ['a header without sound', () => [voice.subarray(0, 44), 'audio/wav'], 422, 'media.empty'],
    ['a path', () => ['/etc/passwd', 'application/octet-stream'], 415, 'media.unreadable'],
    ['too much', () => [new Uint8Array(50_000_001), 'audio/wav'], 413, 'input.too-large'],
    ['eleven minutes', () => [elevenMinutes, 'audio/flac'], 413, 'input.too-large'],
    ['a model that is not there', () => [voice, 'audio/wav', '?model=nope'], 422, 'input.wrong-model'],
  ]; // prettier-ignore
  let elevenMinutes: Buffer;
  before(async () => {
    const args = ['-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '660'];
    elevenMinutes = readFileSync(await make(folder, args, 'long.flac'));
  });
  for (const [name, request, status, code] of refused) {
    it(`refuses ${name} with ${status}`, async () => {
      const answer = await post(...request());
      expect(answer.body).to.include({ status, code });
      expect(answer.headers.get('content-type')).to.contain('application/problem+json');
    });
  }

  it('refuses a film without sound with 422', async () => {
    const args = ['-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=5:duration=1'];
    const film = await make(folder, args, 'mute.mp4');
    expect((await post(readFileSync(film), 'video/mp4')).body).to.include({ status: 422, code: 'media.no-stream' }); // prettier-ignore
  });

  it('says when too many sounds wait, when the model takes too long, and when it fails', async () => {
    const { flows } = await nodeRed.flows();
    const change = (changes: Record<string, object>, ...more: object[]) =>
      nodeRed.deploy([...flows.map((node) => ({ ...node, ...changes[node.type] })), ...more]);
    // Tones are no speech: for these answers they are judged all the same.
    const judged = { 'emotion-preprocess-audio': { silence: 'keep' } };
    const slow = '?model=slow-speech';
    const high = wavFile(tone(6000, 2.6));

    await change({ ...judged, 'emotion-infer': { queuePolicy: 'reject' }, 'emotion-model': { maxBatch: 1, timeoutMs: 120_000 } }); // prettier-ignore
    await nodeRed.ready();
    // The old flow may still answer for a moment: to it, a tone is no speech.
    await until(async () => ((await post(high)).body as Result).label !== null, 'the new flow');
    const answers = await Promise.all(Array.from({ length: 4 }, () => post(high, 'audio/wav', slow))); // prettier-ignore
    expect(answers.map(({ status }) => status)).to.include.members([200, 429]);
    const full = answers.find(({ status }) => status === 429);
    expect(full?.body).to.include({ code: 'queue.full' });

    // Of the inference alone, not of decoding: long for a window that fails at once, short for a minute of
    // those that take half a second each, on any machine.
    const patient = flows.find(({ id }) => id === 'e0300000000000c1')!;
    const impatient = { ...patient, id: 'impatient', timeoutMs: 1_500 };
    await change({ ...judged, 'emotion-infer': { model: 'impatient' } }, impatient);
    await nodeRed.ready();
    const long = await post(wavFile(tone(6000, 40)), 'audio/wav', slow);
    expect(long.body).to.include({ status: 504, code: 'engine.timeout' });
    const low = await post(wavFile(tone(60, 2.6)), 'audio/wav', slow);
    expect(low.body).to.include({ status: 500, code: 'engine.failed' });

    await change({ 'emotion-model': { model: 'missing' } });
    await nodeRed.ready();
    expect((await post(voice, 'audio/wav')).body).to.include({ status: 503, code: 'model.not-found' }); // prettier-ignore
    await nodeRed.deploy(flows);
    await nodeRed.ready();
    expect((await post(voice, 'audio/wav')).status).to.equal(200);
  });

  it('gave every answer that the specification promises', () => {
    expect([...specification.unseen]).to.deep.equal([]);
  });

  it('left nothing in the log that looks like a defect', () => {
    expect(nodeRed.log).not.to.match(/TypeError|ReferenceError|unhandled|deprecat/i);
  });
});
