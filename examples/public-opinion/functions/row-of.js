// What "rows" calls for each post stands here, for Node-RED compiles the function above anew with every
// message, and this once.
const MOST_WORDS = 8;
const SUSPECT = /[\u0000\ud800-\udfff]/; // eslint-disable-line no-control-regex

/** No half surrogate pairs and no U+0000: a database takes UTF-8 only. */
function storable(text) {
  if (typeof text !== 'string') return text ?? null;
  return SUSPECT.test(text) ? text.toWellFormed().replaceAll('\u0000', '\ufffd') : text;
}

let attention = new Float64Array(1024);

/** The words that decided: each gets the attention that its pieces got in the text. */
function decisive(text, words, result) {
  const lower = text.toLowerCase();
  if (attention.length <= lower.length) attention = new Float64Array(2 * lower.length);
  else attention.fill(0, 0, lower.length + 1);
  let from = 0;
  for (const { tokens } of result.segments ?? []) {
    for (const { text: piece, weight } of tokens ?? []) {
      const token = (piece.startsWith('##') ? piece.slice(2) : piece).toLowerCase();
      const at = token === '' ? -1 : lower.indexOf(token, from);
      if (at < 0) continue;
      from = at + token.length;
      for (let i = at; i < from; i += 1) attention[i] += weight / token.length;
    }
  }
  const weighed = [];
  for (const word of words ?? []) {
    let weight = 0;
    const at = lower.indexOf(word.toLowerCase());
    for (let i = at; at >= 0 && i < at + word.length; i += 1) weight += attention[i];
    weighed.push({ text: word, weight: Math.round(weight * 1000) / 1000 });
  }
  const heaviest = weighed.sort((a, b) => b.weight - a.weight).slice(0, MOST_WORDS);
  for (const word of heaviest) word.text = storable(word.text);
  return heaviest;
}

/** A post as a row of the table posts. */
globalThis.rowOf = (post, result, words) => ({
  id: storable(post.id),
  topic: storable(post.topic) ?? 'other',
  source: storable(post.source),
  author: storable(post.author),
  url: storable(post.url),
  text: storable(post.text),
  language: result.source?.language ?? null,
  time: post.time,
  received: post.received,
  label: result.label,
  score: Math.round(result.score * 1e4) / 1e4,
  // What the model is not sure of, or cannot judge, is no neutral post.
  uncertain: result.uncertain === true || result.label === null ? 1 : 0,
  scores: result.scores,
  words: decisive(post.text, words, result),
  duplicate_group: post.duplicate?.group ?? null,
  weight: post.weight ?? 1,
  model: result.model,
  runtime: result.runtime,
  fallback: result.fallback?.reason ?? null,
  topics: [...new Set([post.topic ?? 'other', ...(post.topics ?? [])].map(storable))],
});
