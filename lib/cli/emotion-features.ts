#!/usr/bin/env node
import { EmotionError } from '../emotion/error';

/** A sub-command: reads standard input, writes standard output, throws with a message for people. */
export interface FeatureCommand {
  readonly usage: string;
  run(args: readonly string[]): Promise<void>;
}

/** One file a modality; loaded on use, so that `text` does not load what `video` needs. */
const COMMANDS: Readonly<Record<string, () => Promise<FeatureCommand>>> = {
  text: async () => (await import('./features-text.js')).textFeatures,
  audio: async () => (await import('./features-audio.js')).audioFeatures,
  video: async () => (await import('./features-video.js')).videoFeatures,
};

/** What the front end of the nodes computes, for training: one implementation, no drift. */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const load = name === undefined ? undefined : COMMANDS[name];
  if (!load) {
    const known = Object.keys(COMMANDS).join(' | ');
    process.stderr.write(`usage: emotion-features ${known} [options]\n`);
    return name === '--help' || name === '-h' ? 0 : 1;
  }
  const command = await load();
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${command.usage}\n`);
    return 0;
  }
  try {
    await command.run(rest);
    return 0;
  } catch (error) {
    // The reader (`head`) has gone: not an error of ours.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return 0;
    const code = error instanceof EmotionError ? ` [${error.code}]` : '';
    process.stderr.write(`emotion-features ${name}:${code} ${(error as Error).message}\n`);
    return 1;
  }
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
