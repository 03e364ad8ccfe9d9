// An alert → a row of the table alerts, one for each incident; and a message for MQTT. That an incident is
// over is told by MQTT only: its row stays until somebody has looked at it. Whatever service the alert node
// writes msg.payload for, msg.alert is the alert itself.
const { incident, event, time, topic, kind, severity, value, baseline, z, evidence } = msg.alert;
const level = String(topic).replace(/[+#/]/g, '-') || 'all';
const published = { topic: `opinion/alerts/${level}`, payload: JSON.stringify(msg.alert) };
if (event === 'recovered') return [null, published];
const query = [
  {
    sql: `INSERT INTO alerts (id, time, topic, kind, severity, value, baseline, z, evidence)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
          ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, value = excluded.value,
            z = excluded.z, evidence = excluded.evidence, acknowledged = 0`,
    params: [incident, time, topic, kind, severity, value, baseline, z, JSON.stringify(evidence)],
  },
];
return [{ query }, published];
