import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, stat, unlink, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmotionError } from '../emotion/error';
import { diskError } from './disk-error';

/** A holder that was not heard of for this long is gone. */
const STALE_MS = 15_000;

/** Folders that this process holds. */
const held = new Map<string, string>();

export interface FolderLock {
  release(): Promise<void>;
}

/**
 * Makes sure that a folder has one user: a file in it names the holder and is touched while it lives.
 * The lock of a process that is gone is taken over, at once where that process was one of this
 * machine, otherwise (two containers on one volume) when nothing was heard of it for 15 s.
 *
 * @param waitMs how long to wait for a holder to let go
 * @throws EmotionError `buffer.in-use`; `buffer.disk` when there can be no such folder
 */
export async function lockFolder(folder: string, waitMs = 0): Promise<FolderLock> {
  const path = join(folder, 'lock');
  const token = randomUUID();
  const until = Date.now() + waitMs;
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw diskError(folder, cause);
  });
  for (;;) {
    if (!held.has(path)) {
      held.set(path, token);
      if (await create(path, token)) break;
      const abandoned = await isAbandoned(path);
      if (abandoned) await unlink(path).catch(() => undefined);
      held.delete(path);
      if (abandoned) continue;
    }
    if (Date.now() >= until) throw inUse(folder);
    await sleep(Math.min(200, Math.max(1, until - Date.now())));
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, STALE_MS / 5);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      if (held.get(path) !== token) return;
      await unlink(path).catch(() => undefined);
      held.delete(path);
    },
  };
}

async function create(path: string, token: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(JSON.stringify({ host: hostname(), pid: process.pid, token }));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    held.delete(path);
    throw diskError(dirname(path), error);
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const age = await stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => undefined,
  );
  if (age === undefined) return false;
  if (age > STALE_MS) return true;
  const text = await readFile(path, 'utf8').catch(() => '');
  const { host, pid } = parse(text);
  if (host !== hostname() || pid === undefined) return false;
  // A process of this id that is not us: the one before us in a container, where ids begin anew.
  return pid === process.pid || !isAlive(pid);
}

function parse(text: string): { readonly host?: string; readonly pid?: number } {
  try {
    return JSON.parse(text) as { host: string; pid: number };
  } catch {
    return {};
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function inUse(folder: string): EmotionError {
  return new EmotionError(
    'buffer.in-use',
    `The folder ${folder} is in use by another buffer: give each one its own`,
    { folder },
  );
}
