// The posts with what the model said of them, as rows of the table posts. `msg.rows` goes into the
// database as one JSON parameter.
const MOST_WORDS = 8;

/** No half surrogate pairs and no U+0000: a database takes UTF-8 only. */
const storable = (text) =>
  typeof text === 'string' ? text.toWellFormed().replaceAll('\u0000', '\ufffd') : (text ?? null);

/** The words that decided: each gets the attention that its pieces got in the text. */
function decisive(text, words, result) {
  const lower = text.toLowerCase();
  const attention = new Float64Array(lower.length + 1);
  let from = 0;
  for (const segment of result.segments ?? []) {
    for (const { text: piece, weight } of segment.tokens ?? []) {
      const token = piece.replace(/^##/, '').toLowerCase();
      const at = token === '' ? -1 : lower.indexOf(token, from);
      if (at < 0) continue;
      from = at + token.length;
      for (let i = at; i < from; i += 1) attention[i] += weight / token.length;
    }
  }
  return (words ?? [])
    .map((word) => {
      let weight = 0;
      const at = lower.indexOf(word.toLowerCase());
      for (let i = at; at >= 0 && i < at + word.length; i += 1) weight += attention[i];
      return { text: storable(word), weight: Math.round(weight * 1000) / 1000 };
    })
    .sort((a, b) => b.weight - a.weight)
    .slice(0, MOST_WORDS);
}

const results = Array.isArray(msg.payload) ? msg.payload : [msg.payload];
if (results.length !== msg.posts.length) {
  node.error(`${results.length} results for ${msg.posts.length} posts`, { buffer: msg.buffer });
  return null;
}
const rows = msg.posts.map((post, index) => {
  const result = results[index];
  return {
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
    words: decisive(post.text, msg.words?.[index], result),
    duplicate_group: post.duplicate?.group ?? null,
    weight: post.weight ?? 1,
    model: result.model,
    runtime: result.runtime,
    fallback: result.fallback?.reason ?? null,
    topics: [...new Set([post.topic ?? 'other', ...(post.topics ?? [])].map(storable))],
  };
});
// What goes through the database node is copied there: without the weights of each token, which are in the
// rows by now.
const posts = msg.posts.map((post, index) => {
  const result = { ...results[index] };
  delete result.segments;
  return { ...post, result };
});
return { posts, rows, buffer: msg.buffer };
