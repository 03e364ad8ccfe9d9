import { expect } from 'chai';
import fc from 'fast-check';
import { EmotionError } from '../../lib/emotion/error';
import { parseSafetensors } from '../../lib/resilience/safetensors';
import { safetensorsFile } from './safetensors-file';

/** `safetensors.numpy.save({'weight': int8 [[1, -2], [3, 4]], 'bias': float32 [.5, -1.25]}, …)` */
const WRITTEN_BY_PYTHON = Buffer.from(
  'mAAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJlbW90aW9uIjoie30ifSwiYmlhcyI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIj' +
    'pbMl0sImRhdGFfb2Zmc2V0cyI6WzAsOF19LCJ3ZWlnaHQiOnsiZHR5cGUiOiJJOCIsInNoYXBlIjpbMiwyXSwiZGF0YV9v' +
    'ZmZzZXRzIjpbOCwxMl19fSAgIAAAAD8AAKC/Af4DBA==',
  'base64',
);

describe('safetensors', () => {
  it('reads what the reference implementation writes', () => {
    const { metadata, tensors } = parseSafetensors(WRITTEN_BY_PYTHON, 'a.safetensors');
    expect(metadata).to.deep.equal({ emotion: '{}' });
    expect(tensors.get('weight')).to.deep.equal({
      dtype: 'I8',
      shape: [2, 2],
      data: Int8Array.of(1, -2, 3, 4),
    });
    expect(tensors.get('bias')).to.deep.equal({
      dtype: 'F32',
      shape: [2],
      data: Float32Array.of(0.5, -1.25),
    });
  });

  it('reads a file that starts anywhere in memory', () => {
    const moved = Buffer.concat([Buffer.alloc(3), WRITTEN_BY_PYTHON]).subarray(3);
    expect([...(parseSafetensors(moved, 'a').tensors.get('bias')?.data ?? [])]).to.deep.equal([
      0.5, -1.25,
    ]);
  });

  const tensor = (entry: unknown): Buffer => {
    const header = Buffer.from(JSON.stringify({ weight: entry }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    return Buffer.concat([length, header, Buffer.alloc(16)]);
  };
  const cases: readonly [string, Buffer, string][] = [
    ['an empty file', Buffer.alloc(0), 'at least 8 bytes'],
    [
      'a header longer than the file',
      Buffer.from('ffff000000000000ff', 'hex'),
      'a header that fits',
    ],
    ['a header of 2^64 − 1 bytes', Buffer.alloc(16, 0xff), 'a header that fits'],
    [
      'a header that is no JSON',
      Buffer.from('0200000000000000' + '7b7b', 'hex'),
      'a header in JSON',
    ],
    ['a header that is no object', Buffer.from('0200000000000000' + '5b5d', 'hex'), 'an object'],
    ['a tensor that is nothing', tensor(null), 'a description of "weight"'],
    ['another type', tensor({ dtype: 'F64', shape: [2], data_offsets: [0, 16] }), 'F32 or I8'],
    ['a broken shape', tensor({ dtype: 'I8', shape: [-4], data_offsets: [0, 4] }), 'whole numbers'],
    ['no place', tensor({ dtype: 'I8', shape: [4] }), 'whole numbers'],
    ['a place outside', tensor({ dtype: 'I8', shape: [32], data_offsets: [0, 32] }), '32 bytes'],
    ['another length', tensor({ dtype: 'F32', shape: [2], data_offsets: [0, 4] }), '8 bytes'],
    [
      'a huge shape',
      tensor({ dtype: 'I8', shape: [2 ** 52, 2 ** 52], data_offsets: [0, 4] }),
      'bytes of',
    ],
  ];
  for (const [what, bytes, expected] of cases) {
    it(`refuses ${what}`, () => {
      expect(() => parseSafetensors(bytes, 'model.safetensors'))
        .to.throw(EmotionError, expected)
        .with.property('code', 'model.load-failed');
    });
  }

  it('refuses or reads any bytes, but never fails otherwise', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(WRITTEN_BY_PYTHON.length),
        (noise, at) => {
          const broken = Buffer.from(WRITTEN_BY_PYTHON);
          broken.set(noise.subarray(0, broken.length - at), at);
          for (const bytes of [noise, broken]) {
            try {
              parseSafetensors(bytes, 'x');
            } catch (error) {
              expect(error).to.be.instanceOf(EmotionError);
            }
          }
        },
      ),
    );
  });

  it('reads what the tests write', () => {
    const file = safetensorsFile({ a: { shape: [2], data: Float32Array.of(1, 2) } }, { k: 'v' });
    expect(parseSafetensors(file, 'x').metadata).to.deep.equal({ k: 'v' });
  });
});
