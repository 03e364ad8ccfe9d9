import { expect } from 'chai';
import fc from 'fast-check';
import { batchMessages, pickBatch } from '../../lib/engine/batch';
import { halfToNumber } from '../../lib/engine/half-float';
import type { BatchRequest } from '../../lib/engine/protocol';
import { prepareRow, splitRow, type PreparedRow } from '../../lib/engine/rows';
import { EmotionError } from '../../lib/emotion/error';
import type { Tensor, TensorType, VideoSample } from '../../lib/emotion/sample';
import { checkSample } from '../../lib/engine/rows';
import type { Manifest } from '../../lib/models/manifest';
import { fixture, idsSample, textSample } from './samples';

/** A manifest of which only inputs, outputs and id matter here. */
function manifestOf(inputs: Manifest['inputs'], outputs: Manifest['outputs'] = {}): Manifest {
  return { id: 'test', inputs, outputs } as unknown as Manifest;
}

/** What the session process makes of the parts of a batch. */
function assemble(messages: BatchRequest[]): Record<string, { dims: number[]; values: number[] }> {
  const buffers = new Map<string, { type: TensorType; dims: number[]; bytes: Uint8Array }>();
  const bytesOf: Partial<Record<TensorType, number>> = { float32: 4, int64: 8, uint8: 1 };
  for (const { inputs, pieces } of messages) {
    for (const [name, { type, dims }] of Object.entries(inputs ?? {})) {
      const count = dims.reduce((a, b) => a * b, 1);
      const bytes = new Uint8Array(count * bytesOf[type]!).fill(0xee);
      buffers.set(name, { type, dims: [...dims], bytes });
    }
    for (const { input, offset, bytes } of pieces) buffers.get(input)!.bytes.set(bytes, offset);
  }
  const result: Record<string, { dims: number[]; values: number[] }> = {};
  for (const [name, { type, dims, bytes }] of buffers) {
    const { buffer } = bytes;
    const values =
      type === 'float32'
        ? Array.from(new Float32Array(buffer))
        : type === 'int64'
          ? Array.from(new BigInt64Array(buffer), Number)
          : Array.from(bytes);
    result[name] = { dims, values };
  }
  return result;
}

describe('pickBatch', () => {
  it('takes the row that waits longest and those nearest to it in length', () => {
    expect(pickBatch([10, 90, 12, 80, 11], 3)).to.deep.equal([0, 4, 2]);
    expect(pickBatch([85, 90, 12, 80, 11], 3)).to.deep.equal([3, 0, 1]);
  });

  it('fills a batch with rows of the same length', () => {
    expect(pickBatch(new Array<number>(50).fill(12), 32)).to.have.length(32);
  });

  it('leaves short rows out when a long one would make each of them as expensive as itself', () => {
    expect(pickBatch([500, ...new Array<number>(31).fill(8)], 32)).to.deep.equal([0]);
    expect(pickBatch([8, ...new Array<number>(30).fill(8), 500], 32)).to.have.length(31);
  });

  it('never lets the oldest row wait, and needs less work for more content than its neighbours', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 12 }), (all, maxBatch) => {
        const picked = pickBatch(all, maxBatch);
        expect(picked).to.include(0);
        expect(new Set(picked).size).to.equal(picked.length);
        expect(picked.length).to.be.at.most(maxBatch);
        const share = (rows: number[]) => {
          const content = rows.reduce((sum, row) => sum + all[row]!, 0);
          return content / (rows.length * Math.max(...rows.map((row) => all[row]!)) + 4 * all[0]!);
        };
        const sorted = all.map((_, row) => row).sort((a, b) => all[a]! - all[b]!);
        for (let from = 0; from < sorted.length; from += 1) {
          for (let to = from + 1; to <= Math.min(sorted.length, from + maxBatch); to += 1) {
            const other = sorted.slice(from, to);
            if (other.includes(0)) expect(share(picked)).to.be.at.least(share(other) - 1e-12);
          }
        }
      }),
    );
  });
});

