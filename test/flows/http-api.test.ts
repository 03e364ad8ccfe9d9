import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { installModel, NodeRed } from './node-red';
import { Specification, type Method } from './specification';

describe('the HTTP API', function () {
  this.timeout(300_000);
  const specification = new Specification(['get /emotion', '/emotion/text', '/emotion/models']);
  let nodeRed: NodeRed;
  let slow: string;
  before(async () => {
    nodeRed = await NodeRed.start();
    slow = await installModel(nodeRed.userDir, 'slow-text', 'slow-text');
  });
  after(() => nodeRed.stop());

  const request = (method: Method, path: string, init?: RequestInit) =>
    specification.request(nodeRed.url, method, path, init);

  const post = (body: unknown, type = 'application/json') =>
    request('post', '/emotion/text', {
      headers: { 'content-type': type },
      body:
        typeof body === 'string' || Buffer.isBuffer(body) ? (body as string) : JSON.stringify(body),
    });

  it('answers a text', async () => {
    const { status, body } = await post({ text: 'I am happy' });
    expect(status).to.equal(200);
    expect(body).to.include({ label: 'happy', model: 'text-bilstm' });
    expect((body as Result).source).to.deep.equal({ text: 'I am happy', language: 'en' });
  });

  it('answers an array of texts with an array in their order', async () => {
    const { body } = await post({ text: ['so sad', '', '很高兴'] });
    expect((body as Result[]).map(({ label }) => label)).to.deep.equal(['sad', null, 'happy']);
    expect((await post({ text: [] })).body).to.deep.equal([]);
  });

  it('answers plain text', async () => {
    expect((await post('so angry', 'text/plain')).body).to.include({ label: 'angry' });
    expect((await post('很伤心', 'text/plain; charset=utf-8')).body).to.include({ label: 'sad' });
    expect((await post('', 'text/plain')).body).to.include({ label: null, reason: 'empty-text' });
  });

  it('reads the text in the language that is asked for', async () => {
    const { body } = await post({ text: 'I am happy', language: 'zh' });
    expect((body as Result).source.language).to.equal('zh');
  });

  it('remembers what it answered', async () => {
    await post({ text: 'so very sad' });
    expect((await post({ text: 'so very sad' })).body).to.include({ cached: true });
  });

  const refused: [string, unknown, string | undefined, number, string][] = [
    ['JSON that is none', '{"text":', undefined, 400, 'request.malformed'],
    ['an empty body', '', undefined, 400, 'request.malformed'],
    ['null', 'null', undefined, 400, 'request.malformed'],
    ['no text', {}, undefined, 400, 'request.malformed'],
    ['a number', { text: 5 }, undefined, 400, 'request.malformed'],
    ['an array with a number', { text: ['a', 5] }, undefined, 400, 'request.malformed'],
    ['another language', { text: 'a', language: 'fr' }, undefined, 400, 'request.malformed'],
    ['a model that is no id', { text: 'a', model: 5 }, undefined, 400, 'request.malformed'],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe]), 'text/plain', 400, 'request.malformed'],
    ['a form', 'text=a', 'application/x-www-form-urlencoded', 415, 'input.unsupported-media'],
    ['a picture', Buffer.from([0x89, 0x50]), 'image/png', 415, 'input.unsupported-media'],
    ['more than a megabyte', { text: 'a'.repeat(1e6) }, undefined, 413, 'input.too-large'],
    [
      'a model that is not there',
      { text: 'a', model: 'nope' },
      undefined,
      422,
      'input.wrong-model',
    ],
    ['a path for a model', { text: 'a', model: '/etc' }, undefined, 422, 'input.wrong-model'],
  ];
  for (const [name, body, type, status, code] of refused) {
    it(`refuses ${name} with ${status}`, async () => {
      const answer = await post(body, type);
      expect(answer.status).to.equal(status);
      expect(answer.body).to.include({ status, code });
    });
  }

  it('says when too many texts wait, and when to come again', async () => {
    const { flows } = await nodeRed.flows();
    await nodeRed.deploy(
      flows.map((node) => ({
        ...node,
        ...(node.type === 'emotion-model' && { maxBatch: 1, timeoutMs: 60_000 }),
        ...(node.type === 'emotion-infer' && { queueLimit: 1 }),
      })),
    );
    await nodeRed.ready();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        post({ text: `slow slow ${index}`, model: 'slow-text' }),
      ),
    );
    const full = answers.filter(({ status }) => status === 429);
    expect(full).not.to.have.length(0);
    expect(answers.filter(({ status }) => status === 200)).not.to.have.length(0);
    expect(full[0]?.body).to.include({ code: 'queue.full' });
    expect(Number(full[0]?.headers.get('retry-after'))).to.be.at.least(1);
    await nodeRed.deploy(flows);
    await nodeRed.ready();
  });

  it('says when the model takes too long, and answers the next text', async () => {
    const { flows } = await nodeRed.flows();
    await nodeRed.deploy(
      flows.map((node) => (node.type === 'emotion-model' ? { ...node, timeoutMs: 1_000 } : node)),
    );
    await nodeRed.ready();
    const late = await post({ text: 'slow '.repeat(60), model: 'slow-text' });
    expect(late.body).to.include({ status: 504, code: 'engine.timeout' });
    expect((await post({ text: 'I am happy' })).status).to.equal(200);
    await nodeRed.deploy(flows);
    await nodeRed.ready();
  });

  it('says when the model is broken or not chosen, and works again when it is put right', async () => {
    const { flows } = await nodeRed.flows();
    const choose = (model: string) =>
      nodeRed.deploy(
        flows.map((node) => (node.type === 'emotion-model' ? { ...node, model } : node)),
      );
    await choose('missing');
    await nodeRed.ready();
    const { body } = await post({ text: 'a' });
    expect(body).to.include({ status: 503, code: 'model.not-found' });
    expect(JSON.stringify(body)).not.to.contain(nodeRed.userDir);
    await nodeRed.deploy(
      flows.map((node) => (node.type === 'emotion-infer' ? { ...node, model: '' } : node)),
    );
    await nodeRed.ready();
    expect((await request('get', '/emotion/models')).status).to.equal(503);
    await nodeRed.deploy(flows);
    await nodeRed.ready();
    expect((await post({ text: 'I am happy' })).status).to.equal(200);
  });

  it('says when the model fails', async () => {
    const { body } = await post({ text: 'broken', model: 'slow-text' });
    expect(body).to.include({ status: 500, code: 'engine.failed' });
  });

  it('lists the models without telling where they lie', async () => {
    const { body } = await request('get', '/emotion/models');
    const models = body as Record<string, unknown>[];
    expect(models.map(({ id }) => id)).to.include('text-bilstm');
    expect(JSON.stringify(models)).not.to.contain(nodeRed.userDir).and.not.to.contain(slow);
  });

  it('serves a page without external parts, the one beside the flow', async () => {
    const { body, headers } = await request('get', '/emotion');
    const page = readFileSync(join(packageRoot(), 'examples/flows/try-it.html'), 'utf8');
    expect(body).to.equal(page);
    expect(page).not.to.match(/(?:src|href)="(?!data:)|https?:\/\//);
    expect(headers.get('content-security-policy')).to.contain("default-src 'none'");
  });

  it('has a route for every path of the specification, and no other', async () => {
    const { flows } = await nodeRed.flows();
    const routes = (flows as { type: string; method?: string; url?: string }[])
      .filter(({ type }) => type === 'http in')
      .map(({ method, url = '' }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`);
    expect(routes).to.have.members(specification.routes);
  });

  it('gave every answer that the specification promises', () => {
    expect([...specification.unseen]).to.deep.equal([]);
  });

  it('left nothing in the log that looks like a defect', () => {
    expect(nodeRed.log).not.to.match(/TypeError|ReferenceError|unhandled|deprecat/i);
  });
});
