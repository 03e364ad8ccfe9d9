// What was refused or failed, by whom it concerns: a rule → the page that sent it; a batch → the buffer,
// which sends it again later; a request → its answer. All but rules show in the debug sidebar.
const { message } = msg.error;
if (msg.ask !== undefined && msg._client) {
  const { ask, request, _client } = msg;
  return [{ topic: ask, payload: { ask, request, error: message }, _client }, null, null, null];
}
const batch = msg.buffer ? { buffer: msg.buffer, acknowledge: false } : null;
let answer = null;
if (msg.res) {
  const { code = 'unexpected', cause } = msg.error;
  const status = cause?.status ?? 503;
  answer = {
    ...msg,
    statusCode: status,
    headers: { 'content-type': 'application/problem+json', 'retry-after': '5' },
    payload: { type: 'about:blank', title: 'Not stored', status, code, detail: message },
  };
}
return [null, { topic: msg.topic, payload: message, error: msg.error }, batch, answer];
