CREATE TABLE IF NOT EXISTS posts (
    id text NOT NULL,
    topic text NOT NULL,
    source text NOT NULL,
    author text,
    url text,
    text text NOT NULL,
    language text,
    time bigint NOT NULL,
    received bigint NOT NULL,
    label text,
    score real,
    uncertain smallint NOT NULL,
    scores jsonb,
    words jsonb NOT NULL,
    duplicate_group text,
    weight double precision NOT NULL DEFAULT 1,
    model text,
    runtime text,
    fallback text,
    class text NOT NULL GENERATED ALWAYS AS (CASE WHEN uncertain <> 0 THEN 'uncertain' ELSE label END) STORED,
    PRIMARY KEY (id, time)
) PARTITION BY RANGE (time);
CREATE INDEX IF NOT EXISTS posts_time ON posts (time, id);
CREATE INDEX IF NOT EXISTS posts_class_time ON posts (class, time);
CREATE INDEX IF NOT EXISTS posts_source_time ON posts (source, time);
CREATE INDEX IF NOT EXISTS posts_alike ON posts (duplicate_group, time);

-- A unique key of a partitioned table must hold the column that parts it: (id, time) alone would take a
-- post again that comes with another time. So the ids have a table of their own, which is not parted.
CREATE TABLE IF NOT EXISTS post_keys (
    id text NOT NULL PRIMARY KEY,
    time bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS post_keys_time ON post_keys USING brin (time);

CREATE TABLE IF NOT EXISTS post_topics (
    topic text NOT NULL,
    time bigint NOT NULL,
    post_id text NOT NULL,
    PRIMARY KEY (topic, time, post_id)
) PARTITION BY RANGE (time);

CREATE TABLE IF NOT EXISTS topics (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL,
    rule text NOT NULL,
    created bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS alerts (
    id text NOT NULL PRIMARY KEY,
    time bigint NOT NULL,
    topic text,
    kind text NOT NULL,
    severity text NOT NULL,
    value double precision,
    baseline double precision,
    z double precision,
    evidence jsonb,
    acknowledged smallint NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS alerts_time ON alerts (time);

-- What the charts read: posts a minute (span 60000) and an hour (span 3600000). Topic '' is all.
CREATE TABLE IF NOT EXISTS counts (
    topic text NOT NULL,
    span integer NOT NULL,
    bucket bigint NOT NULL,
    source text NOT NULL,
    language text NOT NULL,
    class text NOT NULL,
    posts bigint NOT NULL,
    weight double precision NOT NULL,
    PRIMARY KEY (topic, span, bucket, source, language, class)
);

-- The partitions of the month in which a time lies (UTC, as the times are).
CREATE OR REPLACE FUNCTION opinion_partition(moment bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', to_timestamp(moment / 1000.0) AT TIME ZONE 'UTC');
    suffix text := to_char(month, 'YYYY_MM');
    first bigint := extract(epoch FROM month) * 1000;
    after bigint := extract(epoch FROM month + interval '1 month') * 1000;
    parent text;
BEGIN
    IF to_regclass('post_topics_' || suffix) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('opinion_partition'));
    FOREACH parent IN ARRAY ARRAY['posts', 'post_topics'] LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)',
            parent || '_' || suffix, parent, first, after);
    END LOOP;
END
$$;

-- Forgets what is older than a time, by whole months: dropping a partition is instant.
CREATE OR REPLACE FUNCTION opinion_forget(before bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', to_timestamp(before / 1000.0) AT TIME ZONE 'UTC');
    first bigint := extract(epoch FROM month) * 1000;
    part text;
    dropped integer := 0;
BEGIN
    FOR part IN
        SELECT child.relname FROM pg_inherits
        JOIN pg_class child ON child.oid = inhrelid
        JOIN pg_class parent ON parent.oid = inhparent
        WHERE parent.relname IN ('posts', 'post_topics')
          AND right(child.relname, 7) < to_char(month, 'YYYY_MM')
          AND child.relname ~ '_\d{4}_\d{2}$'
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM post_keys WHERE time < first;
    DELETE FROM counts WHERE bucket < first;
    DELETE FROM alerts WHERE time < first;
    RETURN dropped;
END
$$;

INSERT INTO topics (id, name, rule, created)
SELECT * FROM (VALUES
    ('rule-fares', '涨价 · fares', '(地铁 OR 公交 OR metro OR bus OR train) AND (涨价 OR fare) NOT 招聘', 1),
    ('rule-food', '食品安全 · food safety',
     '头发 OR 虫子 OR 馊味 OR 恶心 OR 肚子疼 OR hair OR rotten OR filthy OR stomach', 2)
) AS first (id, name, rule, created)
WHERE NOT EXISTS (SELECT FROM post_keys) AND NOT EXISTS (SELECT FROM topics);
