// Posts out of an MQTT message, an HTTP request or the replayed feed: one post, an array of posts, or
// JSON Lines. Output 1: msg.posts, with the answer to the HTTP request, sent once they are on disk.
// Output 2: the answer to a request that is refused.
const LARGEST_BODY = 2_000_000;
const LONGEST_TEXT = 10_000;
const MOST_POSTS = 1_000;
const LONGEST_NAME = 512;
const DAY = 86_400_000;

const received = Date.now();
const [, channel] = /^opinion\/([^/]+)\/post$/.exec(msg.topic ?? '') ?? [];

/** An error with the HTTP status that stands for it. */
const refusal = (status, code, message) => Object.assign(new Error(message), { status, code });
const malformed = (message) => refusal(400, 'request.malformed', message);

function name(value, member) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw malformed(`"${member}" must be a string or a number`);
  }
  const text = String(value)
    .toWellFormed()
    .replace(/\p{Cc}/gu, '')
    .trim();
  if (text.length > LONGEST_NAME)
    throw malformed(`"${member}" has more than ${LONGEST_NAME} characters`);
  return text === '' ? undefined : text;
}

function time(value) {
  if (value === undefined || value === null || value === '') return undefined;
  const number = typeof value === 'number' ? value : Date.parse(value);
  const milliseconds = typeof value === 'number' && number < 1e11 ? number * 1000 : number;
  if (!(milliseconds >= 0 && milliseconds <= received + DAY)) {
    throw malformed('"time" must be milliseconds since 1970 or a date, and not lie in the future');
  }
  return Math.round(milliseconds);
}

function post(value) {
  const given = typeof value === 'string' ? { text: value } : value;
  if (typeof given !== 'object' || given === null || typeof given.text !== 'string') {
    throw malformed('A post is a text, or an object with a "text"');
  }
  if (given.text.trim() === '') throw malformed('The text of a post is empty');
  if (given.text.length > LONGEST_TEXT) {
    throw refusal(
      413,
      'input.too-large',
      `The text of a post may have ${LONGEST_TEXT} characters, not ${given.text.length}`,
    );
  }
  const text = given.text.toWellFormed().replaceAll('\u0000', '\ufffd');
  const topic = name(given.topic, 'topic') ?? channel ?? 'other';
  if (/[+#/]/.test(topic)) throw malformed('"topic" may not contain +, # or /');
  const source = name(given.source, 'source') ?? (msg.req ? 'http' : 'mqtt');
  const author = name(given.author, 'author');
  const url =
    typeof given.url === 'string' && /^https?:\/\/[^\s"'<>]+$/i.test(given.url)
      ? given.url.slice(0, 2048)
      : undefined;
  const stated = time(given.time);
  // The same post sent twice has the same id, so that it is stored once.
  const id =
    name(given.id, 'id') ??
    crypto
      .createHash('sha256')
      .update(JSON.stringify([source, author ?? null, stated ?? received, text]))
      .digest('hex')
      .slice(0, 32);
  return { id, text, topic, source, author, url, time: stated ?? received, received };
}

function parsed(body) {
  if (typeof body === 'object' && !Buffer.isBuffer(body)) return body;
  if (body.length > LARGEST_BODY) {
    throw refusal(
      413,
      'input.too-large',
      `A message may have ${LARGEST_BODY} bytes, not ${body.length}`,
    );
  }
  let text = body;
  try {
    if (Buffer.isBuffer(body)) text = new util.TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw malformed('The text is not UTF-8');
  }
  if (!msg.req && !/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    // Several lines, each a post: JSON Lines.
    try {
      return text
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => JSON.parse(line));
    } catch {
      throw malformed('The body is not JSON');
    }
  }
}

try {
  if (msg.req) {
    const [type] = (msg.req.headers['content-type'] ?? '').toLowerCase().split(';');
    if (!['application/json', 'application/x-ndjson', 'application/jsonl'].includes(type.trim())) {
      throw refusal(
        415,
        'input.unsupported-media',
        'Send application/json or application/x-ndjson',
      );
    }
  }
  const body = parsed(msg.payload);
  const list = Array.isArray(body) ? body : [body];
  if (list.length > MOST_POSTS)
    throw refusal(
      413,
      'input.too-large',
      `At most ${MOST_POSTS} posts a message, not ${list.length}`,
    );
  const posts = list.map((item, index) => {
    try {
      return post(item);
    } catch (error) {
      if (list.length > 1) error.message += ` (post ${index + 1} of ${list.length})`;
      throw error;
    }
  });
  if (!msg.req) return [posts.length > 0 ? { posts, topic: msg.topic } : null, null];
  const answer = {
    ...msg,
    posts,
    statusCode: 202,
    headers: {},
    payload: { accepted: posts.length, ids: posts.map(({ id }) => id) },
  };
  return posts.length > 0 ? [answer, null] : [null, answer];
} catch (error) {
  if (error.status === undefined) throw error;
  const { status, code, message } = error;
  node.status({ fill: 'yellow', shape: 'ring', text: code });
  if (!msg.req) {
    // The message itself may be huge: the error says enough.
    node.error(message, { topic: msg.topic, code });
    return null;
  }
  const titles = { 400: 'Bad Request', 413: 'Content Too Large', 415: 'Unsupported Media Type' };
  return [
    null,
    {
      ...msg,
      statusCode: status,
      headers: { 'content-type': 'application/problem+json' },
      payload: { type: 'about:blank', title: titles[status], status, code, detail: message },
    },
  ];
}
