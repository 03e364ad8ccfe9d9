// Copies what tsc leaves behind (editor halves, locales, icons) beside the compiled nodes.
import { cp } from 'node:fs/promises';

await cp('nodes', 'dist/nodes', {
  recursive: true,
  filter: (source) => !source.endsWith('.ts'),
});
