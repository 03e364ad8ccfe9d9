import { rmSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'emotion-media-';
const folders = new Set<string>();
let prepared: Promise<void> | undefined;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Removes what a process that was killed with SIGKILL could not remove itself. */
export async function sweepTemporaryFiles(parent = tmpdir()): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  await Promise.all(
    names.map(async (name) => {
      const pid = /^emotion-media-(\d+)-/.exec(name)?.[1];
      if (pid !== undefined && !isAlive(Number(pid))) {
        await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
      }
    }),
  );
}

function prepare(): Promise<void> {
  process.once('exit', () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  return sweepTemporaryFiles();
}

export interface TemporaryFile {
  readonly path: string;
  /** Safe to call more than once. */
  remove(): Promise<void>;
}

/**
 * Writes bytes to a file that only this user can read, in a folder named after this process: what
 * is left after a crash is removed by the next process that needs a temporary file.
 */
export async function temporaryFile(bytes: Uint8Array): Promise<TemporaryFile> {
  await (prepared ??= prepare());
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  folders.add(folder);
  const path = join(folder, 'media');
  const remove = async () => {
    await rm(folder, { recursive: true, force: true });
    folders.delete(folder);
  };
  try {
    await writeFile(path, bytes, { mode: 0o600 });
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, remove };
}
