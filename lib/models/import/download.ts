import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EmotionError } from '../../emotion/error';
import { chunksOf, get, Interrupted, place, reasonOf, retrying, type HttpOptions } from './http';

/** What is known of a file before it is downloaded. */
export interface ExpectedFile {
  readonly bytes?: number;
  readonly sha256?: string;
  /** Of a git blob: SHA-1 over `blob <bytes>\0` and the content. */
  readonly gitSha1?: string;
}

export interface DownloadOptions extends HttpOptions {
  /** Bytes of the file that have arrived, those of earlier tries included. */
  readonly progress?: (received: number, total: number | undefined) => void;
  /** Default 4 GiB. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 4 * 1024 ** 3;

/**
 * Downloads a file. What has arrived stays in `<target>.part` when the connection breaks, this time
 * or at the end of the process, and only the rest is asked for again (RFC 9110, section 14.2, with
 * `If-Range`, so that a file that has changed since starts afresh). The target appears, whole and
 * checked, with a rename. A target that is there and passes the checks is left as it is.
 *
 * @throws EmotionError `model.import-corrupt` when something else than the file arrives,
 * `model.import-disk` when it cannot be written; see {@link get} and {@link retrying}
 */
export async function download(
  url: URL,
  target: string,
  expected: ExpectedFile,
  options: DownloadOptions = {},
): Promise<void> {
  if (await isSound(target, expected)) {
    options.progress?.(expected.bytes ?? (await sizeOf(target)), expected.bytes);
    return;
  }
  await onDisk(target, () => mkdir(dirname(target), { recursive: true }));
  const part = new Part(target);
  let before = await part.size();
  let now = before;
  let resumed = false;
  const task = async (): Promise<void> => {
    before = await part.size();
    try {
      resumed = (await fetchRest(url, part, expected, options)) || resumed;
    } finally {
      now = await part.size();
    }
    const problem = await part.problem();
    if (problem === undefined) return;
    await part.remove();
    // Two halves of different files: once from the start.
    if (resumed) {
      resumed = false;
      throw new Interrupted(`${place(url)}: ${problem}`);
    }
    throw corrupt(url, `${problem}; the file on the hub or a proxy on the way is damaged`);
  };
  await retrying(task, () => now > before, options);
  await onDisk(target, () => part.finish());
}

/** Names and checks what has arrived of a file. */
class Part {
  readonly file: string;
  readonly #stamp: string;
  /** What the server said of the file beside what was expected. */
  known: ExpectedFile = {};

  constructor(private readonly target: string) {
    this.file = `${target}.part`;
    this.#stamp = `${this.file}.etag`;
  }

  size(): Promise<number> {
    return sizeOf(this.file);
  }

