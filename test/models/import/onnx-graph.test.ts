import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readOnnxGraph } from '../../../lib/models/import/onnx-graph';
import { packageRoot } from '../../../lib/models/package-root';

const FIXTURES = join(packageRoot(), 'test', 'fixtures', 'models');
const graph = (id: string) => readOnnxGraph(join(FIXTURES, id, 'model.onnx'));

describe('readOnnxGraph', () => {
  it('reads names, types and shapes as the model declares them', async () => {
    const { inputs, outputs, externalData } = await graph('tiny-text');
    const ids = { elementType: 7, shape: [null, null] };
    expect(inputs).to.deep.equal([
      { name: 'input_ids', ...ids },
      { name: 'attention_mask', ...ids },
    ]);
    expect(outputs).to.deep.equal([
      { name: 'logits', elementType: 1, shape: [null, 7] },
      { name: 'attention', elementType: 1, shape: [null, null] },
    ]);
    expect(externalData).to.equal(false);
  });

  it('finds the size of the vocabulary where ids are looked up', async () => {
    const tokenizer = JSON.parse(
      await readFile(join(FIXTURES, 'tiny-text', 'tokenizer.json'), 'utf8'),
    ) as { model: { vocab: Record<string, number> } };
    const words = Object.keys(tokenizer.model.vocab).length;
    expect((await graph('tiny-text')).vocabulary).to.equal(words);
    expect((await graph('tiny-conv')).vocabulary).to.equal(words);
    // Its table is computed.
    expect((await graph('bench-encoder')).vocabulary).to.equal(undefined);
  });

  it('reads a shipped model whose weights are megabytes', async () => {
    const file = join(packageRoot(), 'models', 'text-bilstm', 'model.int8.onnx');
    const { outputs, vocabulary } = await readOnnxGraph(file);
    expect(outputs.map(({ name }) => name)).to.include('logits');
    expect(vocabulary).to.be.above(1_000);
  });

  it('says what is no model', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'emotion-onnx-'));
    const bytes = await readFile(join(FIXTURES, 'tiny-text', 'model.onnx'));
    const file = join(folder, 'model.onnx');
    try {
      for (const wrong of [Buffer.alloc(0), Buffer.from('<html>'), bytes.subarray(0, 1_000)]) {
        await writeFile(file, wrong);
        const error: unknown = await readOnnxGraph(file).catch((thrown: unknown) => thrown);
        expect(error, `${wrong.length} bytes`).to.be.instanceOf(Error);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
