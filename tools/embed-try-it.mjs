// Puts examples/flows/try-it.html into the template node of the HTTP example, where an imported flow
// has it. Run it after a change to the page; a test compares the two.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const folder = join(dirname(import.meta.dirname), 'examples/flows');
const flowFile = join(folder, '02-text-http-api.json');

const nodes = JSON.parse(readFileSync(flowFile, 'utf8'));
const page = nodes.find(({ type, name }) => type === 'template' && name === 'try-it page');
page.template = readFileSync(join(folder, 'try-it.html'), 'utf8');
writeFileSync(flowFile, `${JSON.stringify(nodes, null, 4)}\n`);
