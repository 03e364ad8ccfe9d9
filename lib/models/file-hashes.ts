import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

interface Stamp {
  readonly size: number;
  readonly mtimeMs: number;
}

/** SHA-256 of files, remembered by path, size and time of change. */
export class FileHashes {
  readonly #known = new Map<string, Stamp & { readonly sha256: Promise<string> }>();

  /** The digest of a file in lower-case hexadecimal; reads it only when its size or time changed. */
  sha256(file: string, { size, mtimeMs }: Stamp): Promise<string> {
    const known = this.#known.get(file);
    if (known?.size === size && known.mtimeMs === mtimeMs) return known.sha256;
    const sha256 = digest(file);
    const entry = { size, mtimeMs, sha256 };
    this.#known.set(file, entry);
    sha256.catch(() => {
      if (this.#known.get(file) === entry) this.#known.delete(file);
    });
    return sha256;
  }
}

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}
