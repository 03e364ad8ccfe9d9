/**
 * Longest part of a text that a map should be keyed by, in UTF-16 units: V8 cuts longer parts as views,
 * which would keep the whole text in memory.
 */
export const LONGEST_KEY = 12;

/**
 * A pure function of short parts of texts that remembers what it gave: words come again. Longer parts are
 * worked out each time.
 *
 * @param most answers that are kept; beyond it all are forgotten
 * @param longest UTF-16 units of a part that is remembered
 */
export function remembering<Value>(
  make: (part: string) => Value,
  most: number,
  longest = LONGEST_KEY,
): (part: string) => Value {
  const known = new Map<string, { readonly value: Value }>();
  return (part) => {
    if (part.length > longest) return make(part);
    let found = known.get(part);
    if (found === undefined) {
      found = { value: make(part) };
      if (known.size >= most) known.clear();
      known.set(part, found);
    }
    return found.value;
  };
}
