// Posts out of an HTTP request or the replayed feed: one post, an array of posts, or JSON Lines. Output 1:
// msg.posts, with the answer to the HTTP request, sent once they are on disk. Output 2: the answer to a
// request that is refused. What comes by MQTT goes to the inbox itself, so that the broker keeps it until it
// is on disk.
const LARGEST_BODY = 2_000_000;
const MOST_POSTS = 1_000;

const origin = {
  topic: msg.req ? undefined : msg.topic,
  source: msg.req ? 'http' : 'feed',
  received: now,
};

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
      return post(item, origin);
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
