// POST /opinion/batches?action=preview|start&name=…&column=… with the bytes of a file, and
// GET /opinion/batches/<job> for the result → what emotion-batch takes.
const { method, query = {}, params = {} } = msg.req;
if (method === 'GET') {
  return { ...msg, action: 'status', job: params.job };
}
const text = (value) => (typeof value === 'string' && value !== '' ? value.slice(0, 500) : undefined);
return {
  ...msg,
  action: query.action === 'start' ? 'start' : 'preview',
  payload: {
    content: Buffer.isBuffer(msg.payload) ? msg.payload : Buffer.from(String(msg.payload ?? '')),
    name: text(query.name),
    column: text(query.column),
  },
};
