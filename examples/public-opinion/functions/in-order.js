// Posts in the order of their times for the alerts: batches overtake each other in the model, and a replayed
// hour passes in seconds, so that they would come too late to be counted. What comes waits until nothing more
// has come for a while, but not long.
const PAUSE = 1_500;
const LONGEST = 6_000;

const held = (globalThis.held ??= { posts: [], since: 0, timer: undefined });
clearTimeout(held.timer);
if (msg.reset) {
  held.posts = [];
  return msg;
}
if (held.posts.length === 0) held.since = Date.now();
held.posts.push(...msg.posts);
const send = () => {
  const posts = held.posts.sort((a, b) => a.time - b.time);
  held.posts = [];
  // Nobody else has this message: it is not copied.
  if (posts.length > 0) node.send({ posts }, false);
};
held.timer = setTimeout(send, Math.max(0, Math.min(PAUSE, held.since + LONGEST - Date.now())));
return null;
