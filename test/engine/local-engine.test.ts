import { getEventListeners } from 'node:events';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import type { TextSample } from '../../lib/emotion/sample';
import type { EngineOutput, EngineState, LocalEngineOptions } from '../../lib/engine/engine';
import { interpret } from '../../lib/engine/interpret';
import { LocalEngine } from '../../lib/engine/local-engine';
import { loadModel, type InstalledModel } from '../../lib/models/model';
import { FIXTURES, fixture, idsSample, POISON, textSample } from './samples';

/** The one error of a promise that must be rejected. */
async function rejection(promise: Promise<unknown>): Promise<EmotionError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error, 'it was not rejected').to.be.instanceOf(EmotionError);
  return error as EmotionError;
}

/** Writes another graph of the folder into its `model.yaml`. */
async function chooseGraph(folder: string, name: string): Promise<void> {
  const yaml = join(folder, 'model.yaml');
  const lines = (await readFile(yaml, 'utf8')).split('\n');
  const line = lines.findIndex((one) => one.startsWith('  fp32:'));
  const graph = await readFile(join(folder, name));
  const sha256 = createHash('sha256').update(graph).digest('hex');
  lines[line] = `  fp32: { path: ${name}, sha256: ${sha256}, bytes: ${graph.length} }`;
  await writeFile(yaml, lines.join('\n'));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean, withinMs = 20_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${String(condition)}`);
    await sleep(2);
  }
}

const logits = ({ rows }: EngineOutput, row = 0) =>
  Array.from(rows[row]!.outputs['logits']!.data as Float32Array);

describe('LocalEngine', function () {
  this.timeout(120_000);

  let tiny: InstalledModel;
  let slow: InstalledModel;
  const open: LocalEngine[] = [];

  before(async () => {
    tiny = await fixture('tiny-text');
    slow = await fixture('slow-text');
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((engine) => engine.close()));
  });

  function start(
    model: InstalledModel,
    options: Partial<LocalEngineOptions> = {},
    processFile?: string,
  ): LocalEngine {
    const file = processFile && join(__dirname, `${processFile}.js`);
    const engine = new LocalEngine(model, options, file);
    open.push(engine);
    return engine;
  }

  /** Loaded, with a text "slow" that keeps the process busy for about half a second. */
  async function startBusy(options: Partial<LocalEngineOptions> = {}) {
    const engine = start(slow, { maxBatch: 1, ...options });
    await engine.ready();
    const running = engine.infer(textSample('slow slow', slow), { policyKey: 'first' });
    running.catch(() => {});
    await until(() => engine.status.running > 0);
    return { engine, running };
  }

  describe('answers', () => {
    it('are what the graph gives, a row for a row', async () => {
      const engine = start(tiny);
      const sample = textSample(['i am happy', 'so sad , very sad', 'wow !'], tiny);
      const result = interpret(sample, await engine.infer(sample), tiny.manifest);
      expect(result.segments!.map(({ label }) => label)).to.deep.equal([
        'happy',
        'sad',
        'surprise',
      ]);
      expect(result.runtime).to.equal('onnxruntime');
      const words = result.segments![0]!.tokens!;
      expect(words.map(({ text }) => text)).to.deep.equal(['i', 'am', 'happy']);
      // Attention scores are 0, 0 and 4 before softmax: exp(4) / (2 + exp(4)) of the words.
      expect(words[2]!.weight).to.be.closeTo(Math.exp(4) / (2 + Math.exp(4)), 1e-5);
    });

    it('do not depend on what else was in the batch', async () => {
      const encoder = await fixture('bench-encoder');
      const rows = Array.from({ length: 60 }, (_, row) =>
        Array.from({ length: 3 + ((row * 37) % 50) }, (_, column) => 4 + ((row + column) % 40)),
      );
      const alone = start(encoder, { maxBatch: 1, cacheEntries: 0 });
      const together = start(encoder, { maxBatch: 16, cacheEntries: 0 });
      const samples = rows.map((ids) => idsSample([ids], encoder));
      const expected = await Promise.all(samples.map((sample) => alone.infer(sample)));
      const got = await Promise.all(samples.map((sample) => together.infer(sample)));
      got.forEach((output, row) => {
        const attention = output.rows[0]!.outputs['attention']!;
        expect(attention.dims).to.deep.equal([1, rows[row]!.length]);
        logits(output).forEach((logit, label) =>
          expect(logit).to.be.closeTo(logits(expected[row]!)[label]!, 1e-3),
        );
      });
    });

    it('share no batch with rows of another length where filling would be taken for content', async () => {
      const conv = await fixture('tiny-conv');
      const happy = 8;
      const withPadding = (padding: number | null): InstalledModel => ({
        ...conv,
        manifest: {
          ...conv.manifest,
          inputs: { input_ids: { ...conv.manifest.inputs['input_ids']!, padding } },
        },
      });
      const sample = textSample(['sad', 'the table is the table'], conv);
      const filled = await start(withPadding(happy)).infer(sample);
      const unfilled = await start(withPadding(null)).infer(sample);
      expect(logits(filled)[1], 'joy, from the filling').to.equal(6);
      expect(logits(unfilled)[1]).to.equal(0);
    });

    it('keep the order of a call of many rows', async () => {
      const engine = start(tiny);
      const words = ['happy', 'sad', 'angry', 'fear', 'disgust', 'surprise'];
      const texts = Array.from({ length: 1_000 }, (_, row) =>
        [...new Array<string>(row % 13).fill('the'), words[row % 6]].join(' '),
      );
      const sample = textSample(texts, tiny);
      const { segments } = interpret(sample, await engine.infer(sample), tiny.manifest);
      expect(segments!.map(({ label }) => label)).to.deep.equal(
        texts.map((_, row) => words[row % 6]),
      );
    });

    it('are empty for a sample with nothing to infer, without a process', async () => {
      const engine = start(tiny);
      const sample: TextSample = {
        ...textSample('x', tiny),
        tensors: {},
        segments: [],
        reason: 'empty-text',
      };
      expect((await engine.infer(sample)).rows).to.deep.equal([]);
      expect(engine.status).to.include({ state: 'stopped' });
      expect(engine.status).not.to.have.property('pid');
    });

    it('come from WebAssembly, alike, where there is no native build', async () => {
      const encoder = await fixture('bench-encoder');
      const web = start(encoder, {}, 'no-native-process');
      const sample = idsSample(
        [
          [2, 9, 30, 17, 3],
          [2, 40, 3],
        ],
        encoder,
      );
      const got = await web.infer(sample);
      expect(got.runtime).to.equal('onnxruntime-web');
      expect(web.passedOver).to.contain("Cannot find module 'onnxruntime_binding'");
      const expected = await start(encoder).infer(sample);
      for (const row of [0, 1]) {
        logits(got, row).forEach((logit, label) =>
          expect(logit).to.be.closeTo(logits(expected, row)[label]!, 1e-3),
        );
      }
    });

    it('change with the architecture: one line of YAML, or another id', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'emotion-switch-'));
      try {
        await cp(join(FIXTURES, 'tiny-text'), folder, { recursive: true });
        const text = 'the the the the happy';
        const score = async (model: InstalledModel) => {
          const sample = textSample(text, model);
          return interpret(sample, await start(model).infer(sample), model.manifest).scores.happy!;
        };
        const attention = await score(await loadModel(folder));

        await chooseGraph(folder, 'mean.onnx');
        // Attention looks at the one word that says something; the mean spreads it over seven.
        expect(attention).to.be.greaterThan(0.5);
        expect(await score(await loadModel(folder))).to.be.lessThan(0.25);

        const conv = await fixture('tiny-conv');
        const sample = textSample('happy', conv);
        const result = interpret(sample, await start(conv).infer(sample), conv.manifest);
        expect(result.label).to.equal('happy');
        expect(result.scores).to.have.all.keys('neutral', 'happy', 'sad', 'angry');
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    it('are as sure as the graph’s own temperature of the text lets them be, with the same label', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'emotion-calibrated-'));
      try {
        await cp(join(FIXTURES, 'tiny-text'), folder, { recursive: true });
        const texts = ['happy', 'sad', 'so happy !', 'very sad , not happy', 'table', 'wow rage'];
        const results = async () => {
          const model = await loadModel(folder);
          const engine = start(model);
          return Promise.all(
            texts.map(async (text) => {
              const sample = textSample(text, model);
              return interpret(sample, await engine.infer(sample), model.manifest);
            }),
          );
        };
        const before = await results();
        await chooseGraph(folder, 'calibrated.onnx');
        const after = await results();

        expect(after.map(({ label }) => label)).to.deep.equal(before.map(({ label }) => label));
        for (const { scores } of after) {
          const sum = Object.values(scores).reduce((total, score) => total + score, 0);
          expect(sum).to.be.closeTo(1, 1e-9);
        }
        // The fixture's temperature is 4 for a happy text, 1 for a sad one.
        expect(after[0]!.score).to.be.below(before[0]!.score - 0.1);
        expect(after[1]!.score).to.be.closeTo(before[1]!.score, 1e-5);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });

  describe('cache', () => {
    it('answers the same row again in less than 0.3 ms', async () => {
      const engine = start(tiny);
      const sample = () => textSample('i am very , very happy , and not sad .', tiny);
      const first = await engine.infer(sample());
      expect(first.rows[0]!.cached).to.equal(false);
      const times: number[] = [];
      for (let round = 0; round < 101; round += 1) {
        const again = await engine.infer(sample());
        expect(again.rows[0]!.cached).to.equal(true);
        expect(logits(again)).to.deep.equal(logits(first));
        times.push(again.latencyMs);
      }
      expect(times.sort((a, b) => a - b)[50]).to.be.lessThan(0.3);
    });

    it('knows a row whatever was beside it', async () => {
      const engine = start(tiny);
      await engine.infer(textSample(['happy', 'a very very long sad text'], tiny));
      const { rows } = await engine.infer(textSample(['wow', 'happy'], tiny));
      expect(rows.map(({ cached }) => cached)).to.deep.equal([false, true]);
    });

    it('holds as many rows as it is told, the last used', async () => {
      const engine = start(tiny, { cacheEntries: 2 });
      const cached = async (text: string) =>
        (await engine.infer(textSample(text, tiny))).rows[0]!.cached;
      for (const text of ['happy', 'sad', 'happy', 'angry']) await cached(text);
      expect(engine.status.cached).to.equal(2);
      expect(await cached('happy')).to.equal(true);
      expect(await cached('sad')).to.equal(false);
    });

    it('can be turned off and emptied', async () => {
      const off = start(tiny, { cacheEntries: 0 });
      const engine = start(tiny);
      for (const one of [off, engine]) await one.infer(textSample('happy', tiny));
      engine.reset();
      for (const one of [off, engine]) {
        const { rows } = await one.infer(textSample('happy', tiny));
        expect(rows[0]!.cached).to.equal(false);
      }
    });

    it('runs equal rows that meet only once', async () => {
      const engine = start(tiny);
      await engine.ready();
      const outputs = await Promise.all(
        Array.from({ length: 50 }, () => engine.infer(textSample('so happy', tiny))),
      );
      const [first] = outputs;
      for (const { rows } of outputs) {
        expect(rows[0]!.outputs).to.equal(first!.rows[0]!.outputs);
        expect(rows[0]!.cached).to.equal(false);
      }
      expect(engine.status.cached).to.equal(1);
    });
  });

  describe('queue', () => {
    it('holds as many calls as it may and refuses the next', async () => {
      const { engine } = await startBusy({ queueLimit: 3 });
      const call = (text: string) => engine.infer(textSample(text, slow));
      const pipelined = call('happy');
      await until(() => engine.status.waiting === 0);
      const waiting = ['sad', 'angry', 'fear'].map(call);
      expect(engine.status.waiting).to.equal(3);
      const { code, status, message } = await rejection(call('wow'));
      expect(code).to.equal('queue.full');
      expect(status).to.equal(429);
      expect(message).to.contain('limit is 3');
      await Promise.all([pipelined, ...waiting]);
      expect(engine.status).to.include({ waiting: 0, running: 0 });
    });

    it('counts each key for itself, and a limit can be given with the call', async () => {
      const { engine } = await startBusy({ queueLimit: 100 });
      const call = (text: string, policyKey: string) =>
        engine.infer(textSample(text, slow), { policyKey, queueLimit: 1 });
      const second = call('happy', 'x');
      await until(() => engine.status.waiting === 0);
      const a = call('sad', 'a');
      const b = call('angry', 'b');
      expect((await rejection(call('fear', 'a'))).code).to.equal('queue.full');
      await Promise.all([second, a, b]);
    });

    it('keeps the newest of each key with the policy latest', async () => {
      const { engine, running } = await startBusy({ policy: 'latest' });
      const call = (text: string, policyKey: string) =>
        engine.infer(textSample(text, slow), { policyKey });
      const pipelined = call('happy', 'other');
      await until(() => engine.status.waiting === 0);
      const old = call('sad', 'camera 1');
      const others = call('angry', 'camera 2');
      const newer = call('fear', 'camera 1');
      expect((await rejection(old)).code).to.equal('queue.superseded');
      await Promise.all([running, pipelined, others, newer]);
    });

    it('refuses whatever would wait with the policy reject', async () => {
      const { engine, running } = await startBusy({ policy: 'reject' });
      expect((await rejection(engine.infer(textSample('happy', slow)))).code).to.equal(
        'queue.full',
      );
      await running;
      await engine.infer(textSample('happy', slow));
    });

    it('answers from the cache even when it is full', async () => {
      const engine = start(slow, { maxBatch: 1, policy: 'reject' });
      await engine.infer(textSample('happy', slow));
      const running = engine.infer(textSample('slow', slow));
      const { rows } = await engine.infer(textSample('happy', slow));
      expect(rows[0]!.cached).to.equal(true);
      await running;
    });

    it('lets a call that is aborted go at once, and its rows never run', async () => {
      const { engine, running } = await startBusy();
      const pipelined = engine.infer(textSample('happy', slow));
      await until(() => engine.status.waiting === 0);
      const abort = new AbortController();
      const aborted = engine.infer(textSample('sad', slow), { signal: abort.signal });
      const reason = new Error('no longer wanted');
      abort.abort(reason);
      expect(await aborted.catch((error: unknown) => error)).to.equal(reason);
      expect(engine.status.waiting).to.equal(0);
      await Promise.all([running, pipelined]);
      expect(engine.status.cached).to.equal(2);
    });

    it('gives up all calls of a signal, with one listener on it, and no others', async () => {
      const { engine, running } = await startBusy();
      const pipelined = engine.infer(textSample('happy', slow));
      await until(() => engine.status.waiting === 0);
      const abort = new AbortController();
      const given = ['sad', 'angry', 'afraid'].map((text) =>
        rejection(engine.infer(textSample(text, slow), { signal: abort.signal })),
      );
      const other = engine.infer(textSample('wow', slow), { signal: new AbortController().signal });
      expect(getEventListeners(abort.signal, 'abort')).to.have.length(1);
      const reason = new EmotionError('queue.reset', 'no longer wanted');
      abort.abort(reason);
      expect(await Promise.all(given)).to.deep.equal([reason, reason, reason]);
      expect((await other).rows).to.have.length(1);
      await Promise.all([running, pipelined]);
    });

    it('leaves no listener on a signal', async () => {
      const engine = start(tiny);
      const { signal } = new AbortController();
      await Promise.all(
        ['happy', 'sad', 'happy'].map((text) => engine.infer(textSample(text, tiny), { signal })),
      );
      expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
      const before = AbortSignal.abort(new Error('before'));
      const error: unknown = await engine
        .infer(textSample('sad', tiny), { signal: before })
        .catch((reason: unknown) => reason);
      expect(error).to.have.property('message', 'before');
    });

    it('keeps a row that another call still wants', async () => {
      const { engine } = await startBusy();
      const pipelined = engine.infer(textSample('happy', slow));
      await until(() => engine.status.waiting === 0);
      const abort = new AbortController();
      const aborted = engine.infer(textSample('sad', slow), { signal: abort.signal });
      const wanted = engine.infer(textSample('sad', slow));
      abort.abort(new Error('no longer wanted'));
      await aborted.catch(() => {});
      expect((await wanted).rows).to.have.length(1);
      await pipelined;
    });

    it('is emptied for one key, or for all, by a reset; what runs is answered', async () => {
      const { engine, running } = await startBusy();
      const pipelined = engine.infer(textSample('happy', slow));
      await until(() => engine.status.waiting === 0);
      const a = rejection(engine.infer(textSample('sad', slow), { policyKey: 'a' }));
      const b = rejection(engine.infer(textSample('angry', slow), { policyKey: 'b' }));
      engine.reset('a');
      expect((await a).code).to.equal('queue.reset');
      expect(engine.status.waiting).to.equal(1);
      engine.reset();
      expect((await b).code).to.equal('queue.reset');
      await Promise.all([running, pipelined]);
    });

    it('waits for company only as long as it is told', async () => {
      const engine = start(tiny, { maxWaitMs: 1_000, maxBatch: 2, cacheEntries: 0 });
      await engine.ready();
      const one = await engine.infer(textSample('happy', tiny));
      expect(one.latencyMs).to.be.at.least(990);
      const first = engine.infer(textSample('happy', tiny));
      await sleep(20);
      const second = engine.infer(textSample('sad', tiny));
      expect((await first).latencyMs).to.be.lessThan(900);
      await second;
    });
  });

  it('lets the process of its caller go first', async () => {
    const engine = start(tiny);
    await engine.ready();
    // Larger is nicer; 19 is the nicest.
    if (getPriority() < 19) expect(getPriority(engine.status.pid)).to.be.above(getPriority());
    else expect(getPriority(engine.status.pid)).to.equal(19);
  });

  describe('time-out', () => {
    it('fails the batch, and what else was sent runs in a new process', async () => {
      const engine = start(slow, { maxBatch: 1, timeoutMs: 1_000 });
      await engine.ready();
      const { pid } = engine.status;
      const from = performance.now();
      const stuck = rejection(engine.infer(textSample('slow '.repeat(100), slow)));
      const behind = [
        engine.infer(textSample('happy', slow)),
        engine.infer(textSample('sad', slow)),
      ];
      const { code, status, details } = await stuck;
      expect(code).to.equal('engine.timeout');
      expect(status).to.equal(504);
      expect(details).to.deep.equal({ model: 'slow-text', timeoutMs: 1_000 });
      expect(performance.now() - from).to.be.at.least(990);
      const answers = await Promise.all(behind);
      expect(logits(answers[0]!)[1]).to.equal(4);
      expect(logits(answers[1]!)[2]).to.equal(4);
      expect(engine.status.pid).not.to.equal(pid);
      expect(isAlive(pid!)).to.equal(false);
    });

    it('does not hold against the process that the event loop was blocked', async () => {
      const engine = start(tiny, { timeoutMs: 400 });
      await engine.ready();
      const answer = engine.infer(textSample('happy', tiny));
      setImmediate(() => {
        const end = performance.now() + 1_200;
        while (performance.now() < end);
      });
      await answer;
      expect(engine.status.restarts).to.equal(0);
    });

    it('does not count the time in the queue', async () => {
      const engine = start(slow, { maxBatch: 1, timeoutMs: 5_000 });
      await engine.ready();
      await Promise.all(
        [1, 2, 3, 4, 5].map((n) => engine.infer(textSample(`slow ${'the '.repeat(n)}`, slow))),
      );
      expect(engine.status.restarts).to.equal(0);
    });
  });

  describe('when the process dies', () => {
    it('answers every call exactly once, though it is killed 20 times under load', async () => {
      const engine = start(tiny, { cacheEntries: 0, maxBatch: 8 });
      const words = ['happy', 'sad', 'angry', 'fear', 'disgust', 'surprise'];
      const total = 2_000;
      const kills = 20;
      const answers = new Array<number>(total).fill(0);
      const crashed: number[] = [];
      const killed = new Set<number>();
      let next = 0;
      let settled = 0;

      const killWhenDue = (): void => {
        const { pid, running } = engine.status;
        const due = settled >= (killed.size + 1) * (total / (kills + 2)) && killed.size < kills;
        if (!due || running === 0 || pid === undefined || killed.has(pid)) return;
        process.kill(pid, 'SIGKILL');
        killed.add(pid);
      };
      const send = async (): Promise<void> => {
        for (let n = next++; n < total; n = next++) {
          const texts = `${'the '.repeat(n % 30)}${words[n % 6]}`;
          const sample = textSample(texts, tiny);
          try {
            const { label } = interpret(sample, await engine.infer(sample), tiny.manifest);
            expect(label).to.equal(words[n % 6]);
          } catch (error) {
            expect(error).to.have.property('code', 'engine.crashed');
            crashed.push(n);
          }
          answers[n]! += 1;
          settled += 1;
          killWhenDue();
        }
      };
      await Promise.all(Array.from({ length: 64 }, send));

      expect(killed.size).to.equal(kills);
      expect(answers.every((count) => count === 1)).to.equal(true);
      expect(crashed.length).to.be.lessThan(kills * 8);
      expect(engine.status).to.include({ state: 'ready', restarts: kills, running: 0, waiting: 0 });
    });

    it('fails the one input that kills it, and no other', async () => {
      const engine = start(tiny, { maxBatch: 16 }, 'poison-process');
      await engine.ready();
      const good = Array.from({ length: 40 }, (_, n) => [2, 4 + n, 8, 3]);
      const rows = [...good.slice(0, 7), [2, Number(POISON), 3], ...good.slice(7)];
      const outcomes = await Promise.allSettled(
        rows.map((ids) => engine.infer(idsSample([ids], tiny))),
      );
      const failed = outcomes.flatMap((one, row) => (one.status === 'rejected' ? [row] : []));
      expect(failed).to.deep.equal([7]);
      const reason = (outcomes[7] as PromiseRejectedResult).reason as EmotionError;
      expect(reason.code).to.equal('engine.crashed');
      expect(reason.message).to.contain('SIGKILL');
      expect(engine.status.restarts).to.equal(2);
    });

    it('starts again by itself, so the next call finds it ready', async () => {
      const engine = start(tiny);
      const states: EngineState[] = [];
      engine.on('status', ({ state }) => states.push(state));
      await engine.ready();
      process.kill(engine.status.pid!, 'SIGKILL');
      await until(() => engine.status.state === 'restarting');
      expect(engine.status.error).to.have.property('code', 'engine.crashed');
      await until(() => engine.status.state === 'ready');
      expect(engine.status).not.to.have.property('error');
      expect(states).to.deep.equal(['starting', 'ready', 'restarting', 'ready']);
      await engine.infer(textSample('happy', tiny));
    });

    it('says what it wrote when it cannot even start, after three attempts', async () => {
      const engine = start(tiny, {}, 'dying-process');
      const [ready, call] = await Promise.all([
        rejection(engine.ready()),
        rejection(engine.infer(textSample('happy', tiny))),
      ]);
      for (const { code, message } of [ready, call]) {
        expect(code).to.equal('model.load-failed');
        expect(message).to.contain('exit code 7: the library is not for this machine');
        expect(message).to.contain('3 times');
      }
      expect(engine.status).to.include({ state: 'failed' });
    });
  });

  describe('when no process can be started', () => {
    it('says so, and works once it can', async () => {
      const { execPath } = process;
      process.execPath = '/nonexistent/node';
      const engine = start(tiny);
      try {
        const { code, message } = await rejection(engine.infer(textSample('happy', tiny)));
        expect(code).to.equal('model.load-failed');
        expect(message).to.contain('ENOENT');
      } finally {
        process.execPath = execPath;
      }
      engine.reset();
      await engine.infer(textSample('happy', tiny));
    });
  });

  describe('a run that fails', () => {
    it('fails the row that ONNX Runtime refuses, and no other', async () => {
      const engine = start(slow);
      await engine.ready();
      const texts = ['happy', 'broken', 'sad', 'angry'];
      const outcomes = await Promise.allSettled(
        texts.map((text) => engine.infer(textSample(text, slow))),
      );
      expect(outcomes.map(({ status }) => status)).to.deep.equal([
        'fulfilled',
        'rejected',
        'fulfilled',
        'fulfilled',
      ]);
      const reason = (outcomes[1] as PromiseRejectedResult).reason as EmotionError;
      expect(reason.code).to.equal('engine.failed');
      expect(reason.message).to.match(/Gather.*out of data bounds/s);
      expect(engine.status.restarts).to.equal(0);
    });
  });

  describe('a model that cannot be loaded', () => {
    it('gives the cause in ONNX Runtime’s words, at once while it rests', async () => {
      const truncated = await fixture('truncated');
      const engine = start(truncated);
      const sample = textSample('happy', truncated);
      const first = await rejection(engine.infer(sample));
      expect(first.code).to.equal('model.load-failed');
      expect(first.message).to.match(/truncated.*[Pp]rotobuf parsing failed/s);
      expect(first.details['file']).to.equal(join(truncated.folder, 'model.onnx'));
      expect(engine.status).to.include({ state: 'failed' });
      expect(await rejection(engine.infer(sample))).to.equal(first);
      expect(engine.status).not.to.have.property('pid');
    });

    it('is tried again after a rest, or at once after a reset', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'emotion-repair-'));
      try {
        await cp(join(FIXTURES, 'tiny-text'), folder, { recursive: true });
        const model = await loadModel(folder);
        const graph = join(folder, 'model.onnx');
        const good = await readFile(graph);
        await writeFile(graph, good.subarray(0, 100));
        const engine = start(model);
        expect((await rejection(engine.ready())).code).to.equal('model.load-failed');
        await writeFile(graph, good);
        expect((await rejection(engine.ready())).code).to.equal('model.load-failed');
        engine.reset();
        await engine.ready();
        await engine.infer(textSample('happy', model));
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    const mismatches: [string, (manifest: InstalledModel['manifest']) => object, string, RegExp][] =
      [
        [
          'input names',
          ({ inputs: { input_ids, ...others } }) => ({ inputs: { ...others, ids: input_ids! } }),
          'inputs',
          /input_ids, attention_mask, the manifest says attention_mask, ids/,
        ],
        [
          'output names',
          ({ outputs }) => ({ outputs: { ...outputs, scores: outputs['logits']! } }),
          'outputs',
          /logits, attention, the manifest says logits, attention, scores/,
        ],
        [
          'input types',
          ({ inputs }) => ({
            inputs: { ...inputs, input_ids: { ...inputs['input_ids']!, type: 'int32' } },
          }),
          'inputs.input_ids.type',
          /int64, the manifest says int32/,
        ],
        [
          'shapes',
          ({ outputs }) => ({
            outputs: { ...outputs, logits: { kind: 'logits', shape: ['batch', 5] } },
          }),
          'outputs.logits.shape',
          /\[batch, 7\], the manifest says \[batch, 5\]/,
        ],
      ];
    for (const [name, change, key, message] of mismatches) {
      it(`names both sides when ${name} differ`, async () => {
        const manifest = { ...tiny.manifest, ...change(tiny.manifest) };
        const error = await rejection(start({ ...tiny, manifest }).ready());
        expect(error.code).to.equal('model.inputs-mismatch');
        expect(error.details['key']).to.equal(key);
        expect(error.message).to.match(message).and.to.contain(join(tiny.folder, 'model.yaml'));
      });
    }

    it('says which runtime it needs', async () => {
      const manifest = { ...tiny.manifest, minimumRuntime: '99.0.0' };
      const error = await rejection(start({ ...tiny, manifest }).ready());
      expect(error.code).to.equal('model.load-failed');
      expect(error.details).to.include({ key: 'minimumRuntime', expected: '99.0.0' });
    });
  });

  describe('close', () => {
    it('rejects what is open and is rid of a busy process within two seconds', async () => {
      const engine = start(slow, { maxBatch: 1 });
      await engine.ready();
      const calls = ['slow '.repeat(30), 'happy', 'sad'].map((text) =>
        rejection(engine.infer(textSample(text, slow))),
      );
      await until(() => engine.status.running > 0);
      const pid = engine.status.pid!;
      const from = performance.now();
      await engine.close();
      expect(performance.now() - from).to.be.lessThan(5_000);
      expect(isAlive(pid)).to.equal(false);
      for (const call of calls) expect((await call).code).to.equal('engine.closed');
      expect((await rejection(engine.infer(textSample('happy', slow)))).code).to.equal(
        'engine.closed',
      );
      expect((await rejection(engine.ready())).code).to.equal('engine.closed');
      expect(engine.status).to.include({ state: 'closed', waiting: 0, running: 0, cached: 0 });
    });

    it('ends a process that is still loading, and one that is about to restart', async () => {
      const loading = start(tiny);
      const ready = rejection(loading.ready());
      await loading.close();
      expect((await ready).code).to.equal('engine.closed');

      const restarting = start(tiny, {}, 'dying-process');
      const dying = rejection(restarting.ready());
      await until(() => restarting.status.state === 'restarting');
      await restarting.close();
      expect((await dying).code).to.equal('engine.closed');
      expect(restarting.status).not.to.have.property('pid');
    });
  });

  describe('the event loop', () => {
    it('is not held up for as long as a run takes', async () => {
      const encoder = await fixture('bench-encoder');
      const engine = start(encoder, { cacheEntries: 0 });
      await engine.ready();
      const rows = Array.from({ length: 64 }, (_, row) =>
        Array.from({ length: 256 }, (_, column) => 4 + ((row + column) % 40)),
      );
      // By the processor's time: on a busy machine the loop may also wait for others to let it run.
      const spent = () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1000;
      };
      let longest = 0;
      let last = spent();
      const probe = setInterval(() => {
        longest = Math.max(longest, spent() - last);
        last = spent();
      }, 1);
      const from = performance.now();
      await Promise.all(rows.map((ids) => engine.infer(idsSample([ids], encoder))));
      const took = performance.now() - from;
      clearInterval(probe);
      expect(longest).to.be.lessThan(took / 5);
    });
  });
});
