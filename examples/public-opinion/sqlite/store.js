// One batch, one statement; what is there already stays as it is. Topics and counts are the business of
// triggers, which see new posts only.
msg.query = [
  {
    sql: `INSERT INTO posts (id, topic, source, author, url, text, language, time, received, label, score,
            uncertain, scores, words, duplicate_group, weight, model, runtime, fallback, topics)
          SELECT value ->> 'id', value ->> 'topic', value ->> 'source', value ->> 'author', value ->> 'url',
            value ->> 'text', value ->> 'language', value ->> 'time', value ->> 'received',
            value ->> 'label', value ->> 'score', value ->> 'uncertain', value -> 'scores',
            value -> 'words', value ->> 'duplicate_group', value ->> 'weight', value ->> 'model',
            value ->> 'runtime', value ->> 'fallback', value -> 'topics'
          FROM json_each($1) WHERE true
          ON CONFLICT DO NOTHING RETURNING id`,
    params: [JSON.stringify(msg.rows)],
  },
];
msg.answer = 0;
delete msg.rows;
return msg;
