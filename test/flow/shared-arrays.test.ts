import { util } from '@node-red/util';
import { expect } from 'chai';
import { shareArrays } from '../../lib/flow/shared-arrays';

describe('shareArrays', () => {
  const sample = (length: number) => ({
    modality: 'video',
    tensors: { faces: { type: 'float32', dims: [length], data: new Float32Array(length).fill(1) } },
    segments: [{ landmarks: [[1, 2]] }],
    features: { picture: { width: 1, data: Buffer.alloc(4096, 7) } },
  });

  it('makes the copies of a message share large arrays of numbers, and nothing else', () => {
    const payload = sample(4096);
    shareArrays(payload);
    const copy = util.cloneMessage({ payload }).payload;
    expect(copy).not.to.equal(payload);
    expect(copy.tensors.faces).not.to.equal(payload.tensors.faces);
    expect(copy.tensors.faces.data).to.equal(payload.tensors.faces.data);
    expect(copy.tensors.faces.dims).to.deep.equal([4096]);
    expect(copy.tensors.faces.dims).not.to.equal(payload.tensors.faces.dims);
    expect(copy.segments).to.deep.equal(payload.segments);
    expect(copy.segments).not.to.equal(payload.segments);
    expect(Buffer.isBuffer(copy.features.picture.data)).to.equal(true);
  });

  it('reaches the samples of a list, a window of sound, and an array by itself', () => {
    const [listed, samples, numbers] = [
      sample(2048),
      new Float32Array(2048),
      new BigInt64Array(2048),
    ];
    const message = { list: [listed], sound: { samples, sampleRate: 16_000 }, numbers };
    for (const value of Object.values(message)) shareArrays(value);
    const copy = util.cloneMessage(message);
    expect(copy.list[0]!.tensors.faces.data).to.equal(listed.tensors.faces.data);
    expect(copy.sound.samples).to.equal(samples);
    expect(copy.numbers).to.equal(numbers);
  });

  it('leaves small arrays to be copied', () => {
    const payload = sample(7);
    shareArrays(payload);
    const { data } = util.cloneMessage({ payload }).payload.tensors.faces;
    expect(data).to.deep.equal(payload.tensors.faces.data);
    expect(data).not.to.equal(payload.tensors.faces.data);
  });

  it('changes neither the class, nor the elements, nor what another process gets', () => {
    const { data } = sample(2048).tensors.faces;
    shareArrays(data);
    expect(data).to.be.instanceOf(Float32Array);
    expect(Object.keys(data)).to.have.length(2048);
    const sent = structuredClone(data);
    expect(sent).to.deep.equal(new Float32Array(2048).fill(1));
    expect(() => shareArrays(data)).not.to.throw();
  });

  it('takes anything', () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const value of [
      undefined,
      null,
      1,
      'text',
      circular,
      new Date(),
      new DataView(new ArrayBuffer(4096)),
    ]) {
      expect(() => shareArrays(value)).not.to.throw();
    }
  });
});
