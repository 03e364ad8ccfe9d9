// Keeps the words of each text, stop words left out, for the highlights and the word clouds: the
// answer of the model has its tokens only, which for Chinese are single characters. What negates is no
// stop word for a model, but says nothing in a cloud.
const PLAIN = new Set([
  'not',
  'what',
  'did',
  'does',
  'nobody',
  'anything',
  'this',
  'that',
  'they',
  'there',
]);
const content = (sample) =>
  (sample?.features?.sentences ?? []).flatMap(({ words, removed }) => {
    const dropped = new Set(removed);
    return words.filter(
      (word) =>
        !dropped.has(word) &&
        !PLAIN.has(word) &&
        (/\p{Script=Han}{2}/u.test(word) || /\p{L}{3}/u.test(word)),
    );
  });
msg.words = msg.payload.map((sample) => [...new Set(content(sample))].slice(0, 60));
return msg;
