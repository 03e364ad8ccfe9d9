/**
 * Finds many strings in one pass over a text, in time linear in the text whatever the strings are
 * (A. V. Aho, M. J. Corasick, "Efficient string matching", CACM 18(6), 1975). Works on UTF-16 units.
 */
export class AhoCorasick {
  /** Child of a node by `node * 65536 + unit`; node 0 is the root. */
  readonly #edges = new Map<number, number>();
  /** Which units leave the root: most characters of a text do not. */
  readonly #first = new Uint8Array(0x10000);
  readonly #fail: number[] = [0];
  /** The pattern that ends at a node, or -1. */
  readonly #pattern: number[] = [-1];
  /** The next node on the way of failures at which a pattern ends, or 0. */
  readonly #output: number[] = [0];
  readonly #lengths: readonly number[];

  /** @param patterns none empty, none twice */
  constructor(patterns: readonly string[]) {
    this.#lengths = patterns.map(({ length }) => length);
    const parents: number[] = [0];
    const units: number[] = [0];
    const depths: number[] = [0];
    patterns.forEach((text, pattern) => {
      let node = 0;
      for (let at = 0; at < text.length; at += 1) {
        const unit = text.charCodeAt(at);
        const edge = node * 0x10000 + unit;
        let next = this.#edges.get(edge);
        if (next === undefined) {
          next = this.#fail.length;
          this.#edges.set(edge, next);
          this.#fail.push(0);
          this.#pattern.push(-1);
          this.#output.push(0);
          parents.push(node);
          units.push(unit);
          depths.push(at + 1);
          if (node === 0) this.#first[unit] = 1;
        }
        node = next;
      }
      this.#pattern[node] = pattern;
    });
    const byDepth = Array.from(depths.keys()).sort((a, b) => depths[a]! - depths[b]!);
    for (const node of byDepth) {
      if (depths[node]! < 2) continue;
      const fail = this.#step(this.#fail[parents[node]!]!, units[node]!);
      this.#fail[node] = fail;
      this.#output[node] = this.#pattern[fail]! >= 0 ? fail : this.#output[fail]!;
    }
  }

  /**
   * Calls `found` for each occurrence, overlapping ones included.
   *
   * @param found gets the index of the pattern and where it starts and ends in the text
   */
  scan(text: string, found: (pattern: number, start: number, end: number) => void): void {
    let node = 0;
    for (let at = 0; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      if (node === 0) {
        if (this.#first[unit] === 0) continue;
        node = this.#edges.get(unit)!;
      } else {
        node = this.#step(node, unit);
      }
      let hit = this.#pattern[node]! >= 0 ? node : this.#output[node]!;
      while (hit !== 0) {
        const pattern = this.#pattern[hit]!;
        found(pattern, at + 1 - this.#lengths[pattern]!, at + 1);
        hit = this.#output[hit]!;
      }
    }
  }

  #step(from: number, unit: number): number {
    let node = from;
    for (;;) {
      const next = this.#edges.get(node * 0x10000 + unit);
      if (next !== undefined) return next;
      if (node === 0) return 0;
      node = this.#fail[node]!;
    }
  }
}
