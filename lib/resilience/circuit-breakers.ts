import {
  CircuitBreaker,
  type CircuitBreakerOptions,
  type CircuitPhase,
  type SavedCircuit,
} from './circuit-breaker';

/** A value for a context store or a file, `JSON.stringify` as it is. */
export interface SavedCircuits {
  readonly version: 1;
  readonly sources: Readonly<Record<string, SavedCircuit>>;
}

export interface CircuitBreakersOptions extends CircuitBreakerOptions {
  /** Sources that are remembered at most; the one used longest ago is forgotten first. */
  readonly maxSources?: number;
  readonly onChange?: (source: string, phase: CircuitPhase) => void;
}

/**
 * One circuit breaker for each source of failures. What they know can be saved and restored, so
 * that a redeploy does not send everything to a source that was found broken a minute ago.
 */
export class CircuitBreakers {
  /** In the order of last use. */
  readonly #breakers = new Map<string, CircuitBreaker>();
  readonly #options: CircuitBreakersOptions;

  /** @param saved what `toJSON` gave once; anything that does not look like it is ignored */
  constructor(options: CircuitBreakersOptions = {}, saved?: unknown) {
    this.#options = options;
    this.restore(saved);
  }

  /** Takes over what `toJSON` gave once, for sources that nothing is known of yet. */
  restore(saved: unknown): void {
    for (const [source, circuit] of savedCircuits(saved)) {
      if (!this.#breakers.has(source)) this.#create(source, circuit);
    }
  }

  get size(): number {
    return this.#breakers.size;
  }

  of(source: string): CircuitBreaker {
    const breaker = this.#breakers.get(source);
    if (breaker === undefined) return this.#create(source, undefined);
    this.#breakers.delete(source);
    this.#breakers.set(source, breaker);
    return breaker;
  }

  /** Sources that have failed since they last succeeded. */
  toJSON(): SavedCircuits {
    const saved = [...this.#breakers]
      .map(([source, breaker]) => [source, breaker.toJSON()] as const)
      .filter(([, { failures, openedAt }]) => failures > 0 || openedAt !== undefined);
    return { version: 1, sources: Object.fromEntries(saved) };
  }

  #create(source: string, saved: SavedCircuit | undefined): CircuitBreaker {
    const { maxSources = 1000, onChange } = this.#options;
    const breaker = new CircuitBreaker(source, this.#options, saved, (phase) =>
      onChange?.(source, phase),
    );
    this.#breakers.set(source, breaker);
    if (this.#breakers.size > maxSources) {
      for (const oldest of this.#breakers.keys()) {
        this.#breakers.delete(oldest);
        break;
      }
    }
    return breaker;
  }
}

function savedCircuits(saved: unknown): readonly (readonly [string, SavedCircuit])[] {
  if (!isRecord(saved) || saved['version'] !== 1 || !isRecord(saved['sources'])) return [];
  return Object.entries(saved['sources']).flatMap(([source, circuit]) => {
    if (!isRecord(circuit)) return [];
    const { failures, openedAt } = circuit;
    if (!isNatural(failures)) return [];
    if (openedAt === undefined) return [[source, { failures }] as const];
    return isNatural(openedAt) ? [[source, { failures, openedAt }] as const] : [];
  });
}

function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
