// Runs msg.query, a list of { sql, params }, as one transaction; msg.payload gets one answer for each:
// rows of a SELECT, { changes } of anything else. Values come as parameters only.
async function run(query) {
  const pool = await globalThis.connected();
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const answers = [];
    for (const { sql, params = [] } of query) {
      const { rows, rowCount, command } = await client.query(sql, params);
      answers.push(command === 'SELECT' ? rows : { changes: rowCount });
    }
    await client.query('COMMIT');
    client.release();
    return answers;
  } catch (error) {
    // A connection on which something failed is not used again.
    client.release(error);
    throw error;
  }
}

const from = Date.now();
return run(msg.query)
  .then((answers) => {
    msg.payload = answers;
    delete msg.error;
    node.status({ fill: 'green', shape: 'dot', text: 'connected' });
  })
  .catch((error) => {
    const what = error.message || error.code;
    node.status({ fill: 'red', shape: 'ring', text: String(error.code ?? what).slice(0, 20) });
    msg.error = { message: `PostgreSQL: ${what}`, code: error.code };
  })
  .then(() => {
    msg.databaseMs = Date.now() - from;
    return msg;
  });
