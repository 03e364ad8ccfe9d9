CREATE TABLE IF NOT EXISTS posts (
    id TEXT NOT NULL PRIMARY KEY,
    topic TEXT NOT NULL,
    source TEXT NOT NULL,
    author TEXT,
    url TEXT,
    text TEXT NOT NULL,
    language TEXT,
    time INTEGER NOT NULL,
    received INTEGER NOT NULL,
    label TEXT,
    score REAL,
    uncertain INTEGER NOT NULL,
    scores TEXT,
    words TEXT NOT NULL,
    duplicate_group TEXT,
    weight REAL NOT NULL DEFAULT 1,
    model TEXT,
    runtime TEXT,
    fallback TEXT,
    topics TEXT NOT NULL DEFAULT '[]',
    class TEXT NOT NULL GENERATED ALWAYS AS (CASE WHEN uncertain THEN 'uncertain' ELSE label END) STORED
);
CREATE INDEX IF NOT EXISTS posts_time ON posts (time);
CREATE INDEX IF NOT EXISTS posts_class_time ON posts (class, time);
CREATE INDEX IF NOT EXISTS posts_source_time ON posts (source, time);
CREATE INDEX IF NOT EXISTS posts_alike ON posts (duplicate_group, time);

-- The channel that a post came by, and the rules that it matches.
CREATE TABLE IF NOT EXISTS post_topics (
    topic TEXT NOT NULL,
    time INTEGER NOT NULL,
    post_id TEXT NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    PRIMARY KEY (topic, time, post_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS post_topics_post ON post_topics (post_id);

CREATE TABLE IF NOT EXISTS topics (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    created INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS alerts (
    id TEXT NOT NULL PRIMARY KEY,
    time INTEGER NOT NULL,
    topic TEXT,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    value REAL,
    baseline REAL,
    z REAL,
    evidence TEXT,
    acknowledged INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS alerts_time ON alerts (time);

-- What the charts read: posts a minute (span 60000) and an hour (span 3600000), kept by the triggers
-- below, so that a chart costs the same with a thousand posts as with ten million. Topic '' is all.
CREATE TABLE IF NOT EXISTS counts (
    topic TEXT NOT NULL,
    span INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    source TEXT NOT NULL,
    language TEXT NOT NULL,
    class TEXT NOT NULL,
    posts INTEGER NOT NULL,
    weight REAL NOT NULL,
    PRIMARY KEY (topic, span, bucket, source, language, class)
) WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS count_posts AFTER INSERT ON posts BEGIN
    INSERT INTO counts VALUES
        ('', 60000, new.time / 60000 * 60000, new.source, ifnull(new.language, ''), new.class, 1, new.weight),
        ('', 3600000, new.time / 3600000 * 3600000, new.source, ifnull(new.language, ''), new.class, 1, new.weight)
    ON CONFLICT DO UPDATE SET posts = posts + 1, weight = weight + excluded.weight;
    INSERT INTO post_topics (topic, time, post_id)
        SELECT DISTINCT value, new.time, new.id FROM json_each(new.topics);
END;

CREATE TRIGGER IF NOT EXISTS count_topics AFTER INSERT ON post_topics BEGIN
    INSERT INTO counts
        SELECT new.topic, span, time / span * span, source, ifnull(language, ''), class, 1, weight
        FROM posts, (SELECT 60000 AS span UNION ALL SELECT 3600000) WHERE id = new.post_id
    ON CONFLICT DO UPDATE SET posts = posts + 1, weight = weight + excluded.weight;
END;
