import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { writeFallbackModel } from './fallback-model';
import { Flow, type FlowNodeDefinition, type Outcome } from './harness';
import type { ShakyMessage } from './shaky-node';

const shaky: FlowNodeDefinition = { id: 'shaky', type: 'shaky' };
const onError: FlowNodeDefinition = {
  id: 'on-error',
  type: 'catch',
  scope: ['shaky'],
  wires: [['fallback']],
};
const fallback: FlowNodeDefinition = {
  id: 'fallback',
  type: 'emotion-fallback',
  firstDelay: 0.01,
  longestDelay: 0.02,
  timeout: 20,
  threshold: 100,
  textModel: 'always-happy',
};

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const result = ({ sent }: Outcome) => sent[0]?.payload as Result;

describe('emotion-fallback', () => {
  let flow: Flow;
  let emotionModelFolder: string;
  before(async () => {
    emotionModelFolder = await mkdtemp(join(tmpdir(), 'emotion-fallback-'));
    await writeFallbackModel(emotionModelFolder, 'always-happy');
  });
  afterEach(() => flow.stop());
  after(() => rm(emotionModelFolder, { recursive: true }));

  const start = async (settings: object = {}, last: FlowNodeDefinition = fallback) => {
    flow = await Flow.start(
      [shaky, onError, { ...last, ...settings }],
      { emotionModelFolder },
      'en-US',
      ['fallback'],
    );
  };
  const send = (message: ShakyMessage) =>
    flow.sendUntilAnswered('shaky', { payload: 'so glad', ...message });

  for (const how of ['done', 'report', 'throw'] as const) {
    it(`sends again what failed (${how}) until it goes through, once`, async () => {
      await start();
      const outcome = await send({ failures: 2, how });
      expect(outcome.sent).to.have.length(1);
      expect(outcome.sent[0]).to.deep.include({ went: 3, payload: 'so glad' });
      expect(outcome.sent[0]).not.to.have.property('error');
    });

    it(`answers when every attempt failed (${how})`, async () => {
      await start();
      const outcome = await send({ how });
      expect(outcome.sent).to.have.length(1);
      expect(result(outcome)).to.deep.include({
        modality: 'text',
        label: 'happy',
        runtime: 'logistic',
        model: 'always-happy',
        fallback: { reason: 'engine.crashed', attempts: 3 },
        source: { text: 'so glad' },
      });
      expect(outcome.sent[0]).not.to.have.property('error');
      expect(outcome.caught).to.have.length(0);
    });
  }

  it('does not wait for ever for a node that never finishes', async () => {
    await start({ attempts: 1, timeout: 0.3 });
    const outcome = await send({ how: 'silent' });
    expect(result(outcome).fallback).to.deep.equal({ reason: 'engine.timeout', attempts: 1 });
  });

  it('keeps an attempt that it no longer waits for from answering a second time', async () => {
    await start({ attempts: 1, timeout: 0.1 });
    const outcome = await send({ how: 'late' });
    expect(result(outcome).fallback?.reason).to.equal('engine.timeout');
    await sleep(600);
    expect(outcome.sent).to.have.length(1);
  });

  it('does not send again what cannot succeed', async () => {
    await start();
    const outcome = await send({ code: 'input.wrong-type' });
    expect(result(outcome).fallback).to.deep.equal({ reason: 'input.wrong-type', attempts: 0 });
  });

  it('leaves a source alone that keeps failing, and tries it again later', async () => {
    await start({ threshold: 4, openFor: 60 });
    expect(result(await send({})).fallback?.attempts).to.equal(3);
    for (let message = 0; message < 2; message += 1) {
      expect(result(await send({})).fallback).to.deep.equal({
        reason: 'circuit-open',
        attempts: 0,
      });
    }
    const { now } = Date;
    try {
      Date.now = () => now() + 60_000;
      const probe = await send({ failures: 1 });
      expect(probe.sent[0]).to.deep.include({ went: 2 });
      expect((await send({ failures: 1 })).sent[0]).to.deep.include({ went: 2 });
    } finally {
      Date.now = now;
    }
  });

  it('keeps what the breaker knows over a deploy where that is set', async () => {
    for (const [keep, reason] of [
      [true, 'circuit-open'],
      [false, 'engine.crashed'],
    ] as const) {
      const settings = { threshold: 2, openFor: 60, keep, state: `breaker_${keep}` };
      await start(settings);
      await send({});
      await flow.deploy([shaky, onError, { ...fallback, ...settings, attempts: 1 }]);
      expect(result(await send({})).fallback?.reason).to.equal(reason);
      if (keep) await flow.stop();
    }
  });

  it('fails once with the whole chain when there is no answer either', async () => {
    await start({ textModel: 'not-there' });
    const { sent, caught } = await send({});
    expect(sent).to.have.length(0);
    expect(caught).to.have.length(1);
    const [{ error }] = caught as [(typeof caught)[number]];
    expect(error.code).to.equal('fallback.exhausted');
    const chain = (error.cause?.cause as AggregateError).errors as { code?: string }[];
    expect(chain.map(({ code }) => code)).to.deep.equal([
      ...Array.from({ length: 4 }, () => 'engine.crashed'),
      'model.not-found',
    ]);
  });

  it('cannot answer for what it does not know', async () => {
    await start({ attempts: 0 });
    const { caught } = await send({ payload: Buffer.from([0xff, 0xfe]) });
    expect(caught[0]?.error.code).to.equal('fallback.exhausted');
  });

  it('answers a list with a list', async () => {
    await start({ attempts: 0 });
    const { sent } = await send({ payload: ['one', '', 'three'] });
    const labels = (sent[0]?.payload as Result[]).map(({ label, reason }) => label ?? reason);
    expect(labels).to.deep.equal(['happy', 'empty-text', 'happy']);
  });

  it('does not catch its own error for ever', async () => {
    flow = await Flow.start(
      [shaky, { ...onError, scope: null }, { ...fallback, answer: false, attempts: 1 }],
      { emotionModelFolder },
      'en-US',
      ['fallback'],
    );
    const { caught } = await send({});
    expect(caught.map(({ error }) => error.code)).to.deep.equal(['fallback.exhausted']);
  });

  it('msg.reset gives up attempts', async () => {
    await start({ firstDelay: 30, longestDelay: 30 });
    const held = send({});
    await sleep(50);
    await flow.send('fallback', { reset: true });
    expect((await held).caught[0]?.error.code).to.equal('queue.reset');
  });

  it('answers at once what has no room to wait', async () => {
    await start({ firstDelay: 30, longestDelay: 30, maxPending: 1 });
    void send({});
    await sleep(50);
    expect(result(await send({})).fallback).to.deep.equal({ reason: 'stopped', attempts: 0 });
  });

  it('wants a message from a catch node', async () => {
    await start();
    const { caught } = await flow.send('fallback', { payload: 'x' });
    expect(caught[0]?.error.code).to.equal('input.wrong-type');
  });

  it('loses and doubles none of 300 messages that fail in every way', async () => {
    await start({ threshold: 10, openFor: 0.05, firstDelay: 0.005 });
    const ways = ['done', 'report', 'throw'] as const;
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        send({ failures: index % 6, how: ways[index % 3]! }),
      ),
    );
    await sleep(100);
    for (const { sent, caught } of outcomes) expect(sent.length + caught.length).to.equal(1);
  });
});
