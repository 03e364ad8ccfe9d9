// The pages look again.
if (msg.error) {
  node.error(msg.error.message, { code: msg.error.code });
  return null;
}
return { changed: 1 };
