// Tells all browsers at most once a second that there is something new; each asks for what it shows.
const WAIT = 1_000;

if (context.get('waiting')) return null;
context.set('waiting', true);
setTimeout(() => {
  context.set('waiting', false);
  node.send({ topic: 'changed', payload: { at: Date.now() } });
}, WAIT);
return null;
