// The alerts are in the database: the pages look again, and the outbox forgets them. Or they are not: the
// outbox sends them again.
const { buffer, error } = msg;
if (error) node.error(error.message, { code: error.code });
return [error ? null : { changed: 1 }, { buffer, acknowledge: !error }];
