import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import type { Engine } from '../../lib/engine/engine';
import type { ImportJob } from '../../lib/flow/import-jobs';
import { ModelAccess, modelAccessOf, type ModelServices } from '../../lib/flow/model-access';
import type { InstalledModel } from '../../lib/models/model';
import type { PrepareOptions } from '../../lib/text/prepare';
import type { AudioPreparation } from '../../lib/workers/audio-pool';

const OPTIONS: PrepareOptions = { language: 'auto', split: 'text', stopWords: 'default' };
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Services whose every part can be made to fail, and that count what is held. */
class Services implements ModelServices {
  resolved = 0;
  version = 1;
  acquired = 0;
  released = 0;
  opened = 0;
  closed = 0;
  resolveError: EmotionError | undefined;
  openError: EmotionError | undefined;
  readonly engine = new EventEmitter();

  readonly registry = {
    resolve: (id: string): Promise<InstalledModel> => {
      this.resolved += 1;
      if (this.resolveError) return Promise.reject(this.resolveError);
      const hash = `${id}/${this.version}`;
      return Promise.resolve({ manifest: { id }, folder: `/${id}`, hash } as InstalledModel);
    },
    list: () => Promise.resolve([{ id: 'one' }, { id: 'two' }] as never),
  };

  readonly engines = {
    acquire: () => {
      this.acquired += 1;
      return {
        engine: this.engine as unknown as Engine,
        release: () => {
          this.released += 1;
          return Promise.resolve();
        },
      };
    },
  };

  readonly faces = {
    open: () => {
      this.opened += 1;
      return {
        draw: () => Promise.resolve(new Uint8Array(0)),
        read: () => Promise.reject(new EmotionError('media.empty', 'no picture')),
        split: () => Promise.reject(new EmotionError('media.empty', 'no film')),
        close: () => {
          this.closed += 1;
          return Promise.resolve();
        },
      };
    },
  };

  readonly texts = {
    open: () => {
      if (this.openError) return Promise.reject(this.openError);
      this.opened += 1;
      return Promise.resolve({
        prepare: () => Promise.resolve([]),
        close: () => {
          this.closed += 1;
          return Promise.resolve();
        },
      });
    },
  };

  readonly sounds = {
    open: () => {
      if (this.openError) return Promise.reject(this.openError);
      this.opened += 1;
      const front = {
        speech: 'energy',
        close: () => {
          this.closed += 1;
          return Promise.resolve();
        },
      };
      return Promise.resolve(front as AudioPreparation);
    },
  };
}

function access(services: Services, reference = 'one', allowOverride = false): ModelAccess {
  return new ModelAccess(services, { reference, engine: {}, allowOverride });
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'fine',
    (error: unknown) => (error as EmotionError).code,
  );
const use = (from: ModelAccess, requested?: unknown) =>
  from.infer(requested, (_engine, { manifest }) => Promise.resolve(manifest.id));
const failing = (from: ModelAccess, code: 'model.load-failed' | 'engine.timeout') =>
  codeOf(from.infer(undefined, () => Promise.reject(new EmotionError(code, code))));

