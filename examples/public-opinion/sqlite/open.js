// Opens the database, and makes its tables where there are none. OPINION_DATABASE names the file.
const file = env.get('OPINION_DATABASE') || path.join(os.homedir(), '.node-red', 'opinion.sqlite');
fs.mkdirSync(path.dirname(file), { recursive: true });
const database = new Database(file);
database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA busy_timeout = 250; -- Node-RED waits as long; the inbox tries again
`);
database.exec(SCHEMA);
if (database.prepare('PRAGMA user_version').get().user_version === 0) {
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

const prepared = new Map();
globalThis.database = database;
/** The rows of one statement; what is prepared once is kept. */
globalThis.run = ({ sql, params = [] }) => {
  let statement = prepared.get(sql);
  if (statement === undefined) {
    // Parameters are written $1, $2 as in PostgreSQL; SQLite calls them ?1, ?2.
    statement = database.prepare(sql.replace(/\$(\d+)/g, '?$1'));
    if (prepared.size > 200) prepared.clear();
    prepared.set(sql, statement);
  }
  if (statement.reader) return statement.all(...params);
  return { changes: statement.run(...params).changes };
};
node.status({ fill: 'green', shape: 'dot', text: path.basename(file) });
