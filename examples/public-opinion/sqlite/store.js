// One batch, one transaction, and a statement that is prepared once for its rows: SQLite takes them in less
// time than it takes to read them out of JSON. What is there already stays as it is. Topics and counts are the
// business of triggers, which see new posts only.
const json = (value) => (value == null ? null : JSON.stringify(value));
msg.query = [
  {
    sql: `INSERT INTO posts (id, topic, source, author, url, text, language, time, received, label, score,
            uncertain, scores, words, duplicate_group, weight, model, runtime, fallback, topics)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
          ON CONFLICT DO NOTHING RETURNING id`,
    rows: msg.rows.map((row) => [
      row.id,
      row.topic,
      row.source,
      row.author,
      row.url,
      row.text,
      row.language,
      row.time,
      row.received,
      row.label,
      row.score,
      row.uncertain,
      json(row.scores),
      json(row.words),
      row.duplicate_group,
      row.weight,
      row.model,
      row.runtime,
      row.fallback,
      json(row.topics),
    ]),
  },
];
msg.answer = 0;
delete msg.rows;
return msg;
