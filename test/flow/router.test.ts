import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { EmotionError } from '../../lib/emotion/error';
import type { LocalEngineOptions } from '../../lib/engine/engine';
import { EnginePool } from '../../lib/engine/engine-pool';
import { LocalEngine } from '../../lib/engine/local-engine';
import { RoutingEngine } from '../../lib/engine/routing-engine';
import { inferAll } from '../../lib/flow/infer-all';
import { ModelAccess } from '../../lib/flow/model-access';
import { textRules } from '../../lib/flow/text-rules';
import { parseManifest } from '../../lib/models/manifest';
import { packageRoot } from '../../lib/models/package-root';
import { ModelRegistry } from '../../lib/models/registry';
import type { PrepareOptions } from '../../lib/text/prepare';
import { FacePool } from '../../lib/workers/face-pool';
import { AudioPool } from '../../lib/workers/audio-pool';
import { TextPool } from '../../lib/workers/text-pool';

const FIXTURES = join(packageRoot(), 'test', 'fixtures', 'models');
const OPTIONS: PrepareOptions = { language: 'auto', stopWords: 'none', split: 'text' };
const ROUTER = {
  schema: 1,
  id: 'auto',
  version: '1.0.0',
  title: { en: 'Auto', zh: '自动' },
  modality: 'text',
  architecture: 'router',
  languages: ['zh', 'en'],
  labels: ['neutral', 'happy', 'sad', 'angry', 'fear', 'disgust', 'surprise'],
  routes: { zh: 'tiny-text', en: 'tiny-conv' },
  licence: { weights: 'Apache-2.0', data: 'none' },
};

describe('a router', function () {
  // Every test starts processes of its own.
  this.timeout(120_000);
  let folder: string;
  let access: ModelAccess;
  let engines: EnginePool<Partial<LocalEngineOptions>>;
  let registry: ModelRegistry;
  const started: string[] = [];

  const write = async (manifest: object): Promise<void> => {
    await mkdir(join(folder, 'auto'), { recursive: true });
    await writeFile(join(folder, 'auto', 'model.yaml'), stringify(manifest));
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emotion-router-'));
    for (const id of ['tiny-text', 'tiny-conv']) {
      await cp(join(FIXTURES, id), join(folder, id), { recursive: true });
    }
    await write(ROUTER);
    started.length = 0;
    engines = new EnginePool((model, options) => {
      started.push(model.manifest.id);
      return model.routes === undefined
        ? new LocalEngine(model, options)
        : new RoutingEngine(model, model.routes, (target) => engines.acquire(target, options));
    });
    registry = new ModelRegistry([folder]);
    access = new ModelAccess(
      { registry, engines, texts: new TextPool(), faces: new FacePool(), sounds: new AudioPool() },
      { reference: 'auto', engine: { intraOpThreads: 1 }, allowOverride: false },
    );
  });
  afterEach(async () => {
    await access.close();
    expect(engines.size).to.equal(0);
    await rm(folder, { recursive: true, force: true });
  });

  const results = async (texts: string[], options = OPTIONS) => {
    const samples = await access.prepareTexts(undefined, texts, options);
    const { signal } = new AbortController();
    return inferAll(access, samples, { signal }, { rules: textRules({ contrast: 1 }) });
  };

  it('answers each sentence by the model of its language and says which', async () => {
    const [mixed, english] = await results(['我很高兴。 I am furious.', 'so sad']);
    expect(mixed!.model).to.equal('auto');
    expect(mixed!.segments!.map(({ model, label }) => [model, label])).to.deep.equal([
      ['tiny-text', 'happy'],
      ['tiny-conv', 'angry'],
    ]);
    // tiny-conv knows neither fear nor disgust, tiny-text has attention: each by its own manifest.
    expect(mixed!.segments![1]!.scores).not.to.have.property('fear');
    expect(mixed!.segments![0]!.tokens).to.be.an('array');
    expect(mixed!.segments![1]!.tokens).to.equal(undefined);
    expect(english).to.deep.include({ label: 'sad', cached: false });
    const sum = Object.values(mixed!.scores).reduce((total, score) => total + score, 0);
    expect(sum).to.be.closeTo(1, 1e-9);
  });

  it('gives the scores that the model alone gives', async () => {
    const [routed] = await results(['我很高兴']);
    const alone = new ModelAccess(
      { registry, engines, texts: new TextPool(), faces: new FacePool(), sounds: new AudioPool() },
      { reference: 'tiny-text', engine: { intraOpThreads: 1 }, allowOverride: false },
    );
    const samples = await alone.prepareTexts(undefined, ['我很高兴'], OPTIONS);
    const { signal } = new AbortController();
    const [direct] = await inferAll(alone, samples, { signal }, {});
    expect(routed!.scores).to.deep.equal(direct!.scores);
    expect(
      started.filter((id) => id === 'tiny-text'),
      'one engine for both',
    ).to.have.length(1);
    await alone.close();
  });

  it('loads only the models whose language comes', async () => {
    await results(['我很高兴', '好']);
    expect(started).to.deep.equal(['auto', 'tiny-text']);
  });

  it('passes empty texts through', async () => {
    const [empty] = await results([' ']);
    expect(empty).to.deep.include({ label: null, reason: 'empty-text' });
  });

  it('reports what its engines do', async () => {
    const states: string[] = [];
    access.watch(({ state }) => states.push(state));
    await results(['高兴']);
    expect(states).to.deep.equal(['starting', 'ready']);
  });

  it('is listed with the size of its models', async () => {
    const models = await registry.list();
    const bytes = (id: string) => {
      const found = models.find((model) => model.id === id);
      return found?.error === undefined ? (found?.bytes ?? 0) : 0;
    };
    expect(bytes('auto')).to.equal(bytes('tiny-text') + bytes('tiny-conv'));
    expect(models.find(({ id }) => id === 'auto')).to.deep.include({ routes: ROUTER.routes });
  });

  for (const [what, routes, code, words] of [
    ['a model that is not installed', { zh: 'tiny-text', en: 'gone' }, 'model.not-found', 'gone'],
    ['itself', { zh: 'auto', en: 'tiny-conv' }, 'model.manifest-invalid', 'another model'],
  ] as const) {
    it(`is broken when a route leads to ${what}`, async () => {
      await write({ ...ROUTER, routes });
      const found = (await new ModelRegistry([folder]).list()).find(({ id }) => id === 'auto');
      expect(found?.error?.code).to.equal(code);
      expect(found?.error?.message).to.contain(words);
      const error: unknown = await access.model().catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(EmotionError);
      expect((error as EmotionError).code).to.equal(code);
    });
  }

  it('says what a model.yaml of a router may not hold', () => {
    const { problems } = parseManifest({ ...ROUTER, inputs: {}, routes: { zh: 'tiny-text' } });
    expect(problems.map(({ path }) => path.join('.'))).to.have.members(['inputs', 'routes.en']);
  });

  it('refuses a sample that was prepared for one of its models', async () => {
    const [sample] = await access.prepareTexts(undefined, ['高兴'], OPTIONS);
    const error: unknown = await access
      .infer(undefined, (engine) => engine.infer(sample!.parts![0]!))
      .catch((thrown: unknown) => thrown);
    expect((error as EmotionError).code).to.equal('input.wrong-model');
  });
});
