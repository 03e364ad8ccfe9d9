import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EmotionError, type ErrorCode } from '../../lib/emotion/error';
import { manifestJsonSchema } from '../../lib/models/manifest';
import { graphFile, loadModel } from '../../lib/models/model';
import { packageRoot, shippedModels } from '../../lib/models/package-root';
import { FIXTURES } from '../engine/samples';

describe('loadModel', () => {
  let folder: string;
  const file = () => join(folder, 'model.yaml');

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emotion-model-'));
    await cp(join(FIXTURES, 'tiny-text'), folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function edit(from: string | RegExp, to: string): Promise<void> {
    const before = await readFile(file(), 'utf8');
    const after = before.replace(from, to);
    expect(after, `nothing to replace: ${from}`).not.to.equal(before);
    await writeFile(file(), after);
  }

  async function failure(code: ErrorCode): Promise<EmotionError> {
    const error: unknown = await loadModel(folder).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(EmotionError);
    expect((error as EmotionError).code, (error as EmotionError).message).to.equal(code);
    return error as EmotionError;
  }

  it('gives the manifest with defaults filled in, and a hash that changes with it', async () => {
    const before = await loadModel(folder);
    expect(before.manifest.architecture).to.equal('attention-pooling');
    expect(before.manifest.mapping).to.deep.equal({});
    expect(graphFile(before)).to.equal(join(folder, 'model.onnx'));
    await edit('1.0.0', '1.0.1');
    expect((await loadModel(folder)).hash).not.to.equal(before.hash);
  });

  it('says that a folder has no manifest', async () => {
    await rm(file());
    expect((await failure('model.file-missing')).details).to.deep.equal({ file: file() });
  });

  it('says line and column of broken YAML', async () => {
    await edit('modality: text', 'modality: "text');
    const { details, message } = await failure('model.manifest-invalid');
    expect(details).to.include({ file: file() });
    expect(details['line']).to.be.at.least(6);
    expect(message).to.match(/model\.yaml:\d+:\d+: expected YAML/);
  });

  it('refuses a key that stands twice, and a file that is no map', async () => {
    await edit('modality: text', 'modality: text\nmodality: audio');
    expect((await failure('model.manifest-invalid')).message).to.match(/unique/);
    await writeFile(file(), '- 1\n- 2\n');
    expect((await failure('model.manifest-invalid')).details).to.include({ expected: 'object' });
    await writeFile(file(), '');
    expect((await failure('model.manifest-invalid')).details).to.include({ got: 'null' });
  });

  const wrong: {
    name: string;
    from: string | RegExp;
    to: string;
    key: string;
    expected: string | RegExp;
    got: string;
  }[] = [
    {
      name: 'a missing key',
      from: /^licence:.*\n/m,
      to: '',
      key: 'licence',
      expected: 'object',
      got: 'nothing',
    },
    {
      name: 'a misspelt key',
      from: 'architecture:',
      to: 'architectur:',
      key: 'architecture',
      expected: 'string',
      got: 'nothing',
    },
    {
      name: 'a key that does not exist',
      from: 'preprocessing:',
      to: 'preprocessing:\n  stem: true',
      key: 'preprocessing.stem',
      expected: 'no such key',
      got: 'true',
    },
    {
      name: 'another value than one of a list',
      from: 'modality: text',
      to: 'modality: smell',
      key: 'modality',
      expected: '"text" | "audio" | "video" | "multimodal"',
      got: '"smell"',
    },
    {
      name: 'a number out of range',
      from: 'maxTokens: 128',
      to: 'maxTokens: 4',
      key: 'preprocessing.maxTokens',
      expected: 'at least 8',
      got: '4',
    },
    {
      name: 'another type inside a list',
      from: 'labels: [neutral, happy',
      to: 'labels: [neutral, 7',
      key: 'labels[1]',
      expected: 'string',
      got: '7',
    },
    {
      name: 'a hash that is none',
      from: /sha256: [0-9a-f]+, bytes: 1785/,
      to: 'sha256: abc, bytes: 1785',
      key: 'files.tokenizer.sha256',
      expected: /SHA-256/,
      got: '"abc"',
    },
    {
      name: 'a label without a meaning',
      from: 'fear, disgust',
      to: 'awe, disgust',
      key: 'labels[4]',
      expected: /an entry in mapping/,
      got: '"awe"',
    },
    {
      name: 'a mapping of a label that the model does not have',
      from: 'files:',
      to: 'mapping: { bliss: happy }\nfiles:',
      key: 'mapping.bliss',
      expected: /one of the labels: neutral/,
      got: '"happy"',
    },
    {
      name: 'a default precision without a file',
      from: 'default: fp32',
      to: 'default: int8',
      key: 'files.int8',
      expected: 'the default file',
      got: 'nothing',
    },
    {
      name: 'a text model without a tokenizer',
      from: /^ {2}tokenizer:.*\n/m,
      to: '',
      key: 'files.tokenizer',
      expected: /a tokenizer/,
      got: 'nothing',
    },
    {
      name: 'logits that are not as many as labels',
      from: 'shape: [batch, 7]',
      to: 'shape: [batch, 6]',
      key: 'outputs.logits.shape',
      expected: /\[batch, 7\]/,
      got: '["batch",6]',
    },
    {
      name: 'a language without a temperature',
      from: '{ zh: 1.25, en: 2 }',
      to: '{ zh: 1.25 }',
      key: 'calibration.temperature.en',
      expected: /each of the languages/,
      got: 'nothing',
    },
    {
      name: 'a temperature that is none',
      from: '{ zh: 1.25, en: 2 }',
      to: '-1',
      key: 'calibration.temperature',
      expected: /more than 0/,
      got: '-1',
    },
    {
      name: 'a rule that there is not',
      from: 'licence:',
      to: 'rules: { sarcasm: 1 }\nlicence:',
      key: 'rules.sarcasm',
      expected: 'no such key',
      got: '1',
    },
    {
      name: 'a path out of the folder',
      from: 'path: model.onnx',
      to: 'path: ../model.onnx',
      key: 'files.fp32.path',
      expected: /inside/,
      got: '../model.onnx',
    },
  ];
  for (const { name, from, to, key, expected, got } of wrong) {
    it(`names file, key, what was expected and what came: ${name}`, async () => {
      await edit(from, to);
      const { details, message } = await failure('model.manifest-invalid');
      expect(details).to.include({ file: file(), key, got });
      if (typeof expected === 'string') expect(details['expected']).to.equal(expected);
      else expect(details['expected']).to.match(expected);
      for (const part of [file(), key, String(details['expected'])]) {
        expect(message).to.contain(part);
      }
    });
  }

  it('names the line of the first problem', async () => {
    await edit('modality: text', 'modality: smell');
    const { details } = await failure('model.manifest-invalid');
    const lines = (await readFile(file(), 'utf8')).split('\n');
    expect(lines[Number(details['line']) - 1]).to.equal('modality: smell');
  });

  it('tells a file that is missing from one that changed', async () => {
    await rm(join(folder, 'tokenizer.json'));
    expect((await failure('model.file-missing')).details).to.deep.equal({
      file: join(folder, 'tokenizer.json'),
      key: 'files.tokenizer.path',
    });
  });

  it('says sizes when a graph was cut off', async () => {
    await truncate(join(folder, 'model.onnx'), 1000);
    expect((await failure('model.hash-mismatch')).details).to.include({
      key: 'files.fp32.bytes',
      got: 1000,
    });
  });

  it('says both hashes when a byte changed', async () => {
    const graph = join(folder, 'model.onnx');
    const bytes = await readFile(graph);
    const expected = createHash('sha256').update(bytes).digest('hex');
    bytes[500]! ^= 1;
    await writeFile(graph, bytes);
    const got = createHash('sha256').update(bytes).digest('hex');
    expect((await failure('model.hash-mismatch')).details).to.deep.equal({
      file: graph,
      key: 'files.fp32.sha256',
      expected,
      got,
    });
  });

  it('follows no link out of the folder', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'emotion-elsewhere-'));
    try {
      await cp(join(folder, 'model.onnx'), join(elsewhere, 'model.onnx'));
      await rm(join(folder, 'model.onnx'));
      await symlink(join(elsewhere, 'model.onnx'), join(folder, 'model.onnx'));
      expect((await failure('model.manifest-invalid')).details).to.include({
        key: 'files.fp32.path',
      });
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it('says which precisions a model has', async () => {
    const model = await loadModel(folder);
    expect(() => graphFile(model, 'int8'))
      .to.throw(EmotionError, 'no int8 graph; it has fp32')
      .with.property('code', 'model.file-missing');
  });
});

describe('models/model.schema.json', () => {
  it('is what node tools/make-model-schema.mjs makes of the schema', async () => {
    const file = join(shippedModels(), 'model.schema.json');
    expect(shippedModels()).to.equal(join(packageRoot(), 'models'));
    expect(JSON.parse(await readFile(file, 'utf8'))).to.deep.equal(
      JSON.parse(JSON.stringify(manifestJsonSchema())),
    );
  });
});
