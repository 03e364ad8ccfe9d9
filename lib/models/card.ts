import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstalledModel } from './model';

/** The model card: the folder's README.md, or what the manifest says where it has none. Markdown. */
export async function modelCard(model: InstalledModel): Promise<string> {
  try {
    return await readFile(join(model.folder, 'README.md'), 'utf8');
  } catch {
    return cardOfManifest(model);
  }
}

function cardOfManifest({ manifest }: InstalledModel): string {
  const { id, version, title, architecture, languages, labels, licence, metrics } = manifest;
  const lines = [
    `# ${title.en} · ${title.zh}`,
    '',
    `- id: \`${id}\`, version ${version}`,
    `- architecture: ${architecture}`,
    `- languages: ${languages.join(', ') || '–'}`,
    `- labels: ${labels.join(', ')}`,
    `- licence: weights ${licence.weights}; data ${licence.data}`,
  ];
  if (metrics.length > 0) {
    lines.push('', '| metric | value | data | protocol |', '|---|---|---|---|');
    for (const { name, value, dataset, split, protocol } of metrics) {
      lines.push(`| ${name} | ${value} | ${dataset}, ${split} | ${protocol} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}
