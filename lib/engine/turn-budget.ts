/**
 * Shares work out among the turns of the event loop, first come, first served, so that however much
 * is asked for at once, timers and sockets have their turn in between.
 *
 * @example
 * const budget = new TurnBudget(32);
 * await budget.take(); // at once for the first 32 in a turn, then in later turns
 */
export class TurnBudget {
  readonly #perTurn: number;
  #left: number;
  #renewing = false;
  readonly #waiting: { readonly units: number; readonly go: () => void }[] = [];

  /** @param perTurn units of work in one turn */
  constructor(perTurn: number) {
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  /** undefined when the work fits into this turn; otherwise resolves in the turn that it fits into. */
  take(units = 1): Promise<void> | undefined {
    this.#renewLater();
    if (this.#waiting.length === 0 && this.#left > 0) {
      this.#left -= units;
      return undefined;
    }
    return new Promise((go) => this.#waiting.push({ units, go }));
  }

  #renewLater(): void {
    if (this.#renewing) return;
    this.#renewing = true;
    setImmediate(() => {
      this.#renewing = false;
      this.#left = this.#perTurn;
      while (this.#left > 0) {
        const next = this.#waiting.shift();
        if (next === undefined) return;
        this.#left -= next.units;
        next.go();
      }
      this.#renewLater();
    });
  }
}
