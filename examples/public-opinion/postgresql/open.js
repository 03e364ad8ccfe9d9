// Connects to PostgreSQL, and makes the tables where there are none. OPINION_POSTGRES is the address,
// postgres://user:password@host/database; without it PGHOST, PGUSER, PGPASSWORD … count as for psql.
const address = env.get('OPINION_POSTGRES');
const NUMBERS = new Set([20, 1700]); // bigint and numeric: all of ours are below 2^53
const pool = new pg.Pool({
  ...(address ? { connectionString: address } : {}),
  max: 4,
  connectionTimeoutMillis: 5_000,
  statement_timeout: 60_000,
  application_name: 'node-red-emotion',
  types: {
    getTypeParser: (type, format) =>
      NUMBERS.has(type) && format !== 'binary' ? Number : pg.types.getTypeParser(type, format),
  },
});
// A connection that breaks while nobody uses it: the next question opens another.
pool.on('error', (error) => node.warn(`PostgreSQL: ${error.message}`));
// One that breaks in use fails its question, which is enough; unheard, the event would end Node-RED.
pool.on('connect', (client) => client.on('error', () => undefined));

let ready;
/** The pool, once the tables are there; tried again with the next message where that failed. */
globalThis.connected = () => {
  ready ??= (async () => {
    const client = await pool.connect();
    try {
      await client.query("SELECT pg_advisory_lock(hashtext('opinion_schema'))");
      await client.query(SCHEMA);
      await client.query("SELECT pg_advisory_unlock(hashtext('opinion_schema'))");
    } finally {
      client.release();
    }
    node.status({ fill: 'green', shape: 'dot', text: 'connected' });
    return pool;
  })().catch((error) => {
    ready = undefined;
    throw error;
  });
  return ready;
};
globalThis.pool = pool;
globalThis.connected().catch((error) => {
  node.warn(`PostgreSQL: ${error.message || error.code}`);
  node.status({
    fill: 'red',
    shape: 'ring',
    text: String(error.code ?? error.message).slice(0, 20),
  });
});
