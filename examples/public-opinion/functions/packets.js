// What the inbox took from MQTT → posts: a packet is a post, an array of them, or JSON Lines. What came to
// it by HTTP or from the feed is a post already, and stays as it is. A packet that is none is told through
// Catch, and gone with its batch: it would be no better the next time.
const OWN = new Set(['text', 'topic', 'received']);

/** The posts of an item: a text that is JSON which the inbox could not read as objects is read here. */
function values(item) {
  const { text } = item;
  const json = typeof text === 'string' && /^\s*(\{\s*"|\[\s*["{])/.test(text);
  if (!json || !Object.keys(item).every((member) => OWN.has(member))) return [item];
  let list;
  try {
    list = [JSON.parse(text)].flat();
  } catch {
    try {
      list = text.split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line)); // prettier-ignore
    } catch {
      throw malformed('A packet is not JSON');
    }
  }
  return list.map((one) => (typeof one === 'string' ? { text: one } : one));
}

function read(item) {
  const received = item.received >= 0 && item.received <= now ? item.received : now;
  return values(item).map((value) => post(value, { topic: item.topic, source: 'mqtt', received }));
}

const posts = [];
for (const item of msg.posts) {
  try {
    for (const one of read(item)) posts.push(one);
  } catch (error) {
    if (error.status === undefined) throw error;
    node.status({ fill: 'yellow', shape: 'ring', text: error.code });
    node.error(error.message, { topic: String(item.topic).slice(0, 200), code: error.code });
  }
}
// Nothing left of the batch: there is nothing to store, and the inbox is told at once.
if (posts.length === 0) return [null, { buffer: msg.buffer, acknowledge: true }];
return [{ posts, buffer: msg.buffer }, null];
