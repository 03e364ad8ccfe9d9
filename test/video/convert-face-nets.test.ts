import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import * as ort from 'onnxruntime-web/wasm';
import { packageRoot } from '../../lib/models/package-root';

interface Converter {
  tfjsToOnnx(path: string, name: string, outputs: Record<string, string>): Buffer;
  windowing(
    padding: string,
    size: number,
    window: number,
    stride: number,
    dilation?: number,
  ): { size: number; before: number; after: number };
  permute(
    data: Float32Array,
    shape: number[],
    order: number[],
  ): { data: Float32Array; dims: number[] };
}

interface GraphNode {
  name: string;
  op: string;
  input?: string[];
  attr?: Record<string, unknown>;
}

type Weights = Record<string, { shape: number[]; data: number[]; dtype?: 'int32' | 'float16' }>;

const text = (s: string): { s: string } => ({ s: Buffer.from(s).toString('base64') });
const list = (...i: number[]): { list: { i: string[] } } => ({ list: { i: i.map(String) } });

/** Values that differ from place to place and are exact in float16. */
const pattern = (count: number, seed = 1): number[] =>
  Array.from({ length: count }, (_, i) => (((i * 37 + seed * 11) % 23) - 11) / 8);

/** Picks `[row, column, channel]` of a dense `[1, h, w, c]` array, 0 outside. */
const pick = (
  data: ArrayLike<number>,
  [h, w, c]: readonly [number, number, number],
  y: number,
  x: number,
  k: number,
): number => (y < 0 || x < 0 || y >= h || x >= w ? 0 : data[(y * w + x) * c + k]!);

