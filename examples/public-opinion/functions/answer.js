// Rows → what the page draws. It goes to the browser that asked, to no other. Output 2: at the start, the
// stored rules for the node that matches them. Output 3: posts for a briefing.
const CLASSES = ['neutral', 'happy', 'sad', 'angry', 'fear', 'disgust', 'surprise', 'uncertain'];
const reply = (payload) => ({
  topic: msg.ask,
  payload: { ask: msg.ask, request: msg.request, ...payload },
  _client: msg._client,
});

if (msg.error) {
  node.error(msg.error.message, { ask: msg.ask });
  return [reply({ error: msg.error.message }), null, null];
}
const json = (value) => (typeof value === 'string' ? JSON.parse(value) : value);
const post = (row) => ({ ...row, words: json(row.words) });

/** { class: { posts, weight } }, with all classes. */
function byClass(rows) {
  const table = Object.fromEntries(CLASSES.map((name) => [name, { posts: 0, weight: 0 }]));
  for (const { class: name, posts, weight } of rows) table[name] = { posts, weight };
  return table;
}

/**
 * How much oftener a word is in these posts than it was before, among all words of its class: the
 * logarithm of the two shares' ratio, each count raised by one half so that a rare word does not win.
 */
function rising(now, before, most) {
  const count = (rows) => {
    const words = new Map();
    let sum = 0;
    for (const { word, posts } of rows) {
      words.set(word, (words.get(word) ?? 0) + posts);
      sum += posts;
    }
    return { words, sum };
  };
  const [a, b] = [count(now), count(before)];
  return [...a.words]
    .filter(([, posts]) => posts >= 3)
    .map(([word, posts]) => {
      const past = b.words.get(word) ?? 0;
      const ratio = Math.log2((posts + 0.5) / (a.sum + 1) / ((past + 0.5) / (b.sum + 1)));
      return { word, posts, before: past, score: ratio * Math.sqrt(posts) };
    })
    .filter(({ score, posts, before }) => score > 0 && posts > before)
    .sort((x, y) => y.score - x.score || (x.word < y.word ? -1 : 1))
    .slice(0, most);
}

function overview() {
  const [timeline, previous, baseline, sources, topics, rules, posts, words, wordsBefore, alerts] =
    msg.payload;
  const { from, to, bucket } = msg.info;
  const bars = [];
  const at = new Map();
  for (let time = from; time < to; time += bucket) {
    const bar = {
      at: time,
      posts: new Array(CLASSES.length).fill(0),
      weight: new Array(CLASSES.length).fill(0),
    };
    bars.push(bar);
    at.set(time, bar);
  }
  for (const row of timeline) {
    const bar = at.get(row.at);
    const column = CLASSES.indexOf(row.class);
    if (!bar || column < 0) continue;
    bar.posts[column] = row.posts;
    bar.weight[column] = row.weight;
  }
  const hours = new Array(24).fill(null);
  for (const { hour, weight, negative } of baseline)
    if (weight >= 5) hours[hour] = negative / weight;
  const [all, negative] = baseline.reduce(
    ([x, y], row) => [x + row.weight, y + row.negative],
    [0, 0],
  );
  const bySource = new Map();
  for (const row of sources) bySource.set(row.source, [...(bySource.get(row.source) ?? []), row]);
  const of = (rows, name) => (name === '' ? rows : rows.filter((row) => row.class === name));
  const names = Object.fromEntries(rules.map(({ id, name }) => [id, name]));
  return {
    ...msg.info,
    classes: CLASSES,
    bars,
    previous: byClass(previous),
    baseline: { hours, mean: all >= 20 ? negative / all : null },
    sources: [...bySource]
      .map(([source, rows]) => ({
        source,
        classes: byClass(rows),
        posts: rows.reduce((sum, row) => sum + row.posts, 0),
      }))
      .sort((a, b) => b.posts - a.posts || (a.source < b.source ? -1 : 1))
      .slice(0, 12),
    topics: topics.map(({ topic, posts: count }) => ({
      id: topic,
      name: names[topic] ?? topic,
      posts: count,
    })),
    posts: posts.map(post),
    words: Object.fromEntries(
      ['', ...CLASSES].map((name) => {
        const sums = new Map();
        for (const { word, posts: count } of of(words, name))
          sums.set(word, (sums.get(word) ?? 0) + count);
        const cloud = [...sums]
          .map(([word, count]) => ({ word, posts: count }))
          .sort((a, b) => b.posts - a.posts || (a.word < b.word ? -1 : 1))
          .slice(0, 40);
        return [name, { cloud, rising: rising(of(words, name), of(wordsBefore, name), 8) }];
      }),
    ),
    alerts: alerts.map((alert) => ({ ...alert, evidence: json(alert.evidence) })),
  };
}

function topics() {
  const [rules, counted] = msg.payload.slice(-2);
  const posts = Object.fromEntries(counted.map(({ topic, posts: count }) => [topic, count]));
  return { rules: rules.map((rule) => ({ ...rule, posts: posts[rule.id] ?? 0 })) };
}

const ANSWERS = {
  overview,
  posts: () => ({ ...msg.info, posts: msg.payload[0].map(post) }),
  topics,
  saveTopic: topics,
  deleteTopic: topics,
  acknowledge: () => ({}),
};
if (msg.ask === 'load') return [null, { action: 'replace', payload: msg.payload[0] }, null];
if (msg.ask === 'briefing') {
  const [payload, before] = msg.payload;
  const { ask, request, _client } = msg;
  return [null, null, { ask, request, _client, payload, before, ...msg.info }];
}
return [reply(ANSWERS[msg.ask]()), null, null];
