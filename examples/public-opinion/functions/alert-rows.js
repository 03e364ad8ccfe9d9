// Alerts of the outbox → rows of the table alerts, one for each incident. An alert that comes again, or after
// a later one of its incident, changes nothing.
const rank = (severity) =>
  `CASE ${severity} WHEN 'critical' THEN 3 WHEN 'warning' THEN 2 ELSE 1 END`;
const sql = `INSERT INTO alerts (id, time, topic, kind, severity, value, baseline, z, evidence)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, value = excluded.value,
      z = excluded.z, evidence = excluded.evidence, acknowledged = 0
    WHERE ${rank('excluded.severity')} > ${rank('alerts.severity')}`;
msg.query = msg.posts.map(
  ({ incident, time, topic, kind, severity, value, baseline, z, evidence }) => ({
    sql,
    params: [incident, time, topic, kind, severity, value, baseline, z, JSON.stringify(evidence)],
  }),
);
return msg;