describe('ModelAccess', () => {
  /** What rests does so by this clock, which stands still until it is told to go on. */
  const now = performance.now.bind(performance);
  let time = 0;
  before(() => (performance.now = () => time));
  after(() => (performance.now = now));
  const pass = (ms: number) => {
    time += ms;
    return sleep(0);
  };

  it('reads the model and takes the engine once, when they are first needed', async () => {
    const services = new Services();
    const one = access(services);
    expect([services.resolved, services.acquired]).to.deep.equal([0, 0]);
    await Promise.all([one.model(), one.model(), use(one), use(one)]);
    expect([services.resolved, services.acquired]).to.deep.equal([1, 1]);
  });

  it('gives back everything when it is closed, and nothing is opened after that', async () => {
    const services = new Services();
    const one = access(services, 'one', true);
    await Promise.all([use(one), use(one, 'two'), one.prepareTexts(undefined, ['a'], OPTIONS)]);
    await one.close();
    expect([services.acquired, services.released]).to.deep.equal([2, 2]);
    expect([services.opened, services.closed]).to.deep.equal([1, 1]);
    expect(await codeOf(use(one))).to.equal('engine.closed');
    expect(services.acquired).to.equal(2);
  });

  it('opens a front end for sound once for each way to find speech, and again after a failure', async () => {
    const services = new Services();
    const one = access(services);
    const method = (speech: 'silero' | 'energy') =>
      one.prepareSound(undefined, speech, (front) => Promise.resolve(front.speech));
    services.openError = new EmotionError('worker.failed', 'no thread');
    expect(await codeOf(method('silero'))).to.equal('worker.failed');
    services.openError = undefined;
    expect(await Promise.all([method('silero'), method('silero')])).to.have.length(2);
    await method('energy');
    expect(services.opened).to.equal(2);
    await one.close();
    expect(services.closed).to.equal(2);
  });

  it('does not open an engine for a message that was on its way when it closed', async () => {
    const services = new Services();
    const one = access(services);
    const late = codeOf(use(one));
    await one.close();
    expect(await late).to.equal('engine.closed');
    expect(services.acquired).to.equal(0);
  });

  it('leaves a missing model alone for a moment, then looks again', async () => {
    const services = new Services();
    services.resolveError = new EmotionError('model.not-found', 'none');
    const one = access(services);
    expect(await codeOf(use(one))).to.equal('model.not-found');
    expect(await codeOf(use(one))).to.equal('model.not-found');
    expect(services.resolved).to.equal(1);
    services.resolveError = undefined;
    await pass(550);
    expect(await use(one)).to.equal('one');
  });

  it('reads a model that failed to load anew, after a rest that grows', async () => {
    const services = new Services();
    const one = access(services);
    expect(await failing(one, 'model.load-failed')).to.equal('model.load-failed');
    expect(services.released).to.equal(1);
    await pass(550);
    expect(await failing(one, 'model.load-failed')).to.equal('model.load-failed');
    await pass(550);
    expect(await codeOf(use(one))).to.equal('model.load-failed');
    expect(services.acquired).to.equal(2);
    await pass(500);
    expect(await use(one)).to.equal('one');
    expect(services.acquired).to.equal(3);
  });

  it('goes on preparing while its engine is left alone, with the same front ends', async () => {
    const services = new Services();
    const one = access(services);
    const prepare = () => codeOf(one.prepareTexts(undefined, ['a'], OPTIONS));
    expect(await prepare()).to.equal('fine');
    expect(await failing(one, 'model.load-failed')).to.equal('model.load-failed');
    expect(await codeOf(use(one))).to.equal('model.load-failed');
    expect(await prepare()).to.equal('fine');
    await pass(550);
    expect(await Promise.all([use(one), use(one)])).to.deep.equal(['one', 'one']);
    expect(await prepare()).to.equal('fine');
    expect([services.resolved, services.opened, services.closed]).to.deep.equal([2, 1, 0]);
    await one.close();
    expect([services.acquired, services.released, services.closed]).to.deep.equal([2, 2, 1]);
  });

  it('prepares for what the model has become when its engine is tried again', async () => {
    const services = new Services();
    const one = access(services);
    await one.prepareTexts(undefined, ['a'], OPTIONS);
    await failing(one, 'model.load-failed');
    services.version = 2;
    await pass(550);
    expect(await use(one)).to.equal('one');
    await one.prepareTexts(undefined, ['a'], OPTIONS);
    expect([services.opened, services.closed]).to.deep.equal([2, 1]);
    services.resolveError = new EmotionError('model.file-missing', 'gone');
    await failing(one, 'model.load-failed');
    await pass(550);
    expect(await codeOf(use(one))).to.equal('model.file-missing');
    expect(await codeOf(one.prepareTexts(undefined, ['a'], OPTIONS))).to.equal('fine');
  });

  it('keeps the engine when a run fails', async () => {
    const services = new Services();
    const one = access(services);
    expect(await failing(one, 'engine.timeout')).to.equal('engine.timeout');
    expect(await use(one)).to.equal('one');
    expect([services.acquired, services.released]).to.deep.equal([1, 0]);
  });

  it('opens the text front end again after a failure that has passed', async () => {
    const services = new Services();
    const one = access(services);
    services.openError = new EmotionError('worker.failed', 'out of memory');
    const prepare = () => codeOf(one.prepareTexts(undefined, ['a'], OPTIONS));
    expect(await prepare()).to.equal('worker.failed');
    services.openError = undefined;
    expect(await prepare()).to.equal('fine');
  });

  it('takes what a message asks for only where that is allowed, and only by id', async () => {
    const services = new Services();
    const free = access(services, 'one', true);
    expect(await use(free, 'two')).to.equal('two');
    expect(await codeOf(use(free, 'three'))).to.equal('input.wrong-model');
    expect(await codeOf(use(free, '/folder'))).to.equal('input.wrong-model');
    for (const nothing of [undefined, null, '', 7, {}]) {
      expect(await use(free, nothing)).to.equal('one');
    }
    expect(await use(access(services), 'two')).to.equal('one');
  });

  it('tells what becomes of the engine until nobody listens', async () => {
    const services = new Services();
    const one = access(services);
    const states: string[] = [];
    const stop = one.watch(({ state }) => states.push(state));
    await use(one);
    services.engine.emit('status', { state: 'ready' });
    stop();
    services.engine.emit('status', { state: 'closed' });
    expect(states).to.deep.equal(['ready']);
  });

  it('lets an imported model take the place of the old one, whose last task is finished first', async () => {
    const services = new Services();
    let told: (job: ImportJob) => void = () => undefined;
    const watching = {
      registry: services.registry,
      engines: services.engines,
      texts: services.texts,
      faces: services.faces,
      sounds: services.sounds,
      imports: {
        watch: (listener: typeof told) => {
          told = listener;
          return () => undefined;
        },
      },
    };
    const one = new ModelAccess(watching, {
      reference: 'one',
      configuration: 'configuration',
      engine: {},
      allowOverride: false,
    });
    const steps: string[] = [];
    one.watch((status) => steps.push('job' in status ? status.job.state : status.state));
    let finish: () => void = () => undefined;
    const running = one.infer(undefined, () => new Promise<void>((resolve) => (finish = resolve)));
    await sleep(0);

    const job = { job: '1', source: 's', phase: 'installing', received: 1 } as const;
    told({ ...job, id: 'one', state: 'running' });
    told({ ...job, id: 'other', state: 'running' });
    told({ ...job, id: 'other', configuration: 'configuration', state: 'failed' });
    expect([services.resolved, services.released]).to.deep.equal([1, 0]);
    told({ ...job, id: 'one', state: 'done' });
    await sleep(0);
    await use(one);
    expect([services.resolved, services.acquired, services.released]).to.deep.equal([2, 2, 0]);
    finish();
    await running;
    await sleep(0);
    expect(services.released).to.equal(1);
    expect(steps).to.deep.equal(['running', 'failed', 'done']);
    await one.close();
    expect(services.released).to.equal(2);
  });

  it('says that no model is chosen', async () => {
    for (const none of [modelAccessOf(null), modelAccessOf({}), access(new Services(), '')]) {
      expect(await codeOf(none.model())).to.equal('model.not-configured');
      const work = none.infer(undefined, () => Promise.resolve());
      expect(await codeOf(work)).to.equal('model.not-configured');
    }
  });
});
