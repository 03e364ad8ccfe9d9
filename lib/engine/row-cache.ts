import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Tensor } from '../emotion/sample';
import type { PreparedRow } from './rows';

export type RowOutputs = Readonly<Record<string, Tensor>>;

/**
 * Outputs of rows that ran before, by what went into the model. A cache belongs to one engine, so
 * to one model hash and one precision; within it a row's input tensors are the key, which is as
 * good as the normalised text, because equal normalised texts have equal token ids.
 */
export class RowCache {
  readonly #rows: LRUCache<string, RowOutputs> | undefined;

  /** @param entries the most rows to remember; 0 remembers none */
  constructor(entries: number) {
    this.#rows = entries > 0 ? new LRUCache({ max: entries }) : undefined;
  }

  get enabled(): boolean {
    return this.#rows !== undefined;
  }

  get size(): number {
    return this.#rows?.size ?? 0;
  }

  get(key: string): RowOutputs | undefined {
    return this.#rows?.get(key);
  }

  set(key: string, outputs: RowOutputs): void {
    this.#rows?.set(key, outputs);
  }

  clear(): void {
    this.#rows?.clear();
  }
}

/** Bytes of a row that are its key themselves; a digest takes longer to make. */
const LONGEST_KEY = 4096;

/** What tells a row's input tensors apart: names, shapes and bytes, or a digest of these. */
export function rowKey({ tensors }: PreparedRow): string {
  let key = '';
  for (const name of Object.keys(tensors)) {
    const { dims, data } = tensors[name]!;
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (key.length + bytes.length > LONGEST_KEY) return digest(tensors);
    key += `${name}:${dims.join(',')};${bytes.toString('latin1')}`;
  }
  return key;
}

function digest(tensors: PreparedRow['tensors']): string {
  const hash = createHash('sha256');
  for (const [name, { dims, data }] of Object.entries(tensors)) {
    hash.update(`${name}:${dims.join(',')};`);
    hash.update(data);
  }
  return hash.digest('base64');
}
