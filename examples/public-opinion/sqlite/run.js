// Runs msg.query, a list of { sql, params }, as one transaction; msg.payload gets one answer for each:
// rows of a SELECT, { changes } of anything else. With { sql, rows } the statement, which answers with rows
// itself, is run once for each of them. Values come as parameters only.
const from = Date.now();
try {
  msg.payload = globalThis.transaction(msg.query);
  if (msg.error) delete msg.error;
  if (globalThis.failed) globalThis.shown();
  globalThis.failed = false;
} catch (error) {
  globalThis.failed = true;
  globalThis.shown(error);
  msg.error = { message: `SQLite: ${error.message}`, code: error.code };
}
msg.databaseMs = Date.now() - from;
return msg;
