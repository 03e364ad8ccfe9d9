// One batch, one statement: the ids that are new decide what is stored and counted, so that a post that
// comes again changes nothing. Rows are put in order, lest two batches wait for each other.
const rows = JSON.stringify(msg.rows);
const months = new Map(
  msg.rows.map(({ time }) => [new Date(time).toISOString().slice(0, 7), time]),
);
msg.query = [
  ...[...months.values()].map((time) => ({ sql: 'SELECT opinion_partition($1)', params: [time] })),
  {
    sql: `WITH batch AS (
            SELECT DISTINCT ON (id) * FROM jsonb_to_recordset($1::jsonb) AS row (
              id text, topic text, source text, author text, url text, text text, language text,
              time bigint, received bigint, label text, score real, uncertain smallint, scores jsonb,
              words jsonb, duplicate_group text, weight double precision, model text, runtime text,
              fallback text, topics jsonb)
            ORDER BY id
          ), new AS (
            INSERT INTO post_keys (id, time) SELECT id, time FROM batch ORDER BY id
            ON CONFLICT DO NOTHING RETURNING id
          ), stored AS (
            INSERT INTO posts (id, topic, source, author, url, text, language, time, received, label, score,
              uncertain, scores, words, duplicate_group, weight, model, runtime, fallback)
            SELECT id, topic, source, author, url, text, language, time, received, label, score,
              uncertain, scores, words, duplicate_group, weight, model, runtime, fallback
            FROM batch JOIN new USING (id)
            RETURNING id, time, source, coalesce(language, '') AS language, class, weight
          ), matched AS (
            SELECT stored.*, match.name AS topic FROM stored JOIN batch USING (id),
              LATERAL jsonb_array_elements_text(batch.topics) AS match (name)
          ), sorted AS (
            INSERT INTO post_topics (topic, time, post_id) SELECT topic, time, id FROM matched
          ), counted AS (
            INSERT INTO counts (topic, span, bucket, source, language, class, posts, weight)
            SELECT topic, span, time - time % span, source, language, class, count(*), sum(weight)
            FROM (
              SELECT '' AS topic, time, source, language, class, weight FROM stored
              UNION ALL SELECT topic, time, source, language, class, weight FROM matched
            ) AS each, (VALUES (60000), (3600000)) AS spans (span)
            GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
            ON CONFLICT (topic, span, bucket, source, language, class)
            DO UPDATE SET posts = counts.posts + excluded.posts, weight = counts.weight + excluded.weight
          )
          SELECT id FROM stored`,
    params: [rows],
  },
];
msg.answer = msg.query.length - 1;
delete msg.rows;
return msg;
