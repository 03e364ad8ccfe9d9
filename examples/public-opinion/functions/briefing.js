// The briefing in four forms → the browser that asked, or MQTT for that of the day.
const { html, markdown, csv } = msg.payload;
const { ask, request, daily, _client } = msg;
if (daily)
  return [null, { topic: `opinion/briefing/${msg.locale}`, payload: markdown, retain: true }];
return [{ topic: ask, payload: { ask, request, html, markdown, csv }, _client }, null];
