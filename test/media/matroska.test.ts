import { expect } from 'chai';
import { MatroskaReader, type Packet } from '../../lib/media/matroska';

/** An element with a size of four bytes. */
function element(id: number, ...parts: (Buffer | number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as Buffer)));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(0x10000000 + body.length);
  const name = id.toString(16);
  return Buffer.concat([
    Buffer.from(name.padStart(name.length + (name.length % 2), '0'), 'hex'),
    head,
    body,
  ]);
}

/** An element of unknown size, as a live stream has them: it ends where the stream does. */
const open = (id: number): Buffer =>
  Buffer.concat([Buffer.from(id.toString(16), 'hex'), Buffer.from([0xff])]);

const track = (number: number, type: number, ...more: Buffer[]): Buffer =>
  element(0xae, element(0xd7, [number]), element(0x83, [type]), ...more);

const block = (number: number, time: number, data: Buffer): Buffer =>
  element(0xa3, [0x80 + number, time >> 8, time & 255, 0x80], data);

describe('MatroskaReader', () => {
  const pixels = (seed: number): Buffer =>
    Buffer.from(Array.from({ length: 20 * 10 * 3 }, (_, i) => (i * seed) % 251));
  const samples = (seed: number): Buffer => {
    const values = Float32Array.from({ length: 50 }, (_, i) => Math.sin(seed * i));
    return Buffer.from(values.buffer);
  };
  const size = element(0xe0, element(0xb0, [20]), element(0xba, [10]));
  const stream = Buffer.concat([
    element(0x1a45dfa3, Buffer.from('an EBML header')),
    open(0x18538067),
    element(0x1654ae6b, track(1, 2), track(2, 1, size)),
    open(0x1f43b675),
    element(0xe7, [0x07, 0xd0]),
    block(1, 0, samples(1)),
    block(2, 40, pixels(3)),
    block(7, 41, Buffer.from('of a track that nobody has told of')),
    open(0x1f43b675),
    element(0xe7, [0x0b, 0xb8]),
    block(2, 5, pixels(7)),
    block(1, 6, samples(2)),
  ]);
  const expected = [
    { kind: 'audio', time: 2, width: 0, height: 0, data: samples(1) },
    { kind: 'video', time: 2.04, width: 20, height: 10, data: pixels(3) },
    { kind: 'video', time: 3.005, width: 20, height: 10, data: pixels(7) },
    { kind: 'audio', time: 3.006, width: 0, height: 0, data: samples(2) },
  ];

  for (const length of [1, 2, 3, 7, 64, 601, stream.length]) {
    it(`reads the same out of pieces of ${length} bytes`, () => {
      const reader = new MatroskaReader();
      const packets: Packet[] = [];
      for (let at = 0; at < stream.length; at += length) {
        const piece = Buffer.from(stream.subarray(at, at + length));
        packets.push(...reader.push(piece));
        // What was handed over belongs to its sender again.
        piece.fill(0);
      }
      expect(
        packets.map((packet) => ({ ...packet, data: Buffer.from(packet.data) })),
      ).to.deep.equal(expected);
      for (const { kind, data } of packets) {
        if (kind === 'audio') expect(data.byteOffset).to.equal(0);
      }
    });
  }
});
