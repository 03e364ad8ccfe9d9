// What "words" calls for each text stands here, for Node-RED compiles the function above anew with every
// message, and this once.
const MOST = 60;
const REMEMBERED = 20_000;
const PIECE_OF_HAN = /\p{Script=Han}{2}/u;
const WORD = /\p{L}{3}/u;
/** What negates is no stop word for a model, but says nothing in a cloud. */
const PLAIN = new Set([
  'not',
  'what',
  'did',
  'does',
  'nobody',
  'anything',
  'this',
  'that',
  'they',
  'there',
]);

const known = new Map();
/** Whether a word may stand in a cloud. */
function speaks(word) {
  let says = known.get(word);
  if (says === undefined) {
    says = !PLAIN.has(word) && (PIECE_OF_HAN.test(word) || WORD.test(word));
    if (known.size >= REMEMBERED) known.clear();
    known.set(word, says);
  }
  return says;
}

/** The different words of a sample that say something. */
globalThis.contentWords = (sample) => {
  const found = new Set();
  for (const { words, removed } of sample?.features?.sentences ?? []) {
    for (const word of words) if (speaks(word) && !removed.includes(word)) found.add(word);
  }
  return [...found].slice(0, MOST);
};