describe('converting TensorFlow.js graphs to ONNX', function () {
  this.timeout(120_000);
  let folder: string;
  let converter: Converter;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'convert-'));
    const file = join(packageRoot(), 'training/face/convert/tfjs-to-onnx.mjs');
    converter = (await import(pathToFileURL(file).href)) as Converter;
    ort.env.wasm.numThreads = 1;
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** Writes a graph model, converts it and runs it on an input `[1, h, w, c]`. */
  async function run(
    nodes: readonly GraphNode[],
    weights: Weights,
    shape: readonly [number, number, number],
    input: readonly number[],
  ): Promise<{ dims: readonly number[]; data: Float32Array }> {
    const parts = Object.values(weights).map(({ data, dtype }) =>
      dtype === 'int32'
        ? Buffer.from(Int32Array.from(data).buffer)
        : dtype === 'float16'
          ? Buffer.from(Uint16Array.from(data, half).buffer)
          : Buffer.from(Float32Array.from(data).buffer),
    );
    const placeholder = {
      name: 'input',
      op: 'Placeholder',
      attr: { shape: { shape: { dim: [-1, ...shape].map((d) => ({ size: String(d) })) } } },
    };
    const model = {
      format: 'graph-model',
      modelTopology: { node: [placeholder, ...nodes] },
      signature: { outputs: { result: { name: `${nodes.at(-1)!.name}:0` } } },
      weightsManifest: [
        {
          paths: ['weights.bin'],
          weights: Object.entries(weights).map(([name, { shape: dims, dtype }]) => ({
            name,
            shape: dims,
            dtype: dtype === 'int32' ? 'int32' : 'float32',
            ...(dtype === 'float16' && { quantization: { dtype: 'float16' } }),
          })),
        },
      ],
    };
    await writeFile(join(folder, 'model.json'), JSON.stringify(model));
    await writeFile(join(folder, 'weights.bin'), Buffer.concat(parts));
    const file = converter.tfjsToOnnx(join(folder, 'model.json'), 'test', { out: 'result' });
    const session = await ort.InferenceSession.create(file);
    const tensor = new ort.Tensor('float32', Float32Array.from(input), [1, ...shape]);
    const { out } = await session.run({ input: tensor });
    await session.release();
    return { dims: out!.dims, data: out!.data as Float32Array };
  }

  /** Bits of a number that float16 holds exactly: the multiples of 1/8 that `pattern` gives. */
  function half(value: number): number {
    if (value === 0) return 0;
    const exponent = Math.floor(Math.log2(Math.abs(value)));
    const fraction = Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024);
    return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
  }

  for (const [padding, stride] of [
    ['SAME', 1],
    ['SAME', 2],
    ['VALID', 2],
  ] as const) {
    it(`convolves with ${padding} padding and stride ${stride}, adds a bias and cuts below zero`, async () => {
      const shape = [6, 5, 2] as const;
      const [input, kernel, bias] = [pattern(60), pattern(3 * 3 * 2 * 4, 2), [0.5, -0.25, 0, 1]];
      const { dims, data } = await run(
        [
          {
            name: 'conv',
            op: '_FusedConv2D',
            input: ['input', 'kernel', 'bias'],
            attr: {
              strides: list(1, stride, stride, 1),
              padding: text(padding),
              fused_ops: { list: { s: [text('BiasAdd').s, text('Relu').s] } },
            },
          },
        ],
        {
          kernel: { shape: [3, 3, 2, 4], data: kernel, dtype: 'float16' },
          bias: { shape: [4], data: bias },
        },
        shape,
        input,
      );
      const rows = converter.windowing(padding, 6, 3, stride);
      const columns = converter.windowing(padding, 5, 3, stride);
      expect(dims).to.deep.equal([1, rows.size, columns.size, 4]);
      for (let y = 0; y < rows.size; y++) {
        for (let x = 0; x < columns.size; x++) {
          for (let o = 0; o < 4; o++) {
            let sum = bias[o]!;
            for (let dy = 0; dy < 3; dy++) {
              for (let dx = 0; dx < 3; dx++) {
                for (let c = 0; c < 2; c++) {
                  const at = [y * stride + dy - rows.before, x * stride + dx - columns.before];
                  sum +=
                    pick(input, shape, at[0]!, at[1]!, c) *
                    kernel[((dy * 3 + dx) * 2 + c) * 4 + o]!;
                }
              }
            }
            expect(pick(data, [rows.size, columns.size, 4], y, x, o)).to.be.closeTo(
              Math.max(0, sum),
              1e-5,
            );
          }
        }
      }
    });
  }

  it('convolves each channel by itself, with a padding node in front', async () => {
    const shape = [4, 4, 3] as const;
    const [input, kernel] = [pattern(48), pattern(2 * 2 * 3, 5)];
    const { dims, data } = await run(
      [
        { name: 'pad', op: 'Pad', input: ['input', 'paddings'] },
        {
          name: 'conv',
          op: 'DepthwiseConv2dNative',
          input: ['pad', 'kernel'],
          attr: { strides: list(1, 1, 1, 1), padding: text('VALID') },
        },
      ],
      {
        paddings: { shape: [4, 2], data: [0, 0, 1, 0, 0, 1, 0, 0], dtype: 'int32' },
        kernel: { shape: [2, 2, 3, 1], data: kernel },
      },
      shape,
      input,
    );
    expect(dims).to.deep.equal([1, 4, 4, 3]);
    for (let y = 0; y < 4; y++) {
      for (let x = 0; x < 4; x++) {
        for (let c = 0; c < 3; c++) {
          let sum = 0;
          for (let dy = 0; dy < 2; dy++) {
            for (let dx = 0; dx < 2; dx++) {
              sum += pick(input, shape, y + dy - 1, x + dx, c) * kernel[(dy * 2 + dx) * 3 + c]!;
            }
          }
          expect(pick(data, [4, 4, 3], y, x, c)).to.be.closeTo(sum, 1e-5);
        }
      }
    }
  });

  it('pads channels, adds a constant a channel, and bends below zero by a slope a channel', async () => {
    const input = pattern(8);
    const { dims, data } = await run(
      [
        { name: 'wide', op: 'Pad', input: ['input', 'paddings'] },
        { name: 'sum', op: 'AddV2', input: ['wide', 'bias'] },
        { name: 'bent', op: 'Prelu', input: ['sum', 'slope'] },
      ],
      {
        paddings: { shape: [4, 2], data: [0, 0, 0, 0, 0, 0, 0, 1], dtype: 'int32' },
        bias: { shape: [3], data: [0.25, -0.5, -2] },
        slope: { shape: [1, 1, 3], data: [0.5, 0.25, 2] },
      },
      [2, 2, 2],
      input,
    );
    expect(dims).to.deep.equal([1, 2, 2, 3]);
    const bend = (value: number, slope: number): number => (value < 0 ? value * slope : value);
    for (let i = 0; i < 4; i++) {
      expect(data[i * 3]).to.be.closeTo(bend(input[i * 2]! + 0.25, 0.5), 1e-6);
      expect(data[i * 3 + 1]).to.be.closeTo(bend(input[i * 2 + 1]! - 0.5, 0.25), 1e-6);
      expect(data[i * 3 + 2]).to.be.closeTo(-4, 1e-6);
    }
  });

  it('takes the largest of each window and adds a branch to another', async () => {
    const input = Array.from({ length: 16 }, (_, i) => (i * 7) % 16);
    const pooling = { ksize: list(1, 2, 2, 1), strides: list(1, 2, 2, 1), padding: text('VALID') };
    const { data } = await run(
      [
        { name: 'pool', op: 'MaxPool', input: ['input'], attr: pooling },
        { name: 'twice', op: 'AddV2', input: ['pool', 'pool:0'] },
      ],
      {},
      [4, 4, 1],
      input,
    );
    const largest = [0, 2, 8, 10].map((at) => Math.max(...[0, 1, 4, 5].map((d) => input[at + d]!)));
    expect([...data]).to.deep.equal(largest.map((value) => value * 2));
  });

  it('enlarges with half-pixel centres', async () => {
    const { dims, data } = await run(
      [
        {
          name: 'up',
          op: 'ResizeBilinear',
          input: ['input', 'size'],
          attr: { half_pixel_centers: { b: true }, align_corners: { b: false } },
        },
      ],
      { size: { shape: [2], data: [2, 4], dtype: 'int32' } },
      [1, 2, 1],
      [0, 8],
    );
    expect(dims).to.deep.equal([1, 2, 4, 1]);
    expect([...data]).to.deep.equal([0, 2, 6, 8, 0, 2, 6, 8]);
  });

  it('turns depth into space, flattens channels last and joins', async () => {
    const input = pattern(2 * 1 * 4);
    const shape = { shape: [3], data: [-1, 8, 1], dtype: 'int32' as const };
    const { dims, data } = await run(
      [
        { name: 'wide', op: 'DepthToSpace', input: ['input'], attr: { block_size: { i: '2' } } },
        { name: 'flat', op: 'Reshape', input: ['wide', 'shape'] },
        { name: 'both', op: 'ConcatV2', input: ['flat', 'flat', 'axis'] },
      ],
      { shape, axis: { shape: [], data: [-1], dtype: 'int32' } },
      [2, 1, 4],
      input,
    );
    expect(dims).to.deep.equal([1, 8, 2]);
    // A pixel's four channels become a square of two by two, row by row.
    const flat = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => input[i]!);
    expect([...data]).to.deep.equal(flat.flatMap((value) => [value, value]));
  });

  it('names an operator that it does not know', async () => {
    const nodes = [{ name: 'odd', op: 'FloorMod', input: ['input'] }];
    const error = await run(nodes, {}, [1, 1, 1], [0]).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(Error).with.property('message').that.includes('FloorMod');
  });

  it('places SAME windows as TensorFlow does: the odd pixel of padding behind', () => {
    expect(converter.windowing('SAME', 192, 3, 2)).to.deep.equal({ size: 96, before: 0, after: 1 });
    expect(converter.windowing('SAME', 7, 5, 1)).to.deep.equal({ size: 7, before: 2, after: 2 });
    expect(converter.windowing('SAME', 9, 3, 1, 2)).to.deep.equal({ size: 9, before: 2, after: 2 });
    expect(converter.windowing('VALID', 8, 3, 2)).to.deep.equal({ size: 3, before: 0, after: 0 });
  });

  it('reorders axes', () => {
    const { data, dims } = converter.permute(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], [1, 0]);
    expect(dims).to.deep.equal([3, 2]);
    expect([...data]).to.deep.equal([1, 4, 2, 5, 3, 6]);
  });
});
