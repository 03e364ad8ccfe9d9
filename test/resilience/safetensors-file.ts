/** A file in the safetensors format, for tests: what Python's `safetensors.numpy.save` writes. */
export function safetensorsFile(
  tensors: Readonly<Record<string, { shape: readonly number[]; data: Float32Array | Int8Array }>>,
  metadata: Readonly<Record<string, string>> = {},
): Buffer {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const bodies: Buffer[] = [];
  let at = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const dtype = data instanceof Float32Array ? 'F32' : 'I8';
    header[name] = { dtype, shape, data_offsets: [at, at + data.byteLength] };
    bodies.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    at += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...bodies]);
}
