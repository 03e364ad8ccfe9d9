// What a page of the dashboard asks → statements for the database (output 1), or a change of the rules
// (output 2) and what to store once it is made. Everything that a browser sends is
// checked here and goes into the statements as parameters.
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** range → [its length, the width of a bar] */
const RANGES = {
  '1h': [HOUR, MINUTE],
  '6h': [6 * HOUR, 5 * MINUTE],
  '24h': [DAY, 30 * MINUTE],
  '7d': [7 * DAY, 3 * HOUR],
  '30d': [30 * DAY, 12 * HOUR],
};
const CLASSES = ['neutral', 'happy', 'sad', 'angry', 'fear', 'disgust', 'surprise', 'uncertain'];
const NEGATIVE = `CASE WHEN class IN ('sad', 'angry', 'fear', 'disgust') THEN weight ELSE 0 END`;
const CERTAIN = `CASE WHEN class = 'uncertain' THEN 0 ELSE weight END`;
const BASELINE = 14 * DAY;
const PAGE = 50;
/** Words are counted in so many of the newest posts. */
const SAMPLE = 3_000;
/** A briefing reads so many of the newest posts. */
const BRIEFED = 20_000;
/** Near-duplicates of a post are counted up to here. */
const MOST_ALIKE = 1_000;

const { ask, filter = {} } = msg.payload ?? {};
const text = (value) =>
  typeof value === 'string' && value.length <= 512 && value !== '' ? value : undefined;
const number = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : undefined);

const range = Object.hasOwn(RANGES, filter.range) ? filter.range : '24h';
const [length, bucket] = RANGES[range];
const to = (Math.floor(Date.now() / bucket) + 1) * bucket;
const from = to - length;
const span = bucket < HOUR ? MINUTE : HOUR;
const topic = text(filter.topic) ?? '';
const source = text(filter.source);
const language = ['zh', 'en'].includes(filter.language) ? filter.language : undefined;
const wanted = CLASSES.includes(filter.class) ? filter.class : undefined;

/** Rows of `counts`, of one topic and what else the filter asks for. */
function counts(columns, group, begin, end, width, { sources = true, languages = true } = {}) {
  const params = [topic, width, begin, end];
  let sql = `SELECT ${columns} FROM counts WHERE topic = $1 AND span = $2 AND bucket >= $3 AND bucket < $4`;
  if (source && sources) sql += ` AND source = $${params.push(source)}`;
  if (language && languages) sql += ` AND language = $${params.push(language)}`;
  return { sql: `${sql} GROUP BY ${group}`, params };
}

/** The newest posts of a time, of one topic and what else the filter asks for. */
function posts(columns, begin, end, most, { before, group } = {}) {
  const params = [begin, end];
  const where = [];
  let table = 'posts';
  let time = 'posts.time';
  if (topic !== '') {
    table =
      'post_topics JOIN posts ON posts.id = post_topics.post_id AND posts.time = post_topics.time';
    time = 'post_topics.time';
    where.push(`post_topics.topic = $${params.push(topic)}`);
  }
  where.push(`${time} >= $1 AND ${time} < $2`);
  if (source) where.push(`posts.source = $${params.push(source)}`);
  if (language) where.push(`posts.language = $${params.push(language)}`);
  if (wanted) where.push(`posts.class = $${params.push(wanted)}`);
  if (group) where.push(`posts.duplicate_group = $${params.push(group)}`);
  if (before) {
    const [when, id] = [`$${params.push(before.time)}`, `$${params.push(before.id)}`];
    where.push(`(${time} < ${when} OR ${time} = ${when} AND posts.id < ${id})`);
  }
  return {
    sql: `SELECT ${columns} FROM ${table} WHERE ${where.join(' AND ')}
              ORDER BY ${time} DESC, posts.id DESC LIMIT $${params.push(most)}`,
    params,
  };
}

const POST = `posts.id, posts.topic, source, author, url, text, language, posts.time, label, score, class,
    words, duplicate_group, weight, model, runtime, fallback,
    (SELECT count(*) FROM (SELECT 1 FROM posts AS other
      WHERE other.duplicate_group = posts.duplicate_group LIMIT ${MOST_ALIKE}) AS alike) AS alike`;

function words(begin, end) {
  const { sql, params } = posts('class, words', begin, end, SAMPLE);
  return { sql: WORDS(sql), params };
}

/** Only what this page made can be changed on it: not the channels that posts come by. */
const isRule = (id) => text(id)?.startsWith('rule-') === true;
const RULES = [
  { sql: 'SELECT id, name, rule, created FROM topics ORDER BY created, id', params: [] },
  {
    sql: `SELECT topic, sum(posts) AS posts FROM counts WHERE span = $1 AND bucket >= $2 AND topic <> ''
              GROUP BY topic ORDER BY posts DESC, topic LIMIT 200`,
    params: [HOUR, Date.now() - DAY],
  },
];

