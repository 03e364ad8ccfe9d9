// Runs msg.query, a list of { sql, params }, as one transaction; msg.payload gets one answer for each:
// rows of a SELECT, { changes } of anything else. Values come as parameters only.
const database = globalThis.database;
if (database === undefined) {
  msg.error = { message: 'The database is not open' };
  return msg;
}
const from = Date.now();
try {
  database.exec('BEGIN');
  try {
    msg.payload = msg.query.map(globalThis.run);
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
  delete msg.error;
} catch (error) {
  node.status({
    fill: 'red',
    shape: 'ring',
    text: String(error.code ?? error.message).slice(0, 20),
  });
  msg.error = { message: `SQLite: ${error.message}`, code: error.code };
}
msg.databaseMs = Date.now() - from;
return msg;
