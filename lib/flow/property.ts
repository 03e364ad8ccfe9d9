import { EmotionError } from '../emotion/error';
import type { FlowMessage } from './message';
import { shareArrays } from './shared-arrays';

export type PropertyType = 'msg' | 'flow' | 'global';

/** A TypedInput: where a node reads its input and writes its result. */
export interface PropertyReference {
  readonly type: PropertyType;
  readonly path: string;
}

/** How the host reads and writes a property. May throw, reject or call back with an error. */
export interface PropertyHost {
  read(
    reference: PropertyReference,
    message: FlowMessage,
    callback: (error: unknown, value?: unknown) => void,
  ): void;
  write(
    reference: PropertyReference,
    message: FlowMessage,
    value: unknown,
    callback: (error?: unknown) => void,
  ): void;
}

/** The property of one node, with every way of failing turned into an {@link EmotionError}. */
export class Property {
  constructor(
    readonly reference: PropertyReference,
    private readonly host: PropertyHost,
  ) {}

  /** As a person writes it, for example `msg.payload`. */
  get name(): string {
    return `${this.reference.type}.${this.reference.path}`;
  }

  /** @throws EmotionError `input.property-missing` when there is nothing at the path. */
  async read(message: FlowMessage): Promise<unknown> {
    let value: unknown;
    try {
      value = await new Promise((resolve, reject) => {
        this.host.read(this.reference, message, (error, found) => {
          if (error) reject(asError(error));
          else resolve(found);
        });
      });
    } catch (cause) {
      throw this.missing(cause);
    }
    if (value === undefined) throw this.missing();
    return value;
  }

  async write(message: FlowMessage, value: unknown): Promise<void> {
    shareArrays(value);
    await new Promise<void>((resolve, reject) => {
      this.host.write(this.reference, message, value, (error) => {
        if (error) reject(asError(error));
        else resolve();
      });
    });
  }

  private missing(cause?: unknown): EmotionError {
    return new EmotionError(
      'input.property-missing',
      `Nothing at ${this.name}: set the property that holds the input`,
      { property: this.name },
      cause === undefined ? undefined : { cause },
    );
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
