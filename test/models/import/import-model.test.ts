import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EmotionError } from '../../../lib/emotion/error';
import { LocalEngine } from '../../../lib/engine/local-engine';
import { interpret } from '../../../lib/engine/interpret';
import {
  importModel,
  proposeImport,
  type ImportOptions,
} from '../../../lib/models/import/import-model';
import { loadModel } from '../../../lib/models/model';
import { packageRoot } from '../../../lib/models/package-root';
import { ModelRegistry } from '../../../lib/models/registry';
import { TextPreparer } from '../../../lib/text/prepare';
import { hub, serve, TestServer } from './hub-server';

const FIXTURES = join(packageRoot(), 'test', 'fixtures', 'models');
const TINY = join(FIXTURES, 'tiny-text');
const LABELS = ['neutral', 'joy', 'sadness', 'anger', 'fear', 'disgust', 'surprise'];
const CONFIG = {
  architectures: ['BertForSequenceClassification'],
  model_type: 'bert',
  max_position_embeddings: 64,
  pad_token_id: 0,
  id2label: Object.fromEntries(LABELS.map((label, id) => [id, label])),
};
const CARD = '---\nlicense: mit\nlanguage:\n- en\n- zh\ndatasets: [own]\n---\n# Tiny\n';

describe('importModel', function () {
  this.timeout(120_000);
  let root: string;
  let source: string;
  let models: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'emotion-import-'));
    source = join(root, 'My Model');
    models = join(root, 'emotion-models');
    await mkdir(source);
    for (const file of ['model.onnx', 'tokenizer.json'])
      await cp(join(TINY, file), join(source, file));
    await configure({});
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const configure = (changes: object): Promise<void> =>
    writeFile(join(source, 'config.json'), JSON.stringify({ ...CONFIG, ...changes }));
  const labelled = (...labels: string[]) =>
    configure({ id2label: Object.fromEntries(labels.map((label, id) => [id, label])) });
  const run = (options: Partial<ImportOptions> = {}) => importModel(source, { models, ...options });
  const failure = async (promise: Promise<unknown>): Promise<EmotionError> => {
    const error: unknown = await promise.then(
      () => expect.fail('did not fail'),
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(EmotionError);
    return error as EmotionError;
  };
  const leftovers = () => readdir(join(models, '.import')).catch((): string[] => []);

  it('makes a folder a model that answers', async () => {
    await writeFile(join(source, 'README.md'), CARD);
    const model = await run();
    const { manifest } = model;
    expect(manifest).to.deep.include({
      id: 'my-model',
      languages: ['en', 'zh'],
      labels: LABELS,
      licence: { weights: 'mit', data: 'own' },
      calibration: { temperature: 1 },
    });
    expect(manifest.mapping).to.deep.include({ joy: 'happy', sadness: 'sad', anger: 'angry' });
    expect(manifest.preprocessing).to.deep.include({ maxTokens: 64, case: 'lower' });
    expect(Object.keys(manifest.inputs)).to.deep.equal(['input_ids', 'attention_mask']);
    expect(manifest.outputs).to.deep.equal({ logits: { kind: 'logits', shape: ['batch', 7] } });
    expect(await leftovers()).to.deep.equal([]);
    expect(await readFile(join(model.folder, 'README.md'), 'utf8')).to.contain('not calibrated');

    const found = await new ModelRegistry([models]).resolve('my-model');
    const preparer = await TextPreparer.load(found.manifest, found.folder);
    const options = { language: 'auto', stopWords: 'none', split: 'text' } as const;
    const [sample] = preparer.prepare(['I am furious'], options);
    const engine = new LocalEngine(found, { intraOpThreads: 1 });
    try {
      expect(interpret(sample!, await engine.infer(sample!), found.manifest).label).to.equal(
        'angry',
      );
    } finally {
      await engine.close();
    }
  });

  it('finds the files in onnx/ and takes the quantised graph, or the one asked for', async () => {
    await mkdir(join(source, 'onnx'));
    for (const name of ['model.onnx', 'model_fp16.onnx', 'model_quantized.onnx', 'model_q4.onnx']) {
      await cp(join(TINY, 'model.onnx'), join(source, 'onnx', name));
    }
    await rm(join(source, 'model.onnx'));
    expect((await run()).manifest.files).to.have.keys('default', 'int8', 'tokenizer');
    expect((await run({ precision: 'fp16' })).manifest.files.default).to.equal('fp16');
  });

  it('proposes what the labels mean', async () => {
    await labelled('neutral', 'joy', 'sadness', 'anger', 'fear', 'LABEL_5', 'other');
    const { labels, licence, id } = await proposeImport(source, { models });
    expect(labels.map(({ emotion }) => emotion)).to.deep.equal([
      'neutral',
      'happy',
      'sad',
      'angry',
      'fear',
      undefined,
      null,
    ]);
    expect({ licence, id }).to.deep.equal({ licence: 'unknown', id: 'my-model' });
  });

  it('asks what labels mean that it does not know, and takes the answer', async () => {
    const names = LABELS.map((_, id) => `LABEL_${id}`);
    await labelled(...names);
    const error = await failure(run());
    expect(error.code).to.equal('model.import-labels');
    expect(error.message).to.contain('LABEL_0, LABEL_1');
    const mapping = Object.fromEntries(names.map((name) => [name, null]));
    expect((await failure(run({ mapping }))).message).to.contain('one emotion at most');
    const model = await run({ mapping: { ...mapping, LABEL_1: 'happy', LABEL_2: 'sad' } });
    expect(model.manifest.mapping).to.include({ LABEL_0: null, LABEL_1: 'happy' });
  });

  it('refuses sentiment', async () => {
    await labelled('1 star', '2 stars', '3 stars', '4 stars', '5 stars', 'positive', 'NEGATIVE');
    const error = await failure(run());
    expect(error.code).to.equal('model.import-labels');
    expect(error.message).to.contain('good from bad');
  });

  it('refuses labels judged one by one unless softmax is wanted', async () => {
    await configure({ problem_type: 'multi_label_classification' });
    const error = await failure(run());
    expect(error.code).to.equal('model.import-unsupported');
    expect(error.message).to.contain('problem_type');
    const { folder } = await run({ multiLabel: 'softmax' });
    expect(await readFile(join(folder, 'README.md'), 'utf8')).to.contain('one softmax');
  });

  const broken: [string, () => Promise<unknown>, string][] = [
    ['no graph', () => rm(join(source, 'model.onnx')), 'optimum-cli export onnx'],
    ['no tokenizer', () => rm(join(source, 'tokenizer.json')), 'use_fast=True'],
    ['no config', () => rm(join(source, 'config.json')), 'config.json'],
    ['a config that is no JSON', () => writeFile(join(source, 'config.json'), '<html>'), 'JSON'],
    [
      'a model of another kind',
      () => configure({ architectures: ['BertForMaskedLM'] }),
      'BertForMaskedLM',
    ],
    ['no labels', () => configure({ id2label: {} }), 'id2label'],
    [
      'a label twice',
      () => labelled('joy', 'joy', 'anger', 'fear', 'sad', 'disgust', 'surprise'),
      'once',
    ],
    ['more labels than logits', () => labelled(...LABELS, 'love'), 'logits [batch, 8]'],
    [
      'half a graph',
      () => cp(join(FIXTURES, 'truncated', 'model.onnx'), join(source, 'model.onnx')),
      'expected an ONNX model',
    ],
    [
      'a page for a graph',
      () => writeFile(join(source, 'model.onnx'), '<html>'),
      'expected an ONNX model',
    ],
    [
      'other inputs',
      async () => {
        const text = (await readFile(join(source, 'model.onnx'))).toString('latin1');
        const other = text.replaceAll('input_ids', 'input_xyz');
        await writeFile(join(source, 'model.onnx'), Buffer.from(other, 'latin1'));
      },
      'expected input_ids, attention_mask, token_type_ids, got input_xyz',
    ],
    [
      'a tokenizer with more words than the model',
      async () => {
        const file = join(source, 'tokenizer.json');
        const json = JSON.parse(await readFile(file, 'utf8')) as {
          model: { vocab: Record<string, number> };
        };
        json.model.vocab['more'] = 9_999;
        await writeFile(file, JSON.stringify(json));
      },
      'belongs to another model',
    ],
  ];
  for (const [what, spoil, words] of broken) {
    it(`refuses ${what}`, async () => {
      await spoil();
      const error = await failure(run());
      expect(error.code).to.equal('model.import-unsupported');
      expect(error.message).to.contain(words);
      expect(await leftovers()).to.deep.equal([]);
      expect(await readdir(models).catch(() => [])).not.to.contain('my-model');
    });
  }

  it('keeps the model that is there until the new one has passed', async () => {
    const before = await run();
    await labelled(...LABELS.slice(0, 6), 'surprised');
    const problem = new EmotionError('model.load-failed', 'it does not run');
    let during: string | undefined;
    const error = await failure(
      run({
        verify: async ({ folder }) => {
          expect(folder).not.to.equal(before.folder);
          during = (await loadModel(before.folder)).hash;
          throw problem;
        },
      }),
    );
    expect(error).to.equal(problem);
    expect(during).to.equal(before.hash);
    expect((await loadModel(before.folder)).hash).to.equal(before.hash);
    expect(await leftovers()).to.deep.equal([]);

    const after = await run();
    expect(after.folder).to.equal(before.folder);
    expect(after.manifest.labels.at(-1)).to.equal('surprised');
    expect(await leftovers()).to.deep.equal([]);
  });

  it('imports a model once at a time', async () => {
    const [first, second] = await Promise.allSettled([run(), run()]);
    expect(first.status).to.equal('fulfilled');
    expect(((second as PromiseRejectedResult).reason as EmotionError).code).to.equal(
      'model.import-busy',
    );
    await run();
  });

  it('says that there is no such folder', async () => {
    const error = await failure(importModel(join(root, 'nothing'), { models }));
    expect(error.code).to.equal('model.import-not-found');
  });

  describe('from the Hub', () => {
    let server: TestServer;
    let files: Record<string, Buffer>;
    const options = (more: Partial<ImportOptions> = {}): ImportOptions => ({
      models,
      endpoint: server.origin,
      backOffMs: 1,
      attempts: 2,
      ...more,
    });

    beforeEach(async () => {
      server = await new TestServer().start();
      files = {
        'config.json': Buffer.from(JSON.stringify(CONFIG)),
        'tokenizer.json': await readFile(join(TINY, 'tokenizer.json')),
        'onnx/model.onnx': await readFile(join(TINY, 'model.onnx')),
        'README.md': Buffer.from(CARD),
        'pytorch_model.bin': Buffer.alloc(10),
      };
      server.handler = hub('owner/Name', files);
    });
    afterEach(() => server.close());

    it('downloads what it needs, checks it and installs it', async () => {
      const steps: number[] = [];
      const model = await importModel(
        'owner/Name@main',
        options({
          progress: ({ phase, received }) => phase === 'downloading' && steps.push(received),
        }),
      );
      expect(model.manifest).to.deep.include({ id: 'owner-name', version: '1.0.0+0123456' });
      expect(model.manifest.licence.weights).to.equal('mit');
      expect(server.seen.map(({ path }) => path).join()).not.to.contain('pytorch_model');
      expect([...steps].sort((a, b) => a - b)).to.deep.equal(steps);
      expect(await readdir(join(models, '.import', 'downloads'))).to.deep.equal([]);
    });

    it('looks at the labels without downloading the graph', async () => {
      const { labels } = await proposeImport('owner/Name', options());
      expect(labels[1]).to.deep.equal({ label: 'joy', emotion: 'happy' });
      expect(server.seen.map(({ path }) => path).join()).not.to.contain('.onnx');
    });

    it('refuses labels before it downloads the graph', async () => {
      const config = { ...CONFIG, id2label: { 0: 'LABEL_0', 1: 'LABEL_1' } };
      files['config.json'] = Buffer.from(JSON.stringify(config));
      const error = await failure(importModel('owner/Name', options()));
      expect(error.code).to.equal('model.import-labels');
      expect(server.seen.map(({ path }) => path).join()).not.to.contain('.onnx');
    });

    it('keeps what has arrived for the next attempt', async () => {
      const graph = files['onnx/model.onnx']!;
      server.handler = hub('owner/Name', files, {
        large: (request, response) => serve(request, response, graph, { dropAfter: 0 }),
      });
      const error = await failure(importModel('owner/Name', options()));
      expect(error.code).to.equal('model.import-unreachable');
      expect(await readdir(models)).to.deep.equal(['.import']);
      server.handler = hub('owner/Name', files);
      server.seen.length = 0;
      await importModel('owner/Name', options());
      const asked = server.seen.map(({ path }) => path.split('/').at(-1));
      expect(asked).not.to.include('tokenizer.json');
      expect(asked).to.include('model.onnx');
    });

    it('takes no graph with another hash', async () => {
      const graph = Buffer.from(files['onnx/model.onnx']!);
      graph[500]! ^= 1;
      server.handler = hub('owner/Name', files, {
        large: (request, response) => serve(request, response, graph),
      });
      const error = await failure(importModel('owner/Name', options()));
      expect(error.code).to.equal('model.import-corrupt');
      expect(await readdir(models)).to.deep.equal(['.import']);
    });

    it('gives a token to a private model and says when it needs one', async () => {
      server.handler = hub('owner/Name', files, { token: 'hf_x' });
      const error = await failure(importModel('owner/Name', options()));
      expect(error.code).to.equal('model.import-refused');
      expect(error.message).to.contain('token');
      await importModel('owner/Name', options({ token: 'hf_x' }));
    });

    it('says that there is no such model', async () => {
      const error = await failure(importModel('owner/other', options()));
      expect(error.code).to.equal('model.import-not-found');
      for (const bad of ['name only', 'a/b/c', '../../etc/passwd', 'owner/..', 'owner/name@']) {
        const wrong = await failure(importModel(bad, options()));
        expect(wrong.code, bad).to.equal('model.import-not-found');
      }
    });

    it('says that what answers is no hub', async () => {
      server.handler = (_request, response) =>
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Log in</html>');
      const error = await failure(importModel('owner/Name', options()));
      expect(error.code).to.equal('model.import-corrupt');
      const wrong = await failure(importModel('owner/Name', options({ endpoint: 'hub' })));
      expect(wrong.code).to.equal('model.import-not-found');
    });
  });
});
