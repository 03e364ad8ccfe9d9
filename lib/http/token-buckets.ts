/** Clients that are remembered; the one that has been quiet longest is forgotten first. */
const MOST_CLIENTS = 10_000;

interface Bucket {
  tokens: number;
  /** When `tokens` was right, milliseconds. */
  at: number;
}

/**
 * A token bucket for each client (Tanenbaum, Computer Networks, "token bucket"): `burst` requests at
 * once, then `perMinute` a minute, evenly.
 */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>();

  /** @param now a clock in milliseconds that never goes back */
  constructor(
    private readonly perMinute: number,
    private readonly burst: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Clients that are remembered now. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes one token of a client.
   *
   * @returns 0 when there was one, else the seconds until there is
   */
  take(client: string): number {
    const now = this.now();
    const perMs = this.perMinute / 60_000;
    const known = this.#buckets.get(client);
    const tokens = known
      ? Math.min(this.burst, known.tokens + (now - known.at) * perMs)
      : this.burst;
    const granted = tokens >= 1;
    // Set anew, so that the map's order is that of the last request.
    this.#buckets.delete(client);
    this.#buckets.set(client, { tokens: granted ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > MOST_CLIENTS) {
      this.#buckets.delete(this.#buckets.keys().next().value!);
    }
    return granted ? 0 : (1 - tokens) / perMs / 1000;
  }
}
