// The batch is in the database, or it is not and will come again. Output 1: the posts that are new, for
// the alerts; output 2: that there are some, for the pages; output 3: the acknowledgement for the buffer.
if (msg.error) {
  node.error(msg.error.message, { buffer: msg.buffer, code: msg.error.code });
  node.status({ fill: 'red', shape: 'ring', text: 'not stored' });
  return null; // The Catch node tells the buffer.
}
const added = new Set(msg.payload[msg.answer].map(({ id }) => id));
const total = (context.get('total') ?? 0) + added.size;
context.set('total', total);
node.status({ fill: 'green', shape: 'dot', text: `${total} posts` });
// An own message for each wire: a wire more on one output would copy every post with its result.
const news = added.size > 0;
return [
  news ? { posts: msg.kept.posts.filter(({ id }) => added.has(id)) } : null,
  news ? { changed: added.size } : null,
  { buffer: msg.buffer, acknowledge: true },
];
