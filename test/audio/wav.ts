/** A WAV file of mono samples: 16-bit integers or 32-bit floats (RIFF, little-endian). */
export function wavFile(
  samples: Float32Array,
  { sampleRateHz = 16_000, float = false } = {},
): Buffer {
  const data = float
    ? Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)
    : Buffer.from(Int16Array.from(samples, (value) => value * 32_767).buffer);
  const width = float ? 4 : 2;
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + data.length, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(float ? 3 : 1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(sampleRateHz, 24);
  header.writeUInt32LE(sampleRateHz * width, 28);
  header.writeUInt16LE(width, 32);
  header.writeUInt16LE(8 * width, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(data.length, 40);
  return Buffer.concat([header, data]);
}
