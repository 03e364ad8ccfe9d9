import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstalledModel } from './model';

/** A picture beside the card: no path leads out of the folder. */
const PICTURE = /!\[([^\]]*)\]\(([\w.-]+\.png)\)/g;
/** Larger pictures are left out of a card. */
const LARGEST_PICTURE_BYTES = 1_000_000;

/**
 * The model card: the folder's README.md with the PNG pictures of the folder as data URIs, so that
 * it shows wherever it is sent, or what the manifest says where there is none. Markdown.
 */
export async function modelCard(model: InstalledModel): Promise<string> {
  try {
    const card = await readFile(join(model.folder, 'README.md'), 'utf8');
    return await withPictures(card, model.folder);
  } catch {
    return cardOfManifest(model);
  }
}

/** A picture that is not there, or too large, leaves its alternative text. */
async function withPictures(card: string, folder: string): Promise<string> {
  const pictures = [...card.matchAll(PICTURE)];
  const shown = await Promise.all(
    pictures.map(async ([, text, file]) => {
      const bytes = await readFile(join(folder, file!)).catch(() => undefined);
      return bytes && bytes.length <= LARGEST_PICTURE_BYTES
        ? `![${text}](data:image/png;base64,${bytes.toString('base64')})`
        : text!;
    }),
  );
  let next = 0;
  return card.replace(PICTURE, () => shown[next++]!);
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
