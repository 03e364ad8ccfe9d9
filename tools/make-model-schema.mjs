// Writes models/model.schema.json, the JSON Schema of model.yaml for editors, from the schema that
// the suite itself validates with. Run after `npm run build` when lib/models/manifest.ts changed.
import { writeFile } from 'node:fs/promises';
import { manifestJsonSchema } from '../dist/lib/models/manifest.js';

const file = new URL('../models/model.schema.json', import.meta.url);
await writeFile(file, `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`);
