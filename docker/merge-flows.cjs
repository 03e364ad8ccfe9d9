// Prints the nodes of several example flows as one; the same configuration in two of them counts once.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const [folder, ...names] = process.argv.slice(2);
const nodes = new Map();
for (const name of names) {
  for (const node of JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))) {
    nodes.set(node.id, node);
  }
}
console.log(JSON.stringify([...nodes.values()], null, 4));
