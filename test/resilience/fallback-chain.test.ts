import { expect } from 'chai';
import fc from 'fast-check';
import { EmotionError } from '../../lib/emotion/error';
import { CircuitBreakers } from '../../lib/resilience/circuit-breakers';
import { FallbackChain, type FallbackOutcome } from '../../lib/resilience/fallback-chain';
import { logisticResult } from '../../lib/resilience/logistic-result';
import { mockTime } from './mock-time';

const crashed = new EmotionError('engine.crashed', 'gone');
const wrongType = new EmotionError('input.wrong-type', 'no');

describe('the fallback chain', () => {
  let time: ReturnType<typeof mockTime>;
  beforeEach(() => {
    time = mockTime();
  });
  afterEach(() => time.restore());

  const chainOf = (breakers = new CircuitBreakers({ threshold: 100 })): FallbackChain =>
    new FallbackChain({ breakers, random: () => 0.5, attemptTimeoutMs: 5000 });

  async function outcomeOf<T>(promise: Promise<T>, passMs = 20_000): Promise<T | EmotionError> {
    const outcome = promise.catch((error: EmotionError) => error);
    await time.pass(passMs);
    return outcome;
  }

  it('sends the message again until it is answered', async () => {
    const attempts: number[] = [];
    const outcome = await outcomeOf(
      chainOf().run({
        source: 'infer',
        failure: crashed,
        attempt: (attempt) => {
          attempts.push(attempt);
          return attempt < 3 ? Promise.reject(crashed) : Promise.resolve('happy');
        },
      }),
    );
    expect(outcome).to.deep.equal({ kind: 'recovered', value: 'happy', attempts: 3 });
    expect(attempts).to.deep.equal([1, 2, 3]);
  });

  it('waits before the first attempt too, and longer before each further one', async () => {
    const began = Date.now();
    const times: number[] = [];
    await outcomeOf(
      chainOf().run({
        source: 'infer',
        failure: crashed,
        attempt: () => {
          times.push(Date.now() - began);
          return Promise.reject(crashed);
        },
        answer: () => 'sad',
      }),
    );
    // half of 0.5, 1 and 2 s, on a clock that moves by 200 ms
    expect(times).to.have.length(3);
    expect(times[0]).to.be.within(250, 450);
    expect((times[1] ?? NaN) - (times[0] ?? NaN)).to.be.within(400, 700);
    expect((times[2] ?? NaN) - (times[1] ?? NaN)).to.be.within(800, 1200);
  });

  it('answers by the fallback after three attempts, with the reason', async () => {
    const outcome = await outcomeOf(
      chainOf().run({
        source: 'infer',
        failure: crashed,
        attempt: () => Promise.reject(new EmotionError('engine.timeout', 'slow')),
        answer: (fallback) =>
          logisticResult({
            modality: 'text',
            model: 'fallback-text',
            scores: { happy: 0.8, sad: 0.2 },
            fallback,
            source: { text: 'yes' },
            latencyMs: 0.2,
            threshold: 0.9,
          }),
      }),
    );
    expect(outcome).to.deep.equal({
      kind: 'fallback',
      reason: 'engine.timeout',
      attempts: 3,
      value: {
        modality: 'text',
        label: 'happy',
        score: 0.8,
        scores: { happy: 0.8, sad: 0.2 },
        model: 'fallback-text',
        runtime: 'logistic',
        cached: false,
        latencyMs: 0.2,
        uncertain: true,
        fallback: { reason: 'engine.timeout', attempts: 3 },
        source: { text: 'yes' },
      },
    });
  });

  it('does not send again what cannot succeed', async () => {
    const outcome = await outcomeOf(
      chainOf().run({
        source: 'infer',
        failure: wrongType,
        attempt: () => Promise.reject(new Error('must not be called')),
        answer: ({ reason, attempts }) => `${reason} ${attempts}`,
      }),
      1,
    );
    expect(outcome).to.include({ kind: 'fallback', value: 'input.wrong-type 0' });
  });

  it('understands a failure as a Catch node describes it', async () => {
    const outcome = await outcomeOf(
      chainOf().run({
        source: 'infer',
        failure: { message: 'No', code: 'model.hash-mismatch', source: { id: 'n1' } },
        attempt: () => Promise.reject(new Error('must not be called')),
        answer: ({ reason }) => reason,
      }),
      1,
    );
    expect(outcome).to.include({ value: 'model.hash-mismatch', attempts: 0 });
  });

  it('ends an attempt that never answers and tells it so', async () => {
    const signals: AbortSignal[] = [];
    const outcome = await outcomeOf(
      chainOf().run({
        source: 'infer',
        failure: crashed,
        attempt: (_, signal) => {
          signals.push(signal);
          return new Promise<never>(() => undefined);
        },
        answer: ({ reason }) => reason,
      }),
    );
    expect(outcome).to.include({ value: 'engine.timeout', attempts: 3 });
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, true, true]);
  });

  it('throws one error with everything that happened when nothing answers', async () => {
    const missing = new EmotionError('model.file-missing', 'no model');
    const second = new EmotionError('engine.timeout', 'slow');
    const error = await outcomeOf(
      chainOf().run({
        source: 'infer',
        failure: crashed,
        attempt: (attempt) => Promise.reject(attempt === 2 ? second : crashed),
        answer: () => Promise.reject(missing),
      }),
    );
    expect(error).to.be.instanceOf(EmotionError);
    expect(error).to.have.property('code', 'fallback.exhausted');
    const { cause, message } = error as EmotionError;
    expect(cause).to.be.instanceOf(AggregateError);
    expect((cause as AggregateError).errors).to.deep.equal([
      crashed,
      crashed,
      second,
      crashed,
      missing,
    ]);
    expect(message).to.contain('after 3 attempts: engine.crashed; engine.crashed; engine.timeout');
    expect(message).to.contain('model.file-missing');
  });

  it('throws that error too where there is no fallback', async () => {
    const error = await outcomeOf(
      chainOf().run({
        source: 'infer',
        failure: wrongType,
        attempt: () => Promise.reject(crashed),
      }),
    );
    expect(error).to.have.property('code', 'fallback.exhausted');
  });

  it('sends nothing to a source whose circuit is open, and probes it later', async () => {
    const breakers = new CircuitBreakers({ threshold: 4, halfOpenAfterMs: 60_000 });
    const chain = chainOf(breakers);
    let sent = 0;
    let broken = true;
    const send = (passMs?: number): Promise<unknown> =>
      outcomeOf(
        chain.run({
          source: 'infer',
          failure: crashed,
          attempt: () => {
            sent += 1;
            return broken ? Promise.reject(crashed) : Promise.resolve('back');
          },
          answer: ({ reason }) => reason,
        }),
        passMs,
      );
    // The failure that came in and three attempts make four.
    expect(await send()).to.include({ value: 'engine.crashed', attempts: 3 });
    expect(breakers.of('infer').phase).to.equal('open');
    expect(await send(1)).to.include({ value: 'circuit-open', attempts: 0 });
    expect(sent).to.equal(3);

    await time.pass(60_000);
    expect(await send()).to.include({ value: 'engine.crashed', attempts: 1 });
    expect(breakers.of('infer').phase).to.equal('open');

    await time.pass(60_000);
    broken = false;
    expect(await send()).to.include({ kind: 'recovered', value: 'back', attempts: 1 });
    expect(breakers.of('infer').phase).to.equal('closed');
  });

  it('lets one message probe while the others are answered at once', async () => {
    const breakers = new CircuitBreakers({ threshold: 1, halfOpenAfterMs: 1000 });
    const chain = chainOf(breakers);
    await breakers.of('infer').recordFailure(crashed);
    await time.pass(1000);
    let sent = 0;
    const all = Array.from({ length: 20 }, () =>
      chain.run({
        source: 'infer',
        failure: crashed,
        attempt: () => {
          sent += 1;
          return new Promise<string>((resolve) => setTimeout(resolve, 2000, 'back'));
        },
        answer: ({ reason }) => reason,
      }),
    );
    const outcomes = (await outcomeOf(Promise.all(all))) as FallbackOutcome<string, string>[];
    expect(sent).to.equal(1);
    expect(outcomes.filter(({ kind }) => kind === 'recovered')).to.have.length(1);
    expect(outcomes.filter(({ value }) => value === 'circuit-open')).to.have.length(19);
  });

  it('answers at once when it is stopped, and does not blame the source', async () => {
    // Three messages fail before they come here; the stopped attempt must not be the fourth failure.
    const breakers = new CircuitBreakers({ threshold: 4 });
    const stop = new AbortController();
    const signals: AbortSignal[] = [];
    const run = (): Promise<FallbackOutcome<string, string>> =>
      chainOf(breakers).run({
        source: 'infer',
        failure: crashed,
        attempt: (_, signal) => {
          signals.push(signal);
          return new Promise<string>(() => undefined);
        },
        answer: ({ reason }) => reason,
        signal: stop.signal,
      });
    const running = run();
    await time.pass(1000);
    expect(signals).to.have.length(1);
    const waiting = run();
    await time.pass(1);
    stop.abort();
    const late = run();
    for (const outcome of [running, waiting, late]) {
      expect(await outcome).to.include({ kind: 'fallback', value: 'stopped' });
    }
    await time.pass(20_000);
    expect(signals).to.have.length(1);
    expect(signals[0]?.aborted).to.equal(true);
    expect(breakers.of('infer').phase).to.equal('closed');
  });

  it('gives every one of many messages exactly one outcome, whatever the source does', async () => {
    const behaviour = fc.record({
      attempts: fc.array(fc.constantFrom('ok', 'crash', 'hang', 'bad', 'throw'), {
        minLength: 3,
        maxLength: 3,
      }),
      first: fc.constantFrom<unknown>(crashed, wrongType, new Error('boom'), undefined, 'text'),
      answers: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(behaviour, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        async (messages, threshold) => {
          const chain = chainOf(new CircuitBreakers({ threshold, halfOpenAfterMs: 700 }));
          let settled = 0;
          let answered = 0;
          const runs = messages.map(async ({ attempts, first, answers }) => {
            const outcome = await chain
              .run({
                source: 'infer',
                failure: first,
                attempt: (attempt): Promise<string> => {
                  const does = attempts[attempt - 1];
                  if (does === 'throw') throw new Error('at once');
                  if (does === 'hang') return new Promise(() => undefined);
                  if (does === 'ok') return Promise.resolve('ok');
                  return Promise.reject(does === 'bad' ? wrongType : crashed);
                },
                answer: () => {
                  answered += 1;
                  if (!answers) throw new Error('no model');
                  return 'fallback';
                },
              })
              .catch((error: EmotionError) => error);
            settled += 1;
            return outcome;
          });
          await time.pass(60_000);
          expect(settled).to.equal(messages.length);
          const outcomes = await Promise.all(runs);
          const recovered = outcomes.filter((o) => 'kind' in o && o.kind === 'recovered').length;
          expect(answered).to.equal(messages.length - recovered);
          outcomes.forEach((outcome, i) => {
            if (outcome instanceof EmotionError) {
              expect(outcome.code).to.equal('fallback.exhausted');
              expect(messages[i]?.answers).to.equal(false);
            } else if (outcome.kind === 'fallback') {
              expect(messages[i]?.answers).to.equal(true);
            }
          });
        },
      ),
      { numRuns: 15 },
    );
  });
});
