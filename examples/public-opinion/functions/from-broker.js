// Posts that devices publish to the embedded broker → the inbox. That broker (aedes) keeps its queue in memory
// and acknowledges a packet before anybody has it. Before that it asks its handler authorizePublish, which
// answers from here when the inbox has the packet on disk: a device that was acknowledged (PUBACK, PUBREC) has
// nothing to lose when Node-RED is killed, and sends again what was not.
const POST = /^opinion\/[^/]+\/post$/;
const LARGEST_PACKET = 2_000_000;
const AGAIN_MS = 5_000;

const utf8 = new util.TextDecoder('utf-8', { fatal: true });
/** Items that the inbox has not confirmed, with whom it is to be told, by number. */
const held = new Map();
/** What came in this turn of the event loop shares one message. */
let coming = [];
let last = 0;
/** Packets of QoS 2 that the inbox has, and that are published when their sender has heard of it. */
const taken = new Set();
let broker;
let undo = () => undefined;

function refuse(topic, code, reason) {
  const name = String(topic).slice(0, 200);
  node.error(`A packet on "${name}" ${reason}`, { topic: name, code });
}

/** A packet as the node packets reads it; undefined, and told, where it would be no better the next time. */
function itemOf({ topic, payload }) {
  const bytes = Buffer.from(payload);
  if (bytes.length > LARGEST_PACKET) {
    const reason = `has ${bytes.length} bytes; ${LARGEST_PACKET} are allowed`;
    return refuse(topic, 'input.too-large', reason);
  }
  try {
    return { topic, received: Date.now(), text: utf8.decode(bytes) };
  } catch {
    return refuse(topic, 'input.unusable', 'is not UTF-8');
  }
}

function send(number) {
  const batch = held.get(number);
  node.send({ held: number, posts: batch.posts }, false);
  batch.timer = setTimeout(() => {
    node.status({ fill: 'yellow', shape: 'ring', text: `${held.size} not stored` });
    send(number);
  }, AGAIN_MS);
}

function sendAll() {
  const all = coming;
  coming = [];
  last += 1;
  held.set(last, { posts: all.map(({ item }) => item), stored: all.map(({ stored }) => stored) });
  send(last);
}

function take(packet, stored) {
  const item = itemOf(packet);
  if (item === undefined) return stored(null);
  coming.push({ item, stored });
  if (coming.length === 1) Promise.resolve().then(sendAll);
}

const exactlyOnce = (client, { messageId }) => `${client.id} ${messageId}`;

function hold(found) {
  undo();
  broker = found;
  const before = broker.authorizePublish;
  const authorizePublish = (client, packet, answer) => {
    before.call(found, client, packet, (error) => {
      if (error || !client || !(packet.qos > 0) || !POST.test(packet.topic)) return answer(error);
      if (packet.qos === 2) taken.add(exactlyOnce(client, packet));
      else packet.taken = true;
      take(packet, answer);
    });
  };
  broker.authorizePublish = authorizePublish;
  undo = () => {
    if (found.authorizePublish === authorizePublish) found.authorizePublish = before;
  };
  node.status({ fill: 'green', shape: 'dot', text: 'holds PUBACK' });
}

/** What the broker tells of its clients and their packets. */
globalThis.tell = (event, { client, packet }) => {
  if (client && client.broker !== broker) {
    if (typeof client.broker?.authorizePublish === 'function') hold(client.broker);
    else node.status({ fill: 'yellow', shape: 'ring', text: 'cannot hold PUBACK' });
  }
  if (event !== 'publish' || !client || !POST.test(packet.topic)) return;
  const known =
    packet.qos === 2 ? taken.delete(exactlyOnce(client, packet)) : packet.taken === true;
  // QoS 0, and what came before the handler was there.
  if (!known) take(packet, () => undefined);
};

/** The inbox has it on disk. */
globalThis.stored = (number) => {
  const batch = held.get(number);
  if (batch === undefined) return;
  clearTimeout(batch.timer);
  held.delete(number);
  for (const stored of batch.stored) stored(null);
};

/** Whoever was not acknowledged is disconnected, comes back and sends it again. */
globalThis.end = () => {
  undo();
  const ended = new Error('The flow was stopped or deployed again');
  for (const { stored } of held.values()) for (const answer of stored) answer(ended);
  for (const { stored } of coming) stored(ended);
  held.clear();
};
