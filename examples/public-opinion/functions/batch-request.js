// POST /opinion/batches?action=preview|start&name=…&column=… with the bytes of a file, and
// GET /opinion/batches/<job> for the result → what emotion-batch takes.
const { method, query = {}, params = {} } = msg.req;
if (method === 'GET') {
  return { ...msg, action: 'status', job: params.job };
}
/** The page sends the beginning of a long file for the preview: whole lines only. */
const BEGINNING = 200_000;
const bytes = Buffer.isBuffer(msg.payload) ? msg.payload : Buffer.from(String(msg.payload ?? ''));
const cut = query.action !== 'start' && bytes.length === BEGINNING ? bytes.lastIndexOf(10) + 1 : 0;
const text = (value) =>
  typeof value === 'string' && value !== '' ? value.slice(0, 500) : undefined;
return {
  ...msg,
  action: query.action === 'start' ? 'start' : 'preview',
  payload: {
    content: cut > 0 ? bytes.subarray(0, cut) : bytes,
    name: text(query.name),
    column: text(query.column),
  },
};
