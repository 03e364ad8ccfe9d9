// The posts with what the model said of them: `msg.rows`, as they are in the table posts.
const results = Array.isArray(msg.payload) ? msg.payload : [msg.payload];
if (results.length !== msg.posts.length) {
  node.error(`${results.length} results for ${msg.posts.length} posts`, { buffer: msg.buffer });
  return null;
}
const rows = msg.posts.map((post, index) =>
  globalThis.rowOf(post, results[index], msg.words?.[index]),
);
// Without the weights of each token, which are in the rows by now.
const posts = msg.posts.map((post, index) => {
  // eslint-disable-next-line no-unused-vars
  const { segments, ...result } = results[index];
  return { ...post, result };
});
// A link call copies what it sends, but leaves alone what does not call itself an object.
return { kept: { posts, [Symbol.toStringTag]: 'Kept' }, rows, buffer: msg.buffer };
