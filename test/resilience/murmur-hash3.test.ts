import { expect } from 'chai';
import { murmurHash3 } from '../../lib/resilience/murmur-hash3';

describe('MurmurHash3', () => {
  it('gives what sklearn.utils.murmurhash3_32 gives', () => {
    const reference: [string, number][] = [
      ['', 0],
      ['a', 1009084850],
      ['ab', -1681926305],
      ['abc', -1277324294],
      ['abcd', 1139631978],
      ['hello', 613153351],
      ['很开心', -1470500522],
      ['😀', -1095487750],
    ];
    for (const [text, hash] of reference) {
      const bytes = Buffer.from(text);
      expect(murmurHash3(bytes, 0, bytes.length)).to.equal(hash);
    }
    expect(murmurHash3(Buffer.from('abc'), 0, 3, 42)).to.equal(1313807976);
  });

  it('hashes a part of a buffer', () => {
    expect(murmurHash3(Buffer.from('xxhelloyy'), 2, 7)).to.equal(613153351);
  });
});
