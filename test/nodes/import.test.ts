import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import helper from 'node-red-node-test-helper';
import type { Result } from '../../lib/emotion/result';
import { hub, serve, TestServer } from '../models/import/hub-server';
import { Flow, MODELS, type FlowNodeDefinition } from './harness';

const TINY = join(MODELS, 'tiny-text');
const LABELS = ['neutral', 'joy', 'sadness', 'anger', 'fear', 'disgust', 'surprise'];
const CONFIG = {
  architectures: ['BertForSequenceClassification'],
  max_position_embeddings: 64,
  id2label: Object.fromEntries(LABELS.map((label, id) => [id, label])),
};
const NODES: FlowNodeDefinition[] = [
  { id: 'model', type: 'emotion-model', source: 'installed', model: 'owner-name' },
  { id: 'preprocess', type: 'emotion-preprocess-text', model: 'model', wires: [['infer']] },
  { id: 'infer', type: 'emotion-infer', model: 'model' },
];

interface Job {
  readonly job: string;
  readonly id: string;
  readonly state: string;
  readonly phase: string;
  readonly received: number;
  readonly total?: number;
  readonly error?: { code: string; message: string };
}

describe('importing a model in the editor', function () {
  this.timeout(120_000);
  let flow: Flow;
  let server: TestServer;
  let models: string;
  let files: Record<string, Buffer>;

  beforeEach(async () => {
    models = await mkdtemp(join(tmpdir(), 'emotion-import-'));
    server = await new TestServer().start();
    files = {
      'config.json': Buffer.from(JSON.stringify(CONFIG)),
      'tokenizer.json': await readFile(join(TINY, 'tokenizer.json')),
      'onnx/model.onnx': await readFile(join(TINY, 'model.onnx')),
    };
    server.handler = hub('owner/Name', files);
  });
  afterEach(async () => {
    await flow.stop();
    await server.close();
    await rm(models, { recursive: true, force: true });
  });

  const start = async (locale?: 'zh-CN'): Promise<void> => {
    flow = await Flow.start(NODES, { emotionModelFolder: models }, locale);
  };
  const source = () => ({ source: 'owner/Name', endpoint: server.origin });
  const post = (path: string, body: object) =>
    helper.request().post(`/emotion-model/import${path}`).send(body);
  const look = async (job: string): Promise<Job> =>
    (await helper.request().get(`/emotion-model/import/${job}`)).body as Job;
  const until = async (job: string, holds: (job: Job) => boolean): Promise<Job> => {
    for (;;) {
      const now = await look(job);
      if (holds(now)) return now;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const run = async (body: object): Promise<Job> => {
    const answer = await post('', body);
    expect(answer.status, JSON.stringify(answer.body)).to.equal(202);
    return until((answer.body as Job).job, ({ state }) => state !== 'running');
  };
  const label = async (payload: string): Promise<unknown> => {
    const { sent, caught } = await flow.send('preprocess', { payload });
    return (sent[0]?.payload as Result | undefined)?.label ?? caught[0]?.error.code;
  };

  it('proposes what the labels mean, imports, and the next message is answered', async () => {
    await start();
    expect(await label('so sad')).to.equal('model.not-found');
    const proposal = (await post('/propose', source())).body as Record<string, unknown>;
    expect(proposal).to.deep.include({
      id: 'owner-name',
      precision: 'fp32',
      multiLabel: false,
      licence: 'unknown',
      replaces: false,
    });
    expect(proposal.labels).to.deep.include({ label: 'joy', emotion: 'happy' });
    expect(server.seen.map(({ path }) => path).join()).not.to.contain('.onnx');

    const statuses = flow.statuses('infer');
    const done = await run(source());
    const bytes = Object.values(files).reduce((sum, { length }) => sum + length, 0);
    expect(done).to.deep.include({ state: 'done', id: 'owner-name', received: bytes });
    expect(statuses.join()).to.match(/importing \d+ %/);
    expect(await label('so sad')).to.equal('sad');
    const { body } = await helper.request().get('/emotion-model/models');
    expect((body as { id: string }[]).map(({ id }) => id)).to.include('owner-name');
    expect((await post('/propose', source())).body).to.include({ replaces: true });
  });

  it('goes on where a cancelled import ended', async () => {
    await start();
    const graph = files['onnx/model.onnx']!;
    server.handler = hub('owner/Name', files, {
      large: (request, response) =>
        serve(request, response, graph, { dropAfter: 1_000, dropWhen: () => false }),
    });
    const { job } = (await post('', source())).body as Job;
    const small = files['config.json']!.length + files['tokenizer.json']!.length;
    const under = await until(job, ({ received }) => received > small);
    expect(under).to.include({ state: 'running', phase: 'downloading' });
    expect((await post('', source())).body).to.include({ code: 'model.import-busy' });

    const { body } = await helper.request().delete(`/emotion-model/import/${job}`);
    expect(body).to.include({ job, state: 'cancelled' });
    server.handler = hub('owner/Name', files);
    server.seen.length = 0;
    expect((await run(source())).state).to.equal('done');
    expect(server.seen.find(({ path }) => path.endsWith('.onnx'))?.range).to.match(/^bytes=1000-/);
    const listed = (await helper.request().get('/emotion-model/import')).body as { jobs: Job[] };
    expect(listed.jobs.map(({ state }) => state)).to.deep.equal(['cancelled', 'done']);
  });

  it('keeps the old model serving until a better one has come', async () => {
    await start();
    await run(source());
    expect(await label('so sad')).to.equal('sad');

    const sound = files['tokenizer.json']!;
    const vocabulary = JSON.parse(sound.toString()) as { model: { vocab: Record<string, number> } };
    vocabulary.model.vocab['more'] = 99_999;
    files['tokenizer.json'] = Buffer.from(JSON.stringify(vocabulary));
    const failed = await run(source());
    expect(failed).to.include({ state: 'failed' });
    expect(failed.error).to.have.property('message').that.contains('belongs to another model');
    expect(await label('so sad')).to.equal('sad');

    files['tokenizer.json'] = sound;
    await run({ ...source(), mapping: { sadness: 'fear', fear: null } });
    expect(await label('so sad')).to.equal('fear');
  });

  it('takes a folder on this machine', async () => {
    await start();
    const answer = await run({ source: TINY, id: 'owner-name' });
    expect(answer.error?.message).to.contain('config.json');
    const relative = await post('/propose', { source: './models' });
    expect(relative.status).to.equal(400);
  });

  it('uses the token of the request, or else the one that the configuration keeps', async () => {
    const nodes = NODES.map((node) =>
      node.id === 'model' ? { ...node, credentials: { hubToken: 'hf_kept' } } : node,
    );
    flow = await Flow.start(nodes, { emotionModelFolder: models });
    server.handler = hub('owner/Name', files, { token: 'hf_typed' });
    const denied = await post('/propose', source());
    expect(denied.status).to.equal(422);
    expect(denied.body).to.have.property('code', 'model.import-refused');
    expect(JSON.stringify(denied.body)).not.to.contain('hf_');
    expect((await post('/propose', { ...source(), token: 'hf_typed' })).status).to.equal(200);
    server.handler = hub('owner/Name', files, { token: 'hf_kept' });
    const kept = await run({ ...source(), configuration: 'model' });
    expect(kept.error).to.equal(undefined);
    expect(kept.state).to.equal('done');
    expect(JSON.stringify(kept)).not.to.contain('hf_');
  });

  it('says what to do in the language of the runtime', async () => {
    await start('zh-CN');
    files['config.json'] = Buffer.from(JSON.stringify({ ...CONFIG, id2label: { 0: 'A', 1: 'B' } }));
    const unclear = await run(source());
    expect(unclear.error).to.include({ code: 'model.import-labels' });
    expect(unclear.error?.message).to.match(/^请说明模型标签对应的情绪/);
    const unknown = await post('/propose', { source: 'owner/nobody', endpoint: server.origin });
    expect(unknown.body).to.have.property('code', 'model.import-not-found');
    server.handler = (_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Log in</html>');
    const page = await post('/propose', source());
    expect(page.body).to.have.property('code', 'model.import-corrupt');
  });

  it('refuses a request that is malformed', async () => {
    await start();
    for (const body of [
      {},
      { source: '' },
      { source: 'a'.repeat(600) },
      { source: 'owner/Name', mapping: { joy: 'bliss' } },
      { source: 'owner/Name', extra: 1 },
      [],
    ]) {
      const { status, body: said } = await post('', body);
      expect([status, (said as { code: string }).code], JSON.stringify(body)).to.deep.equal([
        400,
        'input.wrong-type',
      ]);
    }
    const form = await helper
      .request()
      .post('/emotion-model/import')
      .type('form')
      .send('source=owner%2FName');
    expect(form.status).to.equal(400);
    for (const method of ['get', 'delete'] as const) {
      expect((await helper.request()[method]('/emotion-model/import/none')).status).to.equal(404);
    }
    expect(server.seen).to.deep.equal([]);
  });
});
