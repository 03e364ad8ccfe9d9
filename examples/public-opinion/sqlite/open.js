// Opens the database, and makes its tables where there are none. OPINION_DATABASE names the file.
const file = path.resolve(
  env.get('OPINION_DATABASE') || path.join(os.homedir(), '.node-red', 'opinion.sqlite'),
);

// One connection for each file, which outlives a deploy: libsql ends a statement when it is collected as
// garbage, so that connections which follow each other overlap, and SQLite keeps file descriptors open
// meanwhile. A file that no node has open any more is closed after a while.
const CLOSE_AFTER_MS = 20_000;
const files = (Database[Symbol.for('emowire public opinion 1')] ??= new Map());
const kept = files.get(file) ?? { users: new Set(), prepared: new Map() };
files.set(file, kept);

/** Which file it is: another one may be put in its place while it is open. */
function identity() {
  const found = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}

function close() {
  const { database } = kept;
  kept.database = undefined;
  kept.prepared.clear();
  try {
    database?.close();
  } catch (error) {
    node.warn(`SQLite: ${error.message}`);
  }
}

function create(database) {
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA busy_timeout = 250; -- Node-RED waits as long; the inbox tries again
  `);
  database.exec(SCHEMA);
  if (database.prepare('PRAGMA user_version').all()[0].user_version !== 0) return;
  // Two rules to start from, on the first start only.
  const insert = database.prepare(
    'INSERT INTO topics (id, name, rule, created) VALUES (?, ?, ?, ?)',
  );
  insert.run(
    'rule-fares',
    '涨价 · fares',
    '(地铁 OR 公交 OR metro OR bus OR train) AND (涨价 OR fare) NOT 招聘',
    Date.now(),
  );
  insert.run(
    'rule-food',
    '食品安全 · food safety',
    '头发 OR 虫子 OR 馊味 OR 恶心 OR 肚子疼 OR hair OR rotten OR filthy OR stomach',
    Date.now() + 1,
  );
  database.exec('PRAGMA user_version = 1');
}

/** The connection, opened anew where the last one failed or its file has gone. */
function open() {
  if (kept.database !== undefined && kept.identity !== identity()) close();
  if (kept.database !== undefined) return kept.database;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const database = new Database(file);
  try {
    create(database);
  } catch (error) {
    database.close();
    throw error;
  }
  kept.identity = identity();
  kept.database = database;
  return database;
}

function run({ sql, params = [], rows }) {
  const { database, prepared } = kept;
  let statement = prepared.get(sql);
  if (statement === undefined) {
    // Parameters are written $1, $2 as in PostgreSQL; SQLite calls them ?1, ?2.
    statement = database.prepare(sql.replace(/\$(\d+)/g, '?$1'));
    if (prepared.size > 200) prepared.clear();
    prepared.set(sql, statement);
  }
  if (rows) return rows.flatMap((row) => statement.all(row));
  if (statement.reader) return statement.all(params);
  return { changes: statement.run(params).changes };
}

/** All of the queries, or none: the rows of each. */
globalThis.transaction = (queries) => {
  const database = open();
  try {
    database.exec('BEGIN');
    const answers = queries.map(run);
    database.exec('COMMIT');
    return answers;
  } catch (error) {
    // SQLite has ended it itself after some errors.
    if (database.inTransaction) database.exec('ROLLBACK');
    // Such a connection does not recover by waiting.
    if (/^SQLITE_(CANTOPEN|CORRUPT|IOERR|NOTADB|READONLY)/.test(error.code)) close();
    throw error;
  }
};

globalThis.release = () => {
  kept.users.delete(globalThis);
  if (kept.users.size > 0) return;
  try {
    // Node-RED may be about to end: all is in one file then.
    kept.database?.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch (error) {
    node.warn(`SQLite: ${error.message}`);
  }
  // Not a timer of this node: those end with it.
  kept.timer = timers.setTimeout(() => {
    files.delete(file);
    close();
  }, CLOSE_AFTER_MS);
  kept.timer.unref();
};
timers.clearTimeout(kept.timer);
kept.users.add(globalThis);
globalThis.shown = (error) => {
  const text = error ? String(error.code ?? error.message).slice(0, 20) : path.basename(file);
  node.status(error ? { fill: 'red', shape: 'ring', text } : { fill: 'green', shape: 'dot', text });
};
try {
  const known = kept.database;
  // The tables of this version of the flow.
  if (open() === known) create(known);
  globalThis.shown();
} catch (error) {
  // Tried again with the next query.
  close();
  globalThis.shown(error);
  node.error(`SQLite: ${error.message}`);
}
