import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { EmotionError } from '../emotion/error';
import type { MediaInput } from './input';

export const STREAM_SCHEMES = ['http', 'https', 'rtsp', 'rtsps', 'rtmp', 'rtmps'] as const;
export type StreamScheme = (typeof STREAM_SCHEMES)[number];

/**
 * What a name that came with a message may refer to. Everything else is refused: FFmpeg itself
 * would follow `concat:`, `subfile:`, `http:` or `pipe:` in a file name.
 */
export interface MediaAccess {
  /** Folders whose files may be read, sub-folders included. Symbolic links are followed first. */
  readonly folders: readonly string[];
  readonly schemes: readonly StreamScheme[];
}

/** Bytes only: no name of any kind is opened. */
export const NO_NAMES: MediaAccess = { folders: [], schemes: [] };

/** `C:\x` is a path on Windows; a scheme has at least two letters, `subfile,,options,,:` commas. */
const SCHEME = /^([a-z][a-z0-9+.,_-]+):/i;

function refuse(name: string, why: string): EmotionError {
  const shown = printable(name);
  return new EmotionError('media.refused', `"${shown}" is refused: ${why}`, { input: shown });
}

/** A name fit for a message or a log: no control characters, no password, not too long. */
export function printable(name: string): string {
  return (
    name
      // eslint-disable-next-line no-control-regex
      .replace(/[\u0000-\u001f\u007f]/g, '?')
      .replace(/(:\/\/)[^/@\s]*@/, '$1')
      .slice(0, 200)
  );
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/**
 * Checks a file name from an untrusted message and returns the real path behind it. A relative
 * name is taken from the first allowed folder.
 *
 * @throws {EmotionError} `media.refused` outside the allowed folders, for anything with a protocol
 *   in front, and for pipes, sockets and devices; `media.not-found`; `media.empty` for 0 bytes.
 */
export async function checkedFile(name: string, access: MediaAccess): Promise<string> {
  if (name.includes('\0')) throw refuse(name, 'the name contains a NUL character');
  const scheme = SCHEME.exec(name)?.[1];
  if (scheme) {
    throw refuse(
      name,
      `"${scheme}:" is taken for a protocol; give a path, with ./ in front if the file has this name`,
    );
  }
  const first = access.folders[0];
  if (first === undefined) {
    throw refuse(name, 'this node allows no folder; add one in its settings');
  }
  const lexical = resolve(first, name);
  const outside = () =>
    refuse(name, `it is outside the allowed folders (${access.folders.join(', ')})`);
  const realFolders = await Promise.all(
    access.folders.map((folder) => realpath(folder).catch(() => resolve(folder))),
  );
  // Decided on the name before the disk is asked, so that an answer does not tell what exists.
  if (![...realFolders, ...access.folders].some((folder) => isInside(resolve(folder), lexical))) {
    throw outside();
  }
  let path: string;
  try {
    path = await realpath(lexical);
  } catch (error) {
    throw new EmotionError(
      'media.not-found',
      `There is no file "${printable(name)}"`,
      { input: printable(name) },
      { cause: error },
    );
  }
  if (!realFolders.some((folder) => isInside(folder, path))) throw outside();
  await requireRegularFile(path);
  return path;
}

/**
 * @throws {EmotionError} `media.not-found`; `media.refused` for a folder, pipe, socket or device
 *   (reading one could wait for ever); `media.empty` for 0 bytes.
 */
export async function requireRegularFile(path: string): Promise<void> {
  const shown = printable(path);
  const info = await stat(path).catch((error: unknown) => {
    throw new EmotionError(
      'media.not-found',
      `There is no file "${shown}"`,
      { input: shown },
      { cause: error },
    );
  });
  if (!info.isFile()) throw refuse(path, 'it is not a regular file');
  if (info.size === 0) {
    throw new EmotionError('media.empty', `${shown}: the file has 0 bytes`, { input: shown });
  }
}

/**
 * Checks an address from an untrusted message.
 *
 * @throws {EmotionError} `media.refused` when its protocol is not among `access.schemes`.
 */
export function checkedUrl(name: string, access: MediaAccess): string {
  const scheme = SCHEME.exec(name)?.[1]?.toLowerCase();
  if (!access.schemes.some((allowed) => allowed === scheme)) {
    throw refuse(
      name,
      access.schemes.length === 0
        ? 'this node allows no addresses; allow the protocol in its settings'
        : `allowed protocols are ${access.schemes.join(', ')}`,
    );
  }
  let url: URL;
  try {
    url = new URL(name);
  } catch (error) {
    throw new EmotionError(
      'media.refused',
      `"${printable(name)}" is not an address`,
      { input: printable(name) },
      { cause: error },
    );
  }
  if (url.hostname === '') throw refuse(name, 'the address has no host');
  return url.href;
}

/**
 * Turns a path or address of an untrusted message into something that may be opened.
 *
 * @example
 * await openNamed('clip.wav', { folders: ['/data/clips'], schemes: [] });
 * // → { kind: 'file', path: '/data/clips/clip.wav' }
 * await openNamed('concat:/etc/passwd', { folders: ['/data/clips'], schemes: [] });
 * // rejects: EmotionError media.refused
 */
export async function openNamed(name: string, access: MediaAccess): Promise<MediaInput> {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(name)
    ? { kind: 'url', url: checkedUrl(name, access) }
    : { kind: 'file', path: await checkedFile(name, access) };
}
