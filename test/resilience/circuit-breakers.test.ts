import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { CircuitOpenError } from '../../lib/resilience/circuit-breaker';
import { CircuitBreakers } from '../../lib/resilience/circuit-breakers';
import { mockTime } from './mock-time';

const crash = (): Promise<never> => Promise.reject(new EmotionError('engine.crashed', 'gone'));
const badInput = (): Promise<never> => Promise.reject(new EmotionError('input.wrong-type', 'no'));
const fine = (): Promise<string> => Promise.resolve('fine');

describe('circuit breakers', () => {
  let time: ReturnType<typeof mockTime>;
  beforeEach(() => {
    time = mockTime();
  });
  afterEach(() => time.restore());

  const options = { threshold: 3, halfOpenAfterMs: 10_000 };

  async function fail(breakers: CircuitBreakers, times: number, source = 'infer'): Promise<void> {
    for (let i = 0; i < times; i++) {
      await breakers
        .of(source)
        .execute(crash)
        .catch(() => undefined);
    }
  }

  async function outcome(promise: Promise<unknown>): Promise<unknown> {
    return promise.catch((error: unknown) => error);
  }

  it('open after so many failures in a row, each source for itself', async () => {
    const changes: string[] = [];
    const breakers = new CircuitBreakers({
      ...options,
      onChange: (source, phase) => changes.push(`${source} ${phase}`),
    });
    await fail(breakers, 2);
    expect(await breakers.of('infer').execute(fine)).to.equal('fine');
    await fail(breakers, 2);
    expect(breakers.of('infer').phase).to.equal('closed');
    await fail(breakers, 1);
    expect(breakers.of('infer').phase).to.equal('open');
    expect(await outcome(breakers.of('infer').execute(fine))).to.be.instanceOf(CircuitOpenError);
    expect(await breakers.of('another').execute(fine)).to.equal('fine');
    expect(changes).to.deep.equal(['infer open']);
  });

  it('let one probe through after a while; its success closes the circuit', async () => {
    const breakers = new CircuitBreakers(options);
    await fail(breakers, 3);
    await time.pass(9_999);
    expect(breakers.of('infer').admits).to.equal(false);
    await time.pass(1);
    expect(breakers.of('infer').admits).to.equal(true);

    let answer: (text: string) => void = () => undefined;
    const probe = breakers
      .of('infer')
      .execute(() => new Promise<string>((done) => (answer = done)));
    expect(breakers.of('infer').phase).to.equal('half-open');
    // Nobody waits for the probe.
    expect(await outcome(breakers.of('infer').execute(fine))).to.be.instanceOf(CircuitOpenError);
    answer('back');
    expect(await probe).to.equal('back');
    expect(breakers.of('infer').phase).to.equal('closed');
  });

  it('open again when the probe fails', async () => {
    const breakers = new CircuitBreakers(options);
    await fail(breakers, 3);
    await time.pass(10_000);
    await fail(breakers, 1);
    expect(breakers.of('infer').phase).to.equal('open');
    await time.pass(9_999);
    expect(breakers.of('infer').admits).to.equal(false);
  });

  it('do not count what was wrong with the input', async () => {
    const breakers = new CircuitBreakers(options);
    for (let i = 0; i < 10; i++) await outcome(breakers.of('infer').execute(badInput));
    expect(breakers.of('infer').phase).to.equal('closed');
    expect(breakers.of('infer').toJSON()).to.deep.equal({ failures: 0 });
  });

  it('survive a restart, also in the middle of a probe', async () => {
    const before = new CircuitBreakers(options);
    await fail(before, 3);
    await fail(before, 2, 'shaky');
    await before.of('good').execute(fine);
    const saved: unknown = JSON.parse(JSON.stringify(before));
    expect(saved).to.deep.equal({
      version: 1,
      sources: { infer: { failures: 3, openedAt: Date.now() }, shaky: { failures: 2 } },
    });

    await time.pass(6_000);
    const after = new CircuitBreakers(options, saved);
    expect(after.of('infer').phase).to.equal('open');
    expect(await outcome(after.of('infer').execute(fine))).to.be.instanceOf(CircuitOpenError);
    await fail(after, 1, 'shaky');
    expect(after.of('shaky').phase).to.equal('open');
    await time.pass(4_000);
    expect(after.of('infer').admits).to.equal(true);

    void after.of('infer').execute(() => new Promise(() => undefined));
    const again = new CircuitBreakers(options, JSON.parse(JSON.stringify(after)));
    expect(await again.of('infer').execute(fine)).to.equal('fine');
    expect(again.of('infer').phase).to.equal('closed');
  });

  it('do not stay open for years when the clock is set back', async () => {
    const breakers = new CircuitBreakers(options);
    await fail(breakers, 3);
    const saved: unknown = JSON.parse(JSON.stringify(breakers));
    time.restore();
    time = mockTime(1_000_000);
    for (const circuits of [breakers, new CircuitBreakers(options, saved)]) {
      expect(circuits.of('infer').admits).to.equal(false);
    }
    await time.pass(10_000);
    expect(breakers.of('infer').admits).to.equal(true);
    expect(await breakers.of('infer').execute(fine)).to.equal('fine');
  });

  it('ignore a saved state that is none', async () => {
    const junk: unknown[] = [
      undefined,
      null,
      'x',
      [],
      { version: 2, sources: { a: { failures: 9, openedAt: 1 } } },
      { version: 1, sources: [] },
      { version: 1, sources: { a: null, b: { failures: -1 }, c: { failures: NaN }, d: {} } },
      { version: 1, sources: { a: { failures: 1e99 }, b: { failures: 3, openedAt: 'x' } } },
      JSON.parse('{"version":1,"sources":{"__proto__":{"failures":"x"}}}'),
    ];
    for (const saved of junk) {
      const breakers = new CircuitBreakers(options, saved);
      expect(breakers.size).to.equal(0);
      expect(await breakers.of('a').execute(fine)).to.equal('fine');
    }
  });

  it('are bounded in number', () => {
    const breakers = new CircuitBreakers({ ...options, maxSources: 10 });
    for (let i = 0; i < 100; i++) breakers.of(`source ${i}`);
    expect(breakers.size).to.equal(10);
  });
});
