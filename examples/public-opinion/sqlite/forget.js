// Forgets posts older than OPINION_KEEP_DAYS (90), some thousand at a time so that nothing else waits.
const DAY = 86_400_000;
const SOME = 5_000;

const days = Number(env.get('OPINION_KEEP_DAYS') || 90);
if (!(days > 0)) return null;
const before = Math.floor((Date.now() - days * DAY) / DAY) * DAY;
const old = 'SELECT id FROM posts WHERE time < $1 ORDER BY time LIMIT $2';
msg.query = [
  { sql: `DELETE FROM post_topics WHERE post_id IN (${old})`, params: [before, SOME] },
  { sql: `DELETE FROM posts WHERE id IN (${old})`, params: [before, SOME] },
  { sql: 'DELETE FROM counts WHERE bucket < $1', params: [before] },
  { sql: 'DELETE FROM alerts WHERE time < $1', params: [before] },
];
return msg;
