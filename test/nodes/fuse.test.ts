import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import type { Fused, Result } from '../../lib/emotion/result';
import type { Modality } from '../../lib/emotion/sample';
import { emptyResult, resultOf } from '../fusion/results';
import { Flow, type Outcome } from './harness';

/** Waits long for what a busy machine brings late; `soon` is for tests of what never comes. */
const fuse = { id: 'fuse', type: 'emotion-fuse', method: 'vote', calibrate: false, wait: 60 };
const byTopic = { ...fuse, join: 'property', key: 'topic' };
const soon = { wait: 0.2 };

const text = resultOf('text', { happy: 0.8, sad: 0.2 });
const audio = resultOf('audio', { happy: 0.4, sad: 0.6 });
const video = resultOf('video', { happy: 0.9, sad: 0.1 });

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const answers = (outcomes: Outcome[]) => outcomes.flatMap(({ sent }) => sent);
const fused = (message: NodeMessage | undefined) => message?.payload as Fused;
const codes = (outcomes: Outcome[]) =>
  outcomes.flatMap(({ caught }) => caught.map(({ error }) => error.code));

/** The same sequence each time: a linear congruential generator (Numerical Recipes). */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
}

describe('emotion-fuse', () => {
  let flow: Flow;
  afterEach(() => flow.stop());

  const send = (payload: unknown, more: object = {}) =>
    flow.send('fuse', { payload, topic: 'a', ...more });

  it('makes one answer of an event, on a message with the properties of all', async () => {
    flow = await Flow.start([byTopic]);
    const outcomes = await Promise.all([
      send(video, { camera: 1, from: 'video' }),
      send(text, { from: 'text', kept: { deep: true } }),
      send(audio, { from: 'audio' }),
    ]);
    expect(answers(outcomes)).to.have.length(1);
    const [message] = answers(outcomes);
    expect(fused(message)).to.deep.include({ modality: 'multimodal', label: 'happy', missing: [] });
    expect(fused(message).score).to.be.closeTo(0.7, 1e-9);
    expect(fused(message).modalities.audio).to.deep.equal(audio);
    expect(message).to.deep.include({ from: 'text', camera: 1, kept: { deep: true }, topic: 'a' });
    expect(outcomes.map(({ completed }) => completed)).to.deep.equal(
      Array.from({ length: 3 }, () => ['fuse']),
    );
  });

  it('joins what one message became by its id, in any order of arrival', async () => {
    flow = await Flow.start([fuse]);
    const given: Fused[] = [];
    for (const order of [
      [text, audio, video],
      [video, text, audio],
    ]) {
      const outcome = await flow.sendTogether(
        'fuse',
        order.map((payload) => ({ payload })),
      );
      expect(outcome.sent).to.have.length(1);
      given.push(fused(outcome.sent[0]));
    }
    expect({ ...given[0], latencyMs: 0 }).to.deep.equal({ ...given[1], latencyMs: 0 });
  });

  it('answers with what is there when the wait is over', async () => {
    flow = await Flow.start([{ ...byTopic, ...soon }]);
    const began = performance.now();
    const { sent } = await send(audio);
    expect(performance.now() - began).to.be.at.least(180);
    expect(fused(sent[0])).to.deep.include({ label: 'sad', missing: ['text', 'video'] });
  });

  it('answers messages whose other parts never come, each once, and holds nothing of them', async () => {
    flow = await Flow.start([{ ...fuse, wait: 0.3 }]);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, () => flow.sendTogether('fuse', [{ payload: text }])),
    );
    for (const { sent, caught } of outcomes) {
      expect(caught).to.deep.equal([]);
      expect(sent).to.have.length(1);
      expect(fused(sent[0]).missing).to.deep.equal(['audio', 'video']);
    }
    // What is held would be answered now.
    const late = flow.messages('out');
    await flow.send('fuse', { flush: true });
    await sleep(50);
    expect(late).to.deep.equal([]);
  });

  it('waits for what the message expects', async () => {
    flow = await Flow.start([{ ...byTopic, wait: 60 }]);
    const expected = ['audio', 'text'];
    const outcomes = await Promise.all([send(text, { expected }), send(audio, { expected })]);
    expect(fused(answers(outcomes)[0])).to.deep.include({ missing: [] });
    const [outcome] = await Promise.all([send(text, { topic: 'b', expected: 'text' })]);
    expect(codes([outcome])).to.deep.equal(['input.wrong-type']);
  });

  it('counts silence as absent and says so', async () => {
    flow = await Flow.start([byTopic]);
    const outcomes = await Promise.all([
      send(text),
      send(emptyResult('audio', 'silence')),
      send(video),
    ]);
    const answer = fused(answers(outcomes)[0]);
    expect(answer).to.deep.include({ label: 'happy', missing: ['audio'] });
    expect(answer.explanation.en).to.include('silence');
  });

  it('refuses a second Result of a modality and one that comes after the answer', async () => {
    flow = await Flow.start([{ ...byTopic, video: false }]);
    const first = send(text);
    await sleep(20);
    expect(codes([await send(text)])).to.deep.equal(['fusion.duplicate']);
    expect(fused(answers(await Promise.all([first, send(audio)]))[0]).label).to.equal('happy');
    expect(codes([await send(audio)])).to.deep.equal(['fusion.late']);
  });

  it('opens a key again where keys are used again', async () => {
    flow = await Flow.start([{ ...byTopic, audio: false, video: false, reuseKeys: true }]);
    for (let turn = 0; turn < 3; turn += 1) expect((await send(text)).sent).to.have.length(1);
  });

  const refused: [string, unknown][] = [
    ['an unknown label', { ...text, label: 'joyful' }],
    ['an unknown label among the scores', { ...text, scores: { happy: 0.8, joyful: 0.2 } }],
    ['scores that do not sum to 1', { ...text, scores: { happy: 0.8, sad: 0.9 } }],
    ['NaN', { ...text, scores: { happy: NaN, sad: 0.2 } }],
    ['another schema', { ...text, schema: 2 }],
    ['another fusion', { ...text, modality: 'multimodal' }],
    ['a list', [text, audio]],
    ['no result at all', 'happy'],
  ];
  for (const [what, payload] of refused) {
    it(`refuses ${what} and answers what else belongs to the event`, async () => {
      flow = await Flow.start([{ ...byTopic, ...soon, audio: false }]);
      const outcomes = await Promise.all([send(video), send(payload)]);
      expect(codes(outcomes)).to.deep.equal(['fusion.not-a-result']);
      const [answer] = answers(outcomes);
      expect(fused(answer)).to.deep.include({ label: 'happy', missing: ['text'] });
    });
  }

  it('needs the property that names the event', async () => {
    flow = await Flow.start([byTopic]);
    expect(codes([await send(text, { topic: undefined })])).to.deep.equal([
      'input.property-missing',
    ]);
    expect(codes([await send(text, { topic: { id: 1 } })])).to.deep.equal(['input.wrong-type']);
  });

  it('answers the oldest of 1,000 open events when one more comes, and none is lost', async () => {
    flow = await Flow.start([{ ...byTopic, wait: 60, maxOpen: 1000 }]);
    const first = send(text, { topic: 'event 0' });
    const others = Array.from({ length: 1000 }, (_, event) =>
      send(text, { topic: `event ${event + 1}` }),
    );
    const { sent } = await first;
    expect(fused(sent[0]).missing).to.deep.equal(['audio', 'video']);
    await flow.send('fuse', { flush: true });
    const outcomes = await Promise.all(others);
    expect(new Set(answers(outcomes).map(({ topic }) => topic)).size).to.equal(1000);
  });

  it('answers every event once, whatever is shuffled, lost, late or doubled', async () => {
    flow = await Flow.start([{ ...byTopic, wait: 0.4 }]);
    const random = generator(7);
    const onTime: [number, Result][] = [];
    const late: [number, Result][] = [];
    const doubled: [number, Result][] = [];
    for (let event = 0; event < 300; event += 1) {
      for (const result of [text, audio, video]) {
        const fate = random();
        if (fate < 0.1) continue;
        (fate < 0.2 ? late : onTime).push([event, result]);
        if (fate > 0.95) doubled.push([event, result]);
      }
    }
    const shuffled = [...onTime, ...doubled].sort(() => random() - 0.5);
    const sendAll = (list: [number, Result][]) =>
      list.map(([event, payload]) => send(payload, { topic: `event ${event}` }));
    const outcomes = await Promise.all(sendAll(shuffled));
    outcomes.push(...(await Promise.all(sendAll(late))));

    for (const { completed, caught } of outcomes)
      expect(completed.length + caught.length).to.equal(1);
    const answered = answers(outcomes).map(({ topic }) => topic);
    const came = new Set([...onTime, ...late].map(([event]) => `event ${event}`));
    expect(answered).to.have.members([...came]);
    const counted = answers(outcomes).reduce(
      (sum, message) => sum + Object.keys(fused(message).modalities).length,
      0,
    );
    expect(counted + codes(outcomes).length).to.equal(shuffled.length + late.length);
    expect(new Set(codes(outcomes))).to.deep.equal(new Set(['fusion.duplicate', 'fusion.late']));
  });

  // Four times 20 MB do not fit into 64 MB, wherever they are: the oldest is answered at once.
  const large = {
    'a long text as its source': () => [{ ...text, source: { text: 'x'.repeat(10_000_000) } }],
    'a long list in its source': () => [
      { ...text, source: { tags: Array<string>(200_000).fill('x'.repeat(50)) } },
    ],
    'a picture beside it': () => [text, { picture: { data: Buffer.alloc(20_000_000) } }],
  } satisfies Record<string, () => [Result | object, object?]>;
  for (const [what, make] of Object.entries(large)) {
    it(`bounds the bytes that it holds: ${what}`, async () => {
      flow = await Flow.start([{ ...byTopic, wait: 60 }]);
      const outcomes = [0, 1, 2, 3].map((event) => {
        const [payload, more] = make() as [object, object?];
        return send(payload, { topic: `large ${event}`, ...more });
      });
      expect(fused((await outcomes[0]!).sent[0]).label).to.equal('happy');
      await flow.send('fuse', { flush: true });
      expect(answers(await Promise.all(outcomes))).to.have.length(4);
    });
  }

  it('msg.reset fails what is held; a redeploy does too', async () => {
    flow = await Flow.start([{ ...byTopic, wait: 60 }]);
    const held = send(text);
    await sleep(20);
    await flow.send('fuse', { reset: true });
    expect(codes([await held])).to.deep.equal(['queue.reset']);
    const left = send(text);
    await sleep(20);
    await flow.deploy([{ ...byTopic, wait: 61 }]);
    expect((await Promise.race([left, sleep(50)])) ?? 'stopped').to.equal('stopped');
  });

  it('lets a vote answer while the attention has no model', async () => {
    flow = await Flow.start([{ ...byTopic, method: 'attention' }]);
    const outcomes = await Promise.all([send(text), send(audio), send(video)]);
    expect(fused(answers(outcomes)[0])).to.deep.include({
      label: 'happy',
      model: 'fusion-reliability-vote',
      fallback: { reason: 'fusion: model.not-configured', attempts: 1 },
    });
  });

  it('brings the scores of votes and products to the share of right answers where that is set', async () => {
    for (const method of ['vote', 'product', 'reliability']) {
      const scores: (number | undefined)[] = [];
      for (const calibrate of [false, true]) {
        flow = await Flow.start([{ ...byTopic, method, calibrate }]);
        const outcomes = await Promise.all([send(text), send(audio), send(video)]);
        const answer = fused(answers(outcomes)[0]);
        expect(answer.label).to.equal('happy');
        scores.push(answer.score);
        if (!calibrate) await flow.stop();
      }
      expect(scores[0]).not.to.be.closeTo(scores[1]!, 1e-3);
      if (method !== 'reliability') await flow.stop();
    }
  });

  it('counts a model by the metrics of its card', async () => {
    flow = await Flow.start([{ ...byTopic, method: 'reliability', audio: false }]);
    const good = { ...text, model: 'text-zh-bert' };
    const guessing = { ...video, model: 'chance' };
    const outcomes = await Promise.all([send(good), send(guessing)]);
    // What was not measured counts as the mean of the others.
    expect(fused(answers(outcomes)[0]).weights).to.deep.equal({ text: 0.5, video: 0.5 });
  });

  describe('by time', () => {
    const byTime = { ...fuse, join: 'time', step: 1, clock: 'source', wait: 1, text: false };
    const window = (modality: Modality, start: number, end: number, happy: number): Result =>
      resultOf(
        modality,
        { happy, sad: 1 - happy },
        {
          segments: [
            { start, end, label: 'happy', score: happy, scores: { happy, sad: 1 - happy } },
          ],
        },
      );

    it('aligns windows of different lengths, in order, each step once', async () => {
      flow = await Flow.start([byTime]);
      const arrivals = [
        ...[0, 1, 2, 3].map((start) => window('audio', start, start + 2, 0.9)),
        ...[0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5].map((start) =>
          window('video', start, start + 0.5, 0.2),
        ),
      ]
        .sort((a, b) => b.segments![0]!.end! - a.segments![0]!.end!)
        .reverse();
      const outcomes = await Promise.all(arrivals.map((payload) => send(payload)));
      const parts = answers(outcomes).map(({ parts }) => parts as { id: string; index: number });
      expect(parts).to.deep.equal([0, 1, 2, 3, 4].map((index) => ({ id: 'a', index })));
      const answer = fused(answers(outcomes)[1]);
      expect(answer.modalities.video?.segments).to.have.length(2);
      expect(answer.score).to.be.closeTo(0.55, 1e-9);
      expect(outcomes.every(({ completed }) => completed.length === 1)).to.equal(true);
    });

    it('gives every step an object of its own', async () => {
      flow = await Flow.start([{ ...byTime, video: false }]);
      const { sent } = await send(window('audio', 0, 2, 0.9), { kept: { deep: true } });
      const [first, second] = sent as unknown as { kept: { deep: boolean } }[];
      first!.kept.deep = false;
      expect(second!.kept.deep).to.equal(true);
    });

    it('refuses a Result without a time, takes msg.time, and the arrival of a live one', async () => {
      flow = await Flow.start([{ ...byTime, video: false }]);
      expect(codes([await send(audio)])).to.deep.equal(['fusion.time-unusable']);
      const said = await send(audio, { time: { start: 5, end: 5.5 } });
      expect(said.sent[0]).to.deep.include({ parts: { id: 'a', index: 5 } });
      await flow.deploy([{ ...byTime, video: false, clock: 'live' }]);
      expect((await send(audio)).sent).to.have.length(1);
    });
  });
});
