// Forgets the months that are older than OPINION_KEEP_DAYS (90): their partitions are dropped.
const days = Number(env.get('OPINION_KEEP_DAYS') || 90);
if (!(days > 0)) return null;
msg.query = [{ sql: 'SELECT opinion_forget($1)', params: [Date.now() - days * 86_400_000] }];
return msg;
