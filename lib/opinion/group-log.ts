import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { NearDuplicateState, SavedGroup, SavedRepost } from './near-duplicate';

/** What has changed since it was asked for last. */
export interface GroupChanges {
  readonly newest: number | null;
  readonly groups: readonly SavedGroup[];
  readonly reposts: readonly SavedRepost[];
}

/** One line of the file. */
interface Line {
  readonly n?: number | null;
  readonly g?: readonly SavedGroup[];
  readonly r?: readonly SavedRepost[];
}

export interface GroupLogOptions {
  /** Told when the file cannot be written; the groups are in memory all the same. */
  readonly onError: (error: unknown) => void;
  /** A file that has grown by so much since it was written whole is written whole again. Default 4 MB. */
  readonly compactBytes?: number;
}

/** Groups of one line of a file that is written whole. */
const GROUPS_A_LINE = 200;

/**
 * The groups of near-duplicates in a file, so that they go on after a crash: what each message changes is
 * appended as a line, and the file is written whole again when most of it is out of date. Writing is not
 * waited for, and not flushed to the device: what a killed process wrote is there, and what a power cut
 * takes are a few reposts that begin a group of their own.
 *
 * @example
 * const { log, state } = await GroupLog.open('/data/groups.jsonl', { onError });
 * const duplicates = new NearDuplicates(options, state);
 * log.append(duplicates.takeChanges(), () => duplicates.toJSON());
 */
export class GroupLog {
  readonly #compactBytes: number;
  #file: FileHandle | undefined;
  /** What was appended since the file was written whole. */
  #grown = 0;
  #whole = 0;
  #waiting: string[] = [];
  #stateOf: (() => NearDuplicateState) | undefined;
  #work: Promise<void> | undefined;

  private constructor(
    private readonly path: string,
    private readonly options: GroupLogOptions,
  ) {
    this.#compactBytes = options.compactBytes ?? 4_000_000;
  }

  /** Reads what a file holds; lines that are none, as a crash leaves, are passed over. */
  static async open(
    path: string,
    options: GroupLogOptions,
  ): Promise<{ readonly log: GroupLog; readonly state: NearDuplicateState | undefined }> {
    const log = new GroupLog(path, options);
    try {
      await mkdir(dirname(path), { recursive: true });
      return { log, state: await log.#read() };
    } catch (error) {
      options.onError(error);
      return { log, state: undefined };
    }
  }

  /**
   * Appends changes in the background.
   *
   * @param stateOf all that is to be kept, for the times when the file is written whole
   */
  append({ newest, groups, reposts }: GroupChanges, stateOf: () => NearDuplicateState): void {
    if (groups.length + reposts.length === 0) return;
    this.#waiting.push(lineOf({ n: newest, g: groups, r: reposts }));
    this.#stateOf = stateOf;
    this.#work ??= this.#drain();
  }

  /** Forgets everything. */
  clear(): void {
    this.#waiting = [];
    this.#grown = Infinity;
    this.#stateOf = () => ({ version: 1, newest: null, groups: [], reposts: [] });
    this.#work ??= this.#drain();
  }

  /** Writes what waits. @param remove whether nobody will ask for it any more */
  async close(remove = false): Promise<void> {
    await this.#work;
    await this.#file?.close();
    this.#file = undefined;
    if (remove) await rm(this.path, { force: true });
  }

  async #drain(): Promise<void> {
    // What one turn of the event loop brings is one write.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.#waiting.length > 0 || this.#grown === Infinity) {
        if (this.#grown > Math.max(this.#compactBytes, this.#whole)) await this.#writeWhole();
        else await this.#write(this.#waiting.splice(0).join(''));
      }
    } catch (error) {
      this.#waiting = [];
      this.options.onError(error);
    }
    this.#work = undefined;
  }

  async #write(lines: string): Promise<void> {
    this.#file ??= await open(this.path, 'a');
    await this.#file.appendFile(lines);
    this.#grown += lines.length;
  }

  async #writeWhole(): Promise<void> {
    // As of now: what waits is part of it.
    this.#waiting = [];
    this.#grown = 0;
    const { newest, groups, reposts = [] } = this.#stateOf!();
    const part = `${this.path}.part`;
    const file = await open(part, 'w');
    let bytes = 0;
    try {
      for (let from = 0; from < groups.length; from += GROUPS_A_LINE) {
        const line = lineOf({ g: groups.slice(from, from + GROUPS_A_LINE) });
        await file.appendFile(line);
        bytes += line.length;
      }
      await file.appendFile(lineOf({ n: newest, r: reposts }));
    } finally {
      await file.close();
    }
    await this.#file?.close();
    this.#file = undefined;
    await rename(part, this.path);
    this.#whole = bytes;
  }

  async #read(): Promise<NearDuplicateState | undefined> {
    const groups = new Map<string, SavedGroup>();
    const reposts = new Map<string, SavedRepost>();
    let newest: number | null = null;
    const input = createReadStream(this.path);
    const missing = new Promise<boolean>((resolve, reject) => {
      input.once('open', () => resolve(false));
      input.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'ENOENT' ? resolve(true) : reject(error),
      );
    });
    if (await missing) return undefined;
    for await (const text of createInterface({ input, crlfDelay: Infinity })) {
      this.#grown += text.length;
      const { n, g, r } = parsed(text);
      for (const group of g ?? []) {
        const { id, sketch = groups.get(id)?.sketch } = group;
        if (typeof id !== 'string' || sketch === undefined) continue;
        // The one that changed last is the last.
        groups.delete(id);
        groups.set(id, { ...group, sketch });
      }
      for (const repost of r ?? [])
        if (typeof repost?.id === 'string') reposts.set(repost.id, repost);
      if (typeof n === 'number') newest = Math.max(newest ?? -Infinity, n);
    }
    return { version: 1, newest, groups: [...groups.values()], reposts: [...reposts.values()] };
  }
}

/** The line break first: a line that was cut off by a crash takes no other with it. */
function lineOf(line: Line): string {
  return `\n${JSON.stringify(line)}`;
}

function parsed(text: string): Line {
  if (text === '') return {};
  try {
    const line = JSON.parse(text) as Line | null;
    if (typeof line !== 'object' || line === null) return {};
    return {
      ...line,
      g: Array.isArray(line.g) ? line.g : [],
      r: Array.isArray(line.r) ? line.r : [],
    };
  } catch {
    return {};
  }
}
