// Keeps the words of each text, stop words left out, for the highlights and the word clouds: the
// answer of the model has its tokens only, which for Chinese are single characters.
msg.words = msg.payload.map(globalThis.contentWords);
return msg;
