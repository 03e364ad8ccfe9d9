import { createHash, randomUUID } from 'node:crypto';
import { EmotionError } from '../emotion/error';

/** Something to be kept, under the key that tells it from others. */
export interface KeyedItem {
  readonly key: string;
  readonly value: unknown;
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** Packets without ids whose contents are remembered. */
const REMEMBERED = 10_000;

/** What an item calls itself, by its property `id`; undefined where it has no name. */
export function ownKey(value: unknown): string | undefined {
  const { id } = (value ?? {}) as { readonly id?: unknown };
  if (typeof id === 'number') return String(id);
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/**
 * Makes items of MQTT packets: of a JSON object itself, of an array of objects each of them, of
 * anything else `{ text }`; with `topic`, unless there is one, and `received` (ms).
 *
 * An item with an `id` has that as its key. Two packets without one are two items although they say the
 * same, unless the second is a repetition (DUP) of one that has been taken.
 */
export class MqttItems {
  /** Contents of packets without ids. */
  readonly #seen = new Set<string>();

  constructor(
    /** Bytes that a packet may have. */
    private readonly mostBytes: number,
    private readonly now: () => number = () => Date.now(),
  ) {}

  /** Keys that were pending before a restart. */
  restore(keys: Iterable<string>): void {
    for (const key of keys) {
      const content = /^mqtt:([0-9a-f]{32}):/.exec(key)?.[1];
      if (content !== undefined) this.#remember(content);
    }
  }

  /** @throws EmotionError `input.too-large`, `input.unusable` for what is not UTF-8 */
  read(topic: string, payload: Uint8Array, dup: boolean): KeyedItem[] {
    if (payload.length > this.mostBytes) {
      throw new EmotionError(
        'input.too-large',
        `A packet on "${topic.slice(0, 80)}" has ${payload.length} bytes; ${this.mostBytes} are allowed`,
        { got: payload.length, limit: this.mostBytes },
      );
    }
    const values = this.#values(topic, payload);
    const nameless = values.some((value) => ownKey(value) === undefined);
    const content = nameless ? contentOf(topic, payload) : undefined;
    const repeated = dup && content !== undefined && this.#seen.has(content);
    if (content !== undefined) this.#remember(content);
    const packet = randomUUID().slice(0, 8);
    return values.flatMap((value, index) => {
      const key = ownKey(value);
      if (key !== undefined) return [{ key, value }];
      return repeated ? [] : [{ key: `mqtt:${content}:${packet}:${index}`, value }];
    });
  }

  #values(topic: string, payload: Uint8Array): object[] {
    let text: string;
    try {
      text = UTF_8.decode(payload);
    } catch (cause) {
      throw new EmotionError(
        'input.unusable',
        `A packet on "${topic.slice(0, 80)}" is not UTF-8`,
        { expected: 'UTF-8', got: `${payload.length} bytes` },
        { cause },
      );
    }
    const received = this.now();
    const items = objectsIn(text) ?? [{ text }];
    return items.map((item) => ({ topic, received, ...item }));
  }

  #remember(content: string): void {
    this.#seen.delete(content);
    this.#seen.add(content);
    if (this.#seen.size <= REMEMBERED) return;
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest);
      break;
    }
  }
}

function objectsIn(text: string): object[] | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const items: unknown[] = Array.isArray(value) ? value : [value];
  const areObjects = items.every(
    (item) => typeof item === 'object' && item !== null && !Array.isArray(item),
  );
  return areObjects ? (items as object[]) : undefined;
}

function contentOf(topic: string, payload: Uint8Array): string {
  const hash = createHash('sha256').update(topic).update('\0').update(payload);
  return hash.digest('hex').slice(0, 32);
}
