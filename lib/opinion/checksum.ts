import * as zlib from 'node:zlib';

/** `zlib.crc32` came with Node 20.15 and 22.2. */
const { crc32 } = zlib as { crc32?: (data: Uint8Array) => number };

const TABLE = Uint32Array.from({ length: 256 }, (_unused, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return value;
});

/** CRC-32 (ISO 3309, as in gzip) as eight hexadecimal digits. */
export function checksum(data: Uint8Array): string {
  return (crc32?.(data) ?? crc32InTable(data)).toString(16).padStart(8, '0');
}

/** The same number without help of the host. */
export function crc32InTable(data: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of data) value = (value >>> 8) ^ TABLE[(value ^ byte) & 0xff]!;
  return (value ^ 0xffffffff) >>> 0;
}
