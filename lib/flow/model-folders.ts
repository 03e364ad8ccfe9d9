import { join } from 'node:path';
import { shippedModels } from '../models/package-root';

/** The settings of the host that say where a user's own models lie. */
export interface ModelFolderSettings {
  readonly emotionModelFolder?: string | undefined;
  readonly userDir?: string | undefined;
}

/** Where models are looked for: a user's own before those that come with the package. */
export function modelFolders({ emotionModelFolder, userDir }: ModelFolderSettings): string[] {
  return [emotionModelFolder || join(userDir ?? process.cwd(), 'emotion-models'), shippedModels()];
}
