import { access, constants, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { EmotionError } from '../emotion/error';

export interface FfmpegPrograms {
  readonly ffmpeg: string;
  readonly ffprobe: string;
}

/**
 * The one line that installs FFmpeg on a platform.
 *
 * @example installLine('darwin'); // → 'brew install ffmpeg'
 */
export function installLine(platform: NodeJS.Platform = process.platform): string {
  switch (platform) {
    case 'darwin':
      return 'brew install ffmpeg';
    case 'win32':
      return 'winget install Gyan.FFmpeg';
    default:
      return 'sudo apt-get install -y ffmpeg (Alpine: apk add ffmpeg, Fedora: dnf install ffmpeg-free)';
  }
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function find(
  name: 'ffmpeg' | 'ffprobe',
  environment: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const chosen = environment[`${name.toUpperCase()}_PATH`];
  if (chosen) return (await isProgram(chosen)) ? chosen : undefined;
  const suffix = process.platform === 'win32' ? '.exe' : '';
  for (const folder of (environment.PATH ?? environment.Path ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name + suffix);
    if (await isProgram(path)) return path;
  }
  return undefined;
}

/**
 * Where FFmpeg and ffprobe are: `FFMPEG_PATH` and `FFPROBE_PATH`, else the folders of `PATH`. Looked
 * up anew each time, so a program that is installed or removed while Node-RED runs is noticed.
 *
 * @throws {EmotionError} `media.ffmpeg-missing`, with the line that installs it.
 */
export async function locateFfmpeg(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<FfmpegPrograms> {
  const [ffmpeg, ffprobe] = await Promise.all([
    find('ffmpeg', environment),
    find('ffprobe', environment),
  ]);
  if (ffmpeg === undefined || ffprobe === undefined) {
    const program = ffmpeg === undefined ? 'ffmpeg' : 'ffprobe';
    const install = installLine();
    throw new EmotionError(
      'media.ffmpeg-missing',
      `${program} was not found in PATH or ${program.toUpperCase()}_PATH; install it with: ${install}`,
      { program, install },
    );
  }
  return { ffmpeg, ffprobe };
}
