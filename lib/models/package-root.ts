import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const PACKAGE_NAME = '@emowire/node-red-emotion';

/**
 * The folder of this package: the nearest one above `from` whose package.json carries its name.
 * The compiled files lie at different depths in a checkout and in an installed package.
 *
 * @throws Error when there is none
 */
export function packageRoot(from: string = __dirname): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string };
      if (name === PACKAGE_NAME) return folder;
    }
    if (dirname(folder) === folder) {
      throw new Error(`no package.json of ${PACKAGE_NAME} above ${from}`);
    }
  }
}

/** Where the models that come with the package lie. */
export function shippedModels(): string {
  return join(packageRoot(), 'models');
}
