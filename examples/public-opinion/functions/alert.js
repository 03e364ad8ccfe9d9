// An alert → the outbox, which keeps it on disk until it is in the database; and a message for MQTT, at once.
// That an incident is over is told by MQTT only: its row stays until somebody has looked at it. Whatever
// service the alert node writes msg.payload for, msg.alert is the alert itself.
const { event, topic } = msg.alert;
const level = String(topic).replace(/[+#/]/g, '-') || 'all';
const published = { topic: `opinion/alerts/${level}`, payload: JSON.stringify(msg.alert) };
return [event === 'recovered' ? null : { posts: [msg.alert] }, published];
