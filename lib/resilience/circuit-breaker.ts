import {
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  type CircuitBreakerPolicy,
} from 'cockatiel';
import { isSourceFailure } from './failure';

/** `open`: nothing is let through. `half-open`: a single probe is under way. */
export type CircuitPhase = 'closed' | 'open' | 'half-open';

export interface CircuitBreakerOptions {
  /** Failures in a row that open the circuit. */
  readonly threshold?: number;
  /** How long the circuit stays open before a probe is let through. */
  readonly halfOpenAfterMs?: number;
}

/** What is kept of a circuit over a restart. */
export interface SavedCircuit {
  /** Failures in a row. */
  readonly failures: number;
  /** Milliseconds since 1970 at which it opened; absent when it is closed. */
  readonly openedAt?: number;
}

/** Thrown in place of a call that an open circuit does not let through. */
export class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError';

  constructor(readonly source: string) {
    super(`The circuit of "${source}" is open: it failed too often, nothing is sent to it for now`);
  }
}

/** The members of cockatiel's own state that are read back. */
interface PolicyState {
  readonly ownState: { readonly value: CircuitState; readonly openedAt?: number };
  readonly breakerState: unknown;
}

/**
 * Stops calls to a source that keeps failing (M. Nygard, "Release It!", 2nd ed., section 5.2), so
 * that it can recover and nobody waits for it: closed until `threshold` failures in a row, then
 * open for `halfOpenAfterMs`, then half-open for one probe, whose outcome closes or opens it again.
 *
 * While a probe is under way others are turned away, not kept waiting. Only failures that speak
 * against the source count, see {@link isSourceFailure}. Wrap it inside a retry, never around one.
 */
export class CircuitBreaker {
  readonly #options: Required<CircuitBreakerOptions>;
  #policy: CircuitBreakerPolicy;

  constructor(
    readonly source: string,
    options: CircuitBreakerOptions = {},
    saved?: SavedCircuit,
    private readonly onChange: (phase: CircuitPhase) => void = () => undefined,
  ) {
    this.#options = { threshold: 5, halfOpenAfterMs: 30_000, ...options };
    this.#policy = this.#build(saved);
  }

  get phase(): CircuitPhase {
    return phaseOf(this.#policy.state);
  }

  /** Whether a call would be let through now. */
  get admits(): boolean {
    const { phase } = this;
    if (phase !== 'open') return phase === 'closed';
    const { openedAt = 0 } = this.toJSON();
    const elapsed = Date.now() - openedAt;
    // A clock that was set back must not keep the circuit open until it has caught up.
    if (elapsed < 0) this.#policy = this.#build({ ...this.toJSON(), openedAt: Date.now() });
    return elapsed >= this.#options.halfOpenAfterMs;
  }

  /**
   * @throws CircuitOpenError when the call is not let through; what `call` throws otherwise
   */
  async execute<T>(call: () => Promise<T>): Promise<T> {
    if (!this.admits) throw new CircuitOpenError(this.source);
    return this.#policy.execute(call);
  }

  /** Counts a failure that was seen elsewhere; an open circuit has counted enough. */
  async recordFailure(failure: unknown): Promise<void> {
    if (this.phase !== 'closed') return;
    await this.#policy.execute(() => Promise.reject(failure as Error)).catch(() => undefined);
  }

  toJSON(): SavedCircuit {
    const { ownState, breakerState } = this.#policy.toJSON() as PolicyState;
    const failures = typeof breakerState === 'number' ? breakerState : 0;
    return ownState.openedAt === undefined
      ? { failures }
      : { failures, openedAt: ownState.openedAt };
  }

  #build(saved: SavedCircuit | undefined): CircuitBreakerPolicy {
    const { threshold, halfOpenAfterMs } = this.#options;
    const policy = circuitBreaker(handleWhen(isSourceFailure), {
      breaker: new ConsecutiveBreaker(threshold),
      halfOpenAfter: halfOpenAfterMs,
      ...(saved === undefined ? {} : { initialState: initialState(saved) }),
    });
    policy.onStateChange((state) => this.onChange(phaseOf(state)));
    return policy;
  }
}

function phaseOf(state: CircuitState): CircuitPhase {
  if (state === CircuitState.Closed) return 'closed';
  return state === CircuitState.HalfOpen ? 'half-open' : 'open';
}

function initialState({ failures, openedAt }: SavedCircuit): unknown {
  const ownState =
    openedAt === undefined
      ? { value: CircuitState.Closed }
      : { value: CircuitState.Open, openedAt: Math.min(openedAt, Date.now()), attemptNo: 1 };
  return { ownState, breakerState: failures };
}