const QUESTIONS = {
  overview: () => ({
    info: { range, from, to, bucket, sample: SAMPLE },
    query: [
      counts(
        'bucket - bucket % ' + bucket + ' AS at, class, sum(posts) AS posts, sum(weight) AS weight',
        'at, class',
        from,
        to,
        span,
      ),
      counts(
        'class, sum(posts) AS posts, sum(weight) AS weight',
        'class',
        from - length,
        from,
        span,
      ),
      counts(
        `(bucket / ${HOUR}) % 24 AS hour, sum(${CERTAIN}) AS weight, sum(${NEGATIVE}) AS negative`,
        'hour',
        from - BASELINE,
        from,
        HOUR,
      ),
      counts(
        'source, class, sum(posts) AS posts, sum(weight) AS weight',
        'source, class',
        from,
        to,
        span,
        { sources: false },
      ),
      {
        sql: `SELECT topic, sum(posts) AS posts FROM counts
                      WHERE span = $1 AND bucket >= $2 AND bucket < $3 AND topic <> ''
                      GROUP BY topic ORDER BY posts DESC, topic LIMIT 60`,
        params: [span, from, to],
      },
      { sql: 'SELECT id, name FROM topics ORDER BY name', params: [] },
      posts(POST, from, to, PAGE),
      words(from, to),
      words(from - length, from),
      {
        sql: `SELECT id, time, topic, kind, severity, value, baseline, z, evidence, acknowledged
                      FROM alerts WHERE time >= $1 ORDER BY time DESC, id LIMIT 30`,
        params: [from],
      },
    ],
  }),
  posts: () => {
    const { from: begin, to: end, before, group } = msg.payload;
    const time = number(before?.time);
    const id = text(before?.id);
    return {
      info: { page: PAGE },
      query: [
        posts(POST, number(begin) ?? from, number(end) ?? to, PAGE, {
          before: time !== undefined && id && { time, id },
          group: text(group),
        }),
      ],
    };
  },
  briefing: () => {
    const { from: begin, to: end, locale, daily } = msg.payload;
    const day = Math.floor(Date.now() / DAY) * DAY;
    const [first, last] = [number(begin) ?? day - DAY, number(end) ?? day];
    if (!(last > first && last - first <= 31 * DAY)) return undefined;
    const columns = `posts.id, source, author, url, text, posts.time, label, score, uncertain, weight,
      duplicate_group`;
    return {
      info: { locale: locale === 'en' ? 'en' : 'zh', daily: daily === true },
      query: [
        posts(columns, first, last, BRIEFED),
        posts(columns, 2 * first - last, first, BRIEFED),
      ],
    };
  },
  topics: () => ({ query: RULES }),
  load: () => ({ query: RULES }),
  saveTopic: () => {
    const { id, name, rule } = msg.payload;
    if (id && !isRule(id)) return undefined;
    if (!text(name) || typeof rule !== 'string' || rule === '' || rule.length > 2_000)
      return undefined;
    const known = id || `rule-${RED.util.generateId()}`;
    return {
      command: { action: 'add', payload: { id: known, name, rule } },
      query: [
        {
          sql: `INSERT INTO topics (id, name, rule, created) VALUES ($1, $2, $3, $4)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, rule = excluded.rule`,
          params: [known, name, rule, Date.now()],
        },
        ...RULES,
      ],
    };
  },
  deleteTopic: () =>
    isRule(msg.payload.id) && {
      command: { action: 'remove', payload: msg.payload.id },
      query: [
        ...['topics WHERE id', 'post_topics WHERE topic', 'counts WHERE topic'].map((where) => ({
          sql: `DELETE FROM ${where} = $1`,
          params: [msg.payload.id],
        })),
        ...RULES,
      ],
    },
  acknowledge: () => ({
    query: [
      {
        sql: 'UPDATE alerts SET acknowledged = 1 WHERE id = $1',
        params: [text(msg.payload.id) ?? ''],
      },
    ],
  }),
};

if (typeof ask !== 'string' || !Object.hasOwn(QUESTIONS, ask)) return null;
const question = QUESTIONS[ask]();
if (!question) return null;
const { info, query, command } = question;
const asked = { ask, request: number(msg.payload.request), info, query, _client: msg._client };
// A change of the rules is for the node that matches them first: it says what is wrong with one.
return command ? [null, { ...asked, ...command }] : [asked, null];
