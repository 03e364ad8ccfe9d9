// What the page of batches asks → commands for emotion-batch; the answer goes back to this browser.
const COMMANDS = { jobs: 'list', cancel: 'cancel', resume: 'resume', remove: 'remove' };
const { ask, job, request } = msg.payload ?? {};
if (typeof ask !== 'string' || !Object.hasOwn(COMMANDS, ask)) return null;
if (ask !== 'jobs' && typeof job !== 'string') return null;
return { action: COMMANDS[ask], job, ask, request, _client: msg._client };
