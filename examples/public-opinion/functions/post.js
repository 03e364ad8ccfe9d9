const LONGEST_TEXT = 10_000;
const LONGEST_NAME = 512;
const DAY = 86_400_000;
const CHANNEL = /^opinion\/([^/]+)\/post$/;
const now = Date.now();

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
  if (!(milliseconds >= 0 && milliseconds <= now + DAY)) {
    throw malformed('"time" must be milliseconds since 1970 or a date, and not lie in the future');
  }
  return Math.round(milliseconds);
}

/** A post out of what somebody sent. `topic` and `source` are those of the way it came, if it names none. */
function post(value, { topic: channel = 'other', source: way, received }) {
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
  const named = name(given.topic, 'topic') ?? channel;
  const topic = CHANNEL.exec(named)?.[1] ?? named;
  if (/[+#/]/.test(topic)) throw malformed('"topic" may not contain +, # or /');
  const source = name(given.source, 'source') ?? way;
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
