import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { STATUS_LENGTH } from '../../lib/flow/status-line';
import { Flow, MODELS, type FlowNodeDefinition } from './harness';

const model = { id: 'model', type: 'emotion-model', source: 'installed', model: 'tiny-text' };
const preprocess: FlowNodeDefinition = {
  id: 'preprocess',
  type: 'emotion-preprocess-text',
  model: 'model',
  wires: [['infer']],
};
const infer: FlowNodeDefinition = { id: 'infer', type: 'emotion-infer', model: 'model' };

/** Longer than a failed model is left alone. */
const MOMENT_MS = 700;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function edit(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const changed = change(text);
  expect(changed).not.to.equal(text);
  await writeFile(file, changed);
}

/** Puts other bytes in a file and their size and digest in model.yaml. */
async function replaceFile(folder: string, file: string, bytes: Buffer): Promise<void> {
  await writeFile(join(folder, file), bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await edit(join(folder, 'model.yaml'), (yaml) =>
    yaml.replace(
      new RegExp(`path: ${file}, sha256: \\w+, bytes: \\d+`),
      `path: ${file}, sha256: ${sha256}, bytes: ${bytes.length}`,
    ),
  );
}

describe('a text flow whose model is broken', () => {
  let models: string;
  let folder: string;
  let flow: Flow;

  beforeEach(async () => {
    models = await mkdtemp(join(tmpdir(), 'emotion-models-'));
    folder = join(models, 'tiny-text');
    await cp(join(MODELS, 'tiny-text'), folder, { recursive: true });
  });
  afterEach(async () => {
    await flow.stop();
    await rm(models, { recursive: true });
  });

  const ways: {
    name: string;
    code: string;
    status: string;
    says: string;
    /** The node that finds out. */
    from?: string;
    damage: () => Promise<void>;
  }[] = [
    {
      name: 'the folder is missing',
      code: 'model.not-found',
      status: 'model not found',
      says: 'tiny-text',
      damage: () => rm(folder, { recursive: true }),
    },
    {
      name: 'model.yaml is no YAML',
      code: 'model.manifest-invalid',
      status: 'model.yaml invalid',
      says: 'model.yaml',
      damage: () => edit(join(folder, 'model.yaml'), (yaml) => `{ [\n${yaml}`),
    },
    {
      name: 'a key is missing',
      code: 'model.manifest-invalid',
      status: 'model.yaml invalid',
      says: 'calibration',
      damage: () =>
        edit(join(folder, 'model.yaml'), (yaml) => yaml.replace(/^calibration:\n.*\n/m, '')),
    },
    {
      name: 'a digest is wrong',
      code: 'model.hash-mismatch',
      status: 'model file changed',
      says: 'model.onnx',
      damage: () =>
        edit(join(folder, 'model.yaml'), (yaml) => yaml.replace(/sha256: ..../, 'sha256: 0000')),
    },
    {
      name: 'the ONNX file is cut short',
      code: 'model.load-failed',
      status: 'model load failed',
      says: 'model.onnx',
      from: 'infer',
      damage: async () => {
        const onnx = await readFile(join(folder, 'model.onnx'));
        await replaceFile(folder, 'model.onnx', onnx.subarray(0, onnx.length / 2));
      },
    },
    {
      name: 'the tokenizer is missing',
      code: 'model.file-missing',
      status: 'model file missing',
      says: 'tokenizer.json',
      damage: () => rm(join(folder, 'tokenizer.json')),
    },
    {
      name: 'the tokenizer is no tokenizer',
      code: 'model.tokenizer-invalid',
      status: 'tokenizer invalid',
      says: 'tokenizer.json',
      damage: () => replaceFile(folder, 'tokenizer.json', Buffer.from('{"version":"1.0"}')),
    },
    {
      name: 'an input has another name',
      code: 'model.inputs-mismatch',
      status: 'inputs do not match',
      says: 'word_ids',
      damage: () =>
        edit(join(folder, 'model.yaml'), (yaml) => yaml.replace('input_ids', 'word_ids')),
    },
    {
      name: 'an input that the graph does not have',
      code: 'model.inputs-mismatch',
      status: 'inputs do not match',
      says: 'token_type_ids',
      from: 'infer',
      damage: () =>
        edit(join(folder, 'model.yaml'), (yaml) =>
          yaml.replace(
            /^inputs:\n/m,
            'inputs:\n  token_type_ids: { type: int64, shape: [batch, tokens], padding: 0 }\n',
          ),
        ),
    },
  ];

  for (const { name, code, status, says, from = 'preprocess', damage } of ways) {
    it(`says so when ${name}, and recovers without a deploy`, async function () {
      this.timeout(120_000);
      await damage();
      flow = await Flow.start([model, preprocess, infer], { emotionModelFolder: models });
      const statuses = flow.statuses(from);
      const { sent, caught } = await flow.send('preprocess', { payload: 'I am happy' });
      expect(caught.map(({ error }) => [error.code, error.source.id])).to.deep.equal([
        [code, from],
      ]);
      expect(caught[0]?.error.message).to.contain(says);
      expect(caught[0]?.payload).to.equal(
        from === 'preprocess' ? 'I am happy' : caught[0]?.payload,
      );
      expect(sent).to.deep.equal([]);

      await rm(folder, { recursive: true, force: true });
      await cp(join(MODELS, 'tiny-text'), folder, { recursive: true });
      await sleep(MOMENT_MS);
      const repaired = await flow.send('preprocess', { payload: 'I am happy' });
      expect(repaired.caught).to.deep.equal([]);
      expect((repaired.sent[0]?.payload as Result).label).to.equal('happy');
      await sleep(400);
      expect(statuses).to.include(status);
      expect(statuses.at(-1)).to.be.equal(from === 'infer' ? 'happy 0.52' : '');
    });
  }

  it('shows that a model is missing before any message came', async () => {
    await rm(folder, { recursive: true });
    flow = await Flow.start([model, preprocess, infer], { emotionModelFolder: models });
    const statuses = flow.statuses('infer');
    for (let waited = 0; statuses.length === 0 && waited < 10_000; waited += 50) await sleep(50);
    expect(statuses.map((text) => text.length <= STATUS_LENGTH)).not.to.include(false);
    expect(statuses).to.deep.equal(['model not found']);
  });

  it('speaks Chinese where Node-RED does', async () => {
    await rm(folder, { recursive: true });
    const settings = { emotionModelFolder: models };
    flow = await Flow.start([model, preprocess, infer], settings, 'zh-CN');
    const statuses = flow.statuses('preprocess');
    const { caught } = await flow.send('preprocess', { payload: 'I am happy' });
    expect(caught[0]?.error.message).to.match(/^找不到模型：.*tiny-text/);
    expect(statuses).to.deep.equal(['找不到模型']);
  });

  it('says so when no model is chosen', async () => {
    flow = await Flow.start([preprocess, infer]);
    const { caught } = await flow.send('preprocess', { payload: 'I am happy' });
    expect(caught[0]?.error.code).to.equal('model.not-configured');
    const chosen = { ...model, model: '' };
    await flow.deploy([chosen, preprocess, infer]);
    const second = await flow.send('preprocess', { payload: 'I am happy' });
    expect(second.caught[0]?.error.code).to.equal('model.not-configured');
  });

  it('runs a model from a folder', async () => {
    flow = await Flow.start([
      { ...model, source: 'folder', model: 'ignored', folder },
      preprocess,
      infer,
    ]);
    const { sent } = await flow.send('preprocess', { payload: 'so sad' });
    expect((sent[0]?.payload as Result).label).to.equal('sad');
  });

  it('runs another architecture when another id is chosen', async () => {
    flow = await Flow.start([{ ...model, model: 'tiny-conv' }, preprocess, infer]);
    const { sent } = await flow.send('preprocess', { payload: 'so sad' });
    expect(sent[0]?.payload).to.include({ label: 'sad', model: 'tiny-conv' });
  });
});

describe('msg.model', () => {
  let flow: Flow;
  afterEach(() => flow.stop());
  const ask = (name: string) => flow.send('preprocess', { payload: 'so sad', model: name });

  it('chooses another installed model where that is allowed', async () => {
    flow = await Flow.start([{ ...model, allowOverride: true }, preprocess, infer]);
    const { sent } = await ask('tiny-conv');
    expect(sent[0]?.payload).to.include({ label: 'sad', model: 'tiny-conv' });
    expect((await ask('tiny-text')).sent[0]?.payload).to.include({ model: 'tiny-text' });
    expect((await ask('')).sent[0]?.payload).to.include({ model: 'tiny-text' });
  });

  for (const name of ['gpt', '../tiny-text', join(MODELS, 'tiny-conv'), '__proto__']) {
    it(`does not choose what is not installed (${name.slice(0, 20)})`, async () => {
      flow = await Flow.start([{ ...model, allowOverride: true }, preprocess, infer]);
      const { caught } = await ask(name);
      expect(caught[0]?.error).to.include({ code: 'input.wrong-model' });
      expect(caught[0]?.error.cause).to.include({ status: 422 });
    });
  }

  it('is not looked at otherwise', async () => {
    flow = await Flow.start([model, preprocess, infer]);
    expect((await ask('gpt')).sent[0]?.payload).to.include({ model: 'tiny-text' });
  });
});