describe('batchMessages', () => {
  it('fills rows up to the longest with each input’s own padding, whatever the part size', () => {
    const manifest = manifestOf({
      ids: { type: 'int64', shape: ['batch', 'tokens'], padding: 7 },
      mask: { type: 'int64', shape: ['batch', 'tokens'], padding: 0 },
    });
    const rows = fc.array(
      fc.array(fc.integer({ min: 10, max: 99 }), { minLength: 1, maxLength: 9 }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(rows, fc.integer({ min: 8, max: 400 }), (lists, pieceBytes) => {
        const tensor = (values: number[]) => ({
          dims: [values.length],
          data: BigInt64Array.from(values, BigInt),
        });
        const prepared: PreparedRow[] = lists.map((list) => ({
          tensors: { ids: tensor(list), mask: tensor(list.map(() => 1)) },
          lengths: { tokens: list.length },
        }));
        const messages = [...batchMessages(5, prepared, manifest, pieceBytes)];
        expect(messages.filter(({ last }) => last)).to.deep.equal([messages.at(-1)]);
        for (const { pieces } of messages) {
          const bytes = pieces.reduce((sum, piece) => sum + piece.bytes.byteLength, 0);
          expect(bytes).to.be.at.most(pieceBytes);
        }
        const longest = Math.max(...lists.map(({ length }) => length));
        const fill = (list: number[], value: number) =>
          Array.from({ length: longest }, (_, column) => list[column] ?? value);
        expect(assemble(messages)).to.deep.equal({
          ids: { dims: [lists.length, longest], values: lists.flatMap((list) => fill(list, 7)) },
          mask: {
            dims: [lists.length, longest],
            values: lists.flatMap((list) =>
              fill(
                list.map(() => 1),
                0,
              ),
            ),
          },
        });
      }),
    );
  });

  it('fills the middle and the last dimension too', () => {
    const manifest = manifestOf({
      x: { type: 'float32', shape: ['batch', 2, 'time'], padding: -1 },
    });
    const row = (values: number[], time: number): PreparedRow => ({
      tensors: { x: { dims: [2, time], data: Float32Array.from(values) } },
      lengths: { time },
    });
    const messages = [
      ...batchMessages(1, [row([1, 2, 3, 4], 2), row([5, 6, 7, 8, 9, 10], 3)], manifest, 1 << 20),
    ];
    expect(assemble(messages)).to.deep.equal({
      x: { dims: [2, 2, 3], values: [1, 2, -1, 3, 4, -1, 5, 6, 7, 8, 9, 10] },
    });
  });

  it('sends a row as it lies in memory when it needs no filling', () => {
    const manifest = manifestOf({ x: { type: 'float32', shape: ['batch', 1000], padding: 0 } });
    const data = new Float32Array(3000).map((_, index) => index);
    const sample: VideoSample = {
      modality: 'video',
      model: 'test',
      tensors: { x: { type: 'float32', dims: [3, 1000], data } },
      segments: [{}, {}, {}],
      source: {},
    };
    const rows = [0, 1, 2].map((row) => prepareRow(sample, row, manifest));
    const messages = [...batchMessages(1, rows, manifest, 1000)];
    expect(messages).to.have.length(12);
    expect(messages[0]!.pieces[0]!.bytes.buffer).to.equal(data.buffer);
    expect(assemble(messages)['x']!.values).to.deep.equal(Array.from(data));
  });
});

describe('rows', () => {
  it('lose the filling that brought them to the longest of their sample', async () => {
    const model = await fixture('tiny-text');
    const sample = textSample(['i am very happy', 'sad'], model);
    const { tensors, lengths } = prepareRow(sample, 1, model.manifest);
    expect(lengths).to.deep.equal({ tokens: 3 });
    expect(tensors['input_ids']!.data).to.have.length(3);
    expect(tensors['attention_mask']!.dims).to.deep.equal([3]);
  });

  it('are cut in the middle as well', () => {
    const manifest = manifestOf({
      x: { type: 'uint8', shape: ['batch', 2, 'tokens'], padding: 0 },
    });
    const sample = {
      ...idsSampleShell(),
      tensors: {
        x: { type: 'uint8', dims: [1, 2, 3], data: Uint8Array.from([1, 2, 0, 3, 4, 0]) } as Tensor,
      },
      segments: [{ tokens: ['a', 'b'] }],
    };
    const { tensors } = prepareRow(sample, 0, manifest);
    expect(tensors['x']).to.deep.equal({ dims: [2, 2], data: Uint8Array.from([1, 2, 3, 4]) });
  });

  it('get their own outputs back, trimmed to their own length', () => {
    const manifest = manifestOf(
      {},
      {
        logits: { kind: 'logits', shape: ['batch', 2] },
        attention: { kind: 'token-weights', shape: ['batch', 'tokens'] },
      },
    );
    const outputs: Record<string, Tensor> = {
      logits: { type: 'float32', dims: [2, 2], data: Float32Array.from([1, 2, 3, 4]) },
      attention: { type: 'float32', dims: [2, 3], data: Float32Array.from([5, 6, 7, 8, 9, 0]) },
    };
    expect(splitRow(outputs, 1, { tokens: 2 }, manifest)).to.deep.equal({
      logits: { type: 'float32', dims: [1, 2], data: Float32Array.from([3, 4]) },
      attention: { type: 'float32', dims: [1, 2], data: Float32Array.from([8, 9]) },
    });
  });
});

function idsSampleShell(): Omit<VideoSample, 'tensors' | 'segments'> {
  return { modality: 'video', model: 'test', source: {} };
}

describe('checkSample', () => {
  async function failure(change: (tensors: Record<string, Tensor>) => unknown) {
    const model = await fixture('tiny-text');
    const sample = idsSample(
      [
        [2, 8, 3],
        [2, 3],
      ],
      model,
    );
    const changed = { ...sample, ...(change({ ...sample.tensors }) as object) };
    try {
      checkSample(changed, model.manifest);
    } catch (error) {
      return error as EmotionError;
    }
    throw new Error('it was accepted');
  }

  it('refuses a sample that was prepared for another model', async () => {
    const error = await failure(() => ({ model: 'text-zh-bert' }));
    expect(error.code).to.equal('input.wrong-model');
    expect(error.details).to.deep.equal({ expected: 'tiny-text', got: 'text-zh-bert' });
  });

  it('refuses what no preprocess node made', async () => {
    const { manifest } = await fixture('tiny-text');
    for (const value of [undefined, null, 7, 'happy', [], {}, { label: 'happy' }]) {
      expect(() => checkSample(value as never, manifest))
        .to.throw(EmotionError)
        .with.property('code', 'input.not-a-sample');
    }
  });

  it('says which tensor is missing, or of another type, shape or size', async () => {
    const ids = { type: 'int64', dims: [2, 3], data: new BigInt64Array(6) };
    const cases: [string, unknown, RegExp][] = [
      ['missing', undefined, /a tensor "input_ids", got attention_mask/],
      ['type', { ...ids, type: 'int32' }, /of type int64, got int32/],
      ['null', null, /a tensor "input_ids"/],
      ['no shape', { ...ids, dims: undefined }, /got none/],
      ['json', { ...ids, data: { 0: '2' } }, /got undefined in Object/],
      ['rows', { ...ids, dims: [3, 2] }, /shape \[batch = 2, tokens\], got \[3,2\]/],
      ['rank', { ...ids, dims: [6] }, /got \[6\]/],
      ['empty', { ...ids, dims: [2, 0], data: new BigInt64Array(0) }, /got \[2,0\]/],
      ['length', { ...ids, data: new BigInt64Array(5) }, /6 elements in a BigInt64Array, got 5/],
      ['array', { ...ids, data: new Int32Array(6) }, /got 6 in Int32Array/],
    ];
    for (const [name, tensor, message] of cases) {
      const error = await failure(({ attention_mask }) => ({
        tensors: { attention_mask, ...(tensor !== undefined && { input_ids: tensor }) },
      }));
      expect(error.code, name).to.equal('input.not-a-sample');
      expect(error.message, name).to.match(message);
    }
  });
});

describe('halfToNumber', () => {
  it('reads IEEE 754 binary16', () => {
    // Values from the standard's own examples: smallest subnormal, largest subnormal, smallest
    // normal, nearest to 1/3, largest below one, one, largest normal.
    const values: [number, number][] = [
      [0x0001, 2 ** -24],
      [0x03ff, 2 ** -14 - 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3555, 0.333251953125],
      [0x3bff, 1 - 2 ** -11],
      [0x3c00, 1],
      [0x7bff, 65504],
      [0xc000, -2],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
    ];
    for (const [bits, value] of values) expect(halfToNumber(bits)).to.equal(value);
    expect(Number.isNaN(halfToNumber(0x7e00))).to.equal(true);
  });
});
