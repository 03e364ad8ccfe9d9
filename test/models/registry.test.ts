import { cp, mkdir, mkdtemp, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { ModelRegistry } from '../../lib/models/registry';
import { FIXTURES } from '../engine/samples';

describe('ModelRegistry', () => {
  let parent: string;
  let user: string;
  let shipped: string;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'emotion-registry-'));
    user = join(parent, 'user');
    shipped = join(parent, 'shipped');
    await cp(join(FIXTURES, 'tiny-text'), join(shipped, 'tiny-text'), { recursive: true });
    await cp(join(FIXTURES, 'tiny-conv'), join(shipped, 'tiny-conv'), { recursive: true });
  });
  afterEach(() => rm(parent, { recursive: true }));

  async function rejection(promise: Promise<unknown>): Promise<EmotionError> {
    const error: unknown = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(EmotionError);
    return error as EmotionError;
  }

  it('lists what a picker shows', async () => {
    await writeFile(join(shipped, 'model.schema.json'), '{}');
    await mkdir(join(shipped, 'no-model'));
    const list = await new ModelRegistry([user, shipped]).list();
    expect(list.map(({ id }) => id)).to.deep.equal(['tiny-conv', 'tiny-text']);
    expect(list[0]).to.deep.include({
      modality: 'text',
      architecture: 'convolution',
      languages: ['zh', 'en'],
      folder: join(shipped, 'tiny-conv'),
      licence: { weights: 'Apache-2.0', data: 'none' },
      title: { en: 'tiny-conv (test)', zh: 'tiny-conv（测试）' },
    });
    const graph = await readFile(join(shipped, 'tiny-conv', 'model.onnx'));
    const tokenizer = await readFile(join(shipped, 'tiny-conv', 'tokenizer.json'));
    expect(list[0]).to.have.property('bytes', graph.length + tokenizer.length);
    expect(list[0]).to.have.nested.property('headline.name', 'accuracy');
  });

  it('lists a broken model with what is wrong, and the others beside it', async () => {
    await truncate(join(shipped, 'tiny-text', 'model.onnx'), 10);
    const [conv, text] = await new ModelRegistry([shipped]).list();
    expect(conv).not.to.have.property('error');
    expect(text).to.have.property('id', 'tiny-text');
    expect(text!.error).to.have.property('code', 'model.hash-mismatch');
  });

  it('finds a model by id, in a folder of another name as well, and by absolute folder', async () => {
    await mkdir(user);
    await cp(join(FIXTURES, 'slow-text'), join(user, 'any name'), { recursive: true });
    const registry = new ModelRegistry([user, shipped]);
    expect((await registry.resolve('tiny-text')).folder).to.equal(join(shipped, 'tiny-text'));
    expect((await registry.resolve('slow-text')).folder).to.equal(join(user, 'any name'));
    expect((await registry.resolve(join(FIXTURES, 'truncated'))).manifest.id).to.equal('truncated');
  });

  it('takes the user’s copy before the shipped one', async () => {
    await cp(join(shipped, 'tiny-text'), join(user, 'tiny-text'), { recursive: true });
    const registry = new ModelRegistry([user, shipped]);
    expect((await registry.resolve('tiny-text')).folder).to.equal(join(user, 'tiny-text'));
    expect((await registry.list()).filter(({ id }) => id === 'tiny-text')).to.have.length(1);
  });

  it('says what is installed when a model is not', async () => {
    const { code, details } = await rejection(new ModelRegistry([shipped]).resolve('text-x'));
    expect(code).to.equal('model.not-found');
    expect(details).to.deep.equal({ model: 'text-x', installed: 'tiny-conv, tiny-text' });
    const none = await rejection(new ModelRegistry([user]).resolve('text-x'));
    expect(none.details['installed']).to.equal('none');
  });

  it('gives the error of a broken model instead of calling it missing', async () => {
    await truncate(join(shipped, 'tiny-text', 'model.onnx'), 10);
    const { code } = await rejection(new ModelRegistry([shipped]).resolve('tiny-text'));
    expect(code).to.equal('model.hash-mismatch');
  });

  it('leaves its folders for absolute paths only', async () => {
    await cp(join(FIXTURES, 'slow-text'), join(parent, 'slow-text'), { recursive: true });
    for (const id of ['../slow-text', '..', '.', '']) {
      const { code } = await rejection(new ModelRegistry([shipped]).resolve(id));
      expect(code, id).to.equal('model.not-found');
    }
  });

  it('reads a file again only when its size or time changed', async () => {
    const registry = new ModelRegistry([shipped]);
    await registry.resolve('tiny-text');
    const graph = join(shipped, 'tiny-text', 'model.onnx');
    const bytes = await readFile(graph);
    bytes[500]! ^= 1;
    await writeFile(graph, bytes);
    await utimes(graph, new Date(), new Date(Date.now() + 5_000));
    const { code } = await rejection(registry.resolve('tiny-text'));
    expect(code).to.equal('model.hash-mismatch');
  });
});
