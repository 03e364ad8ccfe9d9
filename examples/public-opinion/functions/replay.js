// Sends the posts of a feed as they came in over a day, `msg.speed` times as fast; 0: all at once. The
// day ends now: a post of minute 0 gets the time of 24 hours ago. Another feed: put a "file in" node in
// the place of the template, with one JSON object a line: { minute, topic, source, author, text }.
const STEP = 250;
const DAY = 24 * 60;

clearInterval(context.get('timer'));
const posts = msg.payload
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => JSON.parse(line))
  .sort((a, b) => a.minute - b.minute);
const start = Date.now() - DAY * 60_000;
// The day is over before it begins again: what judges posts in the order of time forgets the last one.
node.send([null, { reset: true }]);
const send = (from, to) => {
  const part = posts
    .slice(from, to)
    .map(({ minute, ...post }) => ({ ...post, time: start + Math.round(minute * 60_000) }));
  if (part.length > 0) node.send([{ topic: 'opinion/feed/post', payload: part }, null]);
  node.status({
    fill: to < posts.length ? 'blue' : 'grey',
    shape: 'dot',
    text: `${to} of ${posts.length}`,
  });
};

if (!(msg.speed > 0)) {
  for (let from = 0; from < posts.length; from += 500)
    send(from, Math.min(posts.length, from + 500));
  return null;
}
const began = Date.now();
let sent = 0;
const timer = setInterval(() => {
  const minute = ((Date.now() - began) / 60_000) * msg.speed;
  let next = sent;
  while (next < posts.length && posts[next].minute <= minute) next += 1;
  if (next > sent) send(sent, next);
  sent = next;
  if (sent >= posts.length) clearInterval(timer);
}, STEP);
context.set('timer', timer);
return null;
