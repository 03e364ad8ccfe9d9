/**
 * MurmurHash3_x86_32 (Austin Appleby, public domain, "MurmurHash3.cpp" in SMHasher), the hash of
 * scikit-learn's `HashingVectorizer` and `FeatureHasher`.
 *
 * @param bytes what is hashed lies at `from` (inclusive) to `to` (exclusive)
 * @returns a signed 32-bit integer, as `sklearn.utils.murmurhash3_32(key, seed=0)` gives
 *
 * @example murmurHash3(Buffer.from('hello'), 0, 5); // → 613153351
 */
export function murmurHash3(bytes: Uint8Array, from: number, to: number, seed = 0): number {
  const length = to - from;
  const tail = from + (length & ~3);
  let h = seed;
  for (let i = from; i < tail; i += 4) {
    const block = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    h ^= scramble(block);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  if ((length & 3) === 3) rest ^= bytes[tail + 2]! << 16;
  if ((length & 3) >= 2) rest ^= bytes[tail + 1]! << 8;
  if ((length & 3) >= 1) h ^= scramble(rest ^ bytes[tail]!);

  h ^= length;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function scramble(block: number): number {
  const k = Math.imul(block, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}
