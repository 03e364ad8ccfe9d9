// What the embedded broker tells, or a message that the inbox has on disk. The code is in On Start.
if (msg.held !== undefined) globalThis.stored(msg.held);
else globalThis.tell(msg.topic, msg.payload);
return null;
