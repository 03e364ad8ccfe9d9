// Answers JSON lines [[x, y], … 68 of them] with the geometry that the nodes' fallback reads, one JSON
// array a line; null for points that are none. The first line names the values.
//
//   node training/face/geometry.mjs < points.jsonl
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const lib = fileURLToPath(new URL('../../dist/lib/', import.meta.url));
const { GEOMETRY_NAMES, landmarkGeometry } = require(`${lib}video/landmark-geometry.js`);

process.stdout.write(`${JSON.stringify(GEOMETRY_NAMES)}\n`);
let lines = [];
const flush = () => {
  process.stdout.write(lines.join(''));
  lines = [];
};
for await (const line of createInterface({ input: process.stdin })) {
  const points = JSON.parse(line);
  const values = points === null ? null : Array.from(landmarkGeometry(points));
  lines.push(`${JSON.stringify(values)}\n`);
  if (lines.length === 512) flush();
}
flush();
