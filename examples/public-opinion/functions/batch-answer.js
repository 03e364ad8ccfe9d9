// Answers of emotion-batch, and twice a second the job that runs. Output 1: the pages. Output 2: the
// answer to a request. Output 3: a finished file to be read and sent.
if (msg.res) {
  if (msg.action !== 'status') return [null, { ...msg, statusCode: 200, headers: {} }, null];
  const { state, name, format, result } = msg.payload;
  if (state === 'done' && result) {
    const file = name.replace(/\.[^.]*$/, '').replace(/[^\p{L}\p{N}_-]+/gu, '-') || 'result';
    const type = format.kind === 'csv' ? 'text/csv' : 'application/x-ndjson';
    const attached = `attachment; filename*=UTF-8''${encodeURIComponent(`${file}-emotion.${format.kind}`)}`;
    const headers = { 'content-type': `${type}; charset=utf-8`, 'content-disposition': attached };
    return [null, null, { ...msg, filename: result, statusCode: 200, headers }];
  }
  const problem = { type: 'about:blank', title: 'Conflict', status: 409, code: 'batch.not-done' };
  const detail = `The file is not finished: ${state}`;
  const headers = { 'content-type': 'application/problem+json' };
  return [null, { ...msg, statusCode: 409, headers, payload: { ...problem, detail } }, null];
}
// Where files lie on this machine is nobody's business in a browser.
const view = (job) => ({ ...job, result: undefined });
if (msg.ask) {
  const jobs = Array.isArray(msg.payload) ? msg.payload.map(view) : undefined;
  const payload = { ask: msg.ask, request: msg.request, jobs };
  return [{ topic: msg.ask, payload, _client: msg._client }, null, null];
}
return msg.payload?.job ? [{ topic: 'changed', payload: view(msg.payload) }, null, null] : null;