  /** The strong entity tag of the file that this is a part of; undefined when there is none. */
  async etag(): Promise<string | undefined> {
    const text = await readFile(this.#stamp, 'utf8').catch(() => '');
    return /^"[\x21\x23-\x7e]*"$/.test(text) ? text : undefined;
  }

  /** Forgets what is there: the next bytes are the first. */
  async restart(etag: string | null): Promise<void> {
    await writeFile(this.file, '');
    await writeFile(this.#stamp, etag ?? '');
  }

  problem(): Promise<string | undefined> {
    return problemOf(this.file, this.known);
  }

  async remove(): Promise<void> {
    await rm(this.file, { force: true });
    await rm(this.#stamp, { force: true });
  }

  async finish(): Promise<void> {
    await rename(this.file, this.target);
    await rm(this.#stamp, { force: true });
  }
}

/** @returns whether it went on where an earlier try ended */
async function fetchRest(
  url: URL,
  part: Part,
  expected: ExpectedFile,
  options: DownloadOptions,
): Promise<boolean> {
  part.known = { ...part.known, ...expected };
  const etag = await part.etag();
  const checked = expected.sha256 !== undefined || expected.gitSha1 !== undefined;
  let offset = etag !== undefined || checked ? await part.size() : 0;
  if (expected.bytes !== undefined) {
    if (offset === expected.bytes && offset > 0) return true;
    if (offset > expected.bytes) offset = 0;
  }
  const range =
    offset === 0
      ? {}
      : { range: `bytes=${offset}-`, ...(etag !== undefined && { 'if-range': etag }) };
  const answer = await get(url, range, options);
  const { response, headers } = answer;
  try {
    if (response.status === 416) {
      await part.remove();
      throw new Interrupted(`${place(url)}: the server does not know the range asked for`);
    }
    await checkKind(url, response);
    if (response.status !== 206) offset = 0;
    const total = totalBytes(url, response, offset);
    part.known = { ...linked(headers), ...expected };
    checkTotal(url, total, part.known.bytes, options.maxBytes ?? MAX_BYTES);
    if (offset === 0) await onDisk(part.file, () => part.restart(response.headers.get('etag')));
    await receive(url, answer, part.file, offset, total ?? part.known.bytes, options);
    return offset > 0;
  } finally {
    answer.finish();
    await response.body?.cancel().catch(() => undefined);
  }
}

async function receive(
  url: URL,
  { response, alive }: Awaited<ReturnType<typeof get>>,
  file: string,
  offset: number,
  total: number | undefined,
  { progress, signal, maxBytes = MAX_BYTES }: DownloadOptions,
): Promise<void> {
  const handle = await onDisk(file, () => open(file, 'a'));
  let received = offset;
  try {
    progress?.(received, total);
    try {
      for await (const chunk of chunksOf(response)) {
        alive();
        await onDisk(file, () => handle.writeFile(chunk));
        received += chunk.byteLength;
        if (received > maxBytes) throw tooLarge(url, received, maxBytes);
        progress?.(received, total);
      }
    } catch (cause) {
      if (cause instanceof EmotionError) throw cause;
      signal?.throwIfAborted();
      throw new Interrupted(`${place(url)}: cut off after ${received} bytes, ${reasonOf(cause)}`);
    }
    if (total !== undefined && received < total) {
      throw new Interrupted(`${place(url)}: cut off after ${received} of ${total} bytes`);
    }
  } finally {
    await handle.close();
  }
}

/** A portal's log-in page or a wrong address answer with a page and the status 200. */
async function checkKind(url: URL, response: Response): Promise<void> {
  const kind = response.headers.get('content-type') ?? '';
  if (!/^(?:text\/html|application\/xhtml)/i.test(kind)) return;
  await response.body?.cancel();
  throw corrupt(
    url,
    `expected a file, got a web page (${kind}): check the hub's address; a network that wants a log-in first answers like this`,
  );
}

function totalBytes(url: URL, response: Response, offset: number): number | undefined {
  const { headers, status } = response;
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
    if (range === null || Number(range[1]) !== offset) {
      throw corrupt(url, `asked for bytes from ${offset}, got ${headers.get('content-range')}`);
    }
    return range[2] === '*' ? undefined : Number(range[2]);
  }
  const length = headers.get('content-length');
  return length === null ? undefined : Number(length);
}

function checkTotal(
  url: URL,
  total: number | undefined,
  expected: number | undefined,
  most: number,
): void {
  if (total !== undefined && expected !== undefined && total !== expected) {
    throw corrupt(url, `expected ${expected} bytes, the server offers ${total}`);
  }
  const size = total ?? expected ?? 0;
  if (size > most) throw tooLarge(url, size, most);
}

function tooLarge(url: URL, bytes: number, most: number): EmotionError {
  return new EmotionError(
    'model.import-unsupported',
    `${place(url)}: ${bytes} bytes or more, at most ${most} are taken; choose a smaller model`,
    { url: place(url), bytes, most },
  );
}

/** What the public hub says of a large file before it sends one elsewhere for it. */
function linked(headers: Headers): ExpectedFile {
  const sha256 = /^"?([0-9a-f]{64})"?$/.exec(headers.get('x-linked-etag') ?? '')?.[1];
  const bytes = headers.get('x-linked-size');
  return {
    ...(sha256 !== undefined && { sha256 }),
    ...(bytes !== null && /^\d+$/.test(bytes) && { bytes: Number(bytes) }),
  };
}

async function isSound(file: string, expected: ExpectedFile): Promise<boolean> {
  const there = await stat(file).catch(() => undefined);
  return there?.isFile() === true && (await problemOf(file, expected)) === undefined;
}

/** What a file differs in from what was expected. */
async function problemOf(file: string, expected: ExpectedFile): Promise<string | undefined> {
  const size = await sizeOf(file);
  if (expected.bytes !== undefined && size !== expected.bytes) {
    return `expected ${expected.bytes} bytes, got ${size}`;
  }
  if (expected.sha256 !== undefined) {
    const sha256 = await digest(file, 'sha256');
    if (sha256 !== expected.sha256) return `expected SHA-256 ${expected.sha256}, got ${sha256}`;
  } else if (expected.gitSha1 !== undefined) {
    const sha1 = await digest(file, 'sha1', `blob ${size}\0`);
    if (sha1 !== expected.gitSha1) return `expected git blob ${expected.gitSha1}, got ${sha1}`;
  }
  return undefined;
}

async function digest(file: string, algorithm: 'sha1' | 'sha256', head = ''): Promise<string> {
  const hash = createHash(algorithm).update(head);
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash, { end: false });
  return hash.digest('hex');
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

function corrupt(url: URL, reason: string): EmotionError {
  return new EmotionError('model.import-corrupt', `${place(url)}: ${reason}`, {
    url: place(url),
    reason,
  });
}

/** Runs something that writes; says what to do when the disk does not take it. */
export async function onDisk<T>(file: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined || cause instanceof EmotionError) throw cause;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new EmotionError(
      'model.import-disk',
      `${file}: ${full ? 'the disk is full: free some space and import again' : `cannot be written (${code}): check the folder's permissions`}`,
      { file, code },
      { cause },
    );
  }
}
