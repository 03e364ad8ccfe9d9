/** Shorter arrays are copied in less time than it takes to notice. */
const SHORTEST = 1024;
/** From a sample to the numbers of its tensors, and to those of its features. */
const DEEPEST = 3;

/**
 * Keeps Node-RED from copying the large arrays of numbers in a value one number at a time, which it
 * does with each copy of a message: for every further wire, and for a Catch node. A clip of sixteen
 * faces held up its event loop for 5 ms a copy, ten seconds of sound for 30. The copies of a message
 * share these arrays from here on, as they share Buffers anyway.
 *
 * Node-RED copies with lodash's `cloneDeep`, which goes by what an object calls itself
 * (`Symbol.toStringTag`) and leaves what it does not know as it is. Nothing else about an array
 * changes: its class, its elements, or what a worker or another process gets of it.
 *
 * @param value what a node is about to send: a sample, samples, a window of sound; anything else stays
 */
export function shareArrays(value: unknown): void {
  if (Array.isArray(value)) for (const item of value) within(item, DEEPEST);
  else within(value, DEEPEST);
}

function within(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (isNumbers(value)) {
    if (value.length >= SHORTEST) Reflect.defineProperty(value, Symbol.toStringTag, CALLED);
  } else if (depth > 0 && Object.getPrototypeOf(value) === Object.prototype) {
    // Segments, points and words are lists of small things.
    for (const member in value) within((value as Record<string, unknown>)[member], depth - 1);
  }
}

const CALLED = { value: 'Numbers', configurable: true };

/** A typed array that is no Buffer. */
function isNumbers(value: object): value is Float32Array {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !Buffer.isBuffer(value);
}
