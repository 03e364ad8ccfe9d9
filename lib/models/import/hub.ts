import { z } from 'zod';
import { EmotionError } from '../../emotion/error';
import type { ExpectedFile } from './download';
import { chunksOf, get, Interrupted, place, reasonOf, retrying, type HttpOptions } from './http';

/** Where the public hub is; mirrors speak the same protocol. */
export const DEFAULT_ENDPOINT = 'https://huggingface.co';

export interface HubOptions extends HttpOptions {
  /** Address of the hub or a mirror. Default: the variable HF_ENDPOINT, or the public hub. */
  readonly endpoint?: string;
}

export interface HubReference {
  /** `owner/name` */
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

export interface HubFile extends ExpectedFile {
  readonly path: string;
}

export interface HubRepository extends HubReference {
  /** The commit that the revision stood for; files are fetched from it. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

const REFERENCE =
  /^(?<repository>[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95})(?:@(?<revision>[\w.][\w./-]{0,199}))?$/;

/**
 * A Hub id as people write it.
 *
 * @throws EmotionError `model.import-not-found` for anything else
 *
 * @example parseHubReference('owner/name@v2'); // → { repository: 'owner/name', revision: 'v2' }
 */
export function parseHubReference(text: string): HubReference {
  const { repository, revision = 'main' } = REFERENCE.exec(text.trim())?.groups ?? {};
  if (repository === undefined || text.includes('..')) {
    throw new EmotionError(
      'model.import-not-found',
      `Expected a Hub id such as owner/name or owner/name@revision, got ${JSON.stringify(text)}`,
      { expected: 'owner/name[@revision]', got: text },
    );
  }
  return { repository, revision };
}

const repositorySchema = z.looseObject({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(
    z.looseObject({
      rfilename: z.string(),
      size: z.int().nonnegative().nullish(),
      blobId: z
        .string()
        .regex(/^[0-9a-f]{40}$/)
        .nullish(),
      lfs: z
        .looseObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().positive() })
        .nullish(),
    }),
  ),
});

/** Longest list of files that is read. */
const MAX_LIST_BYTES = 16 * 1024 ** 2;

/**
 * The files of a repository at a revision, with size and hash where the hub knows them.
 *
 * @throws EmotionError `model.import-*`
 */
export async function listRepository(
  reference: HubReference,
  options: HubOptions = {},
): Promise<HubRepository> {
  const { repository, revision } = reference;
  const url = new URL(
    `api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`,
    baseOf(options),
  );
  const text = await retrying(
    () => readText(url, options),
    () => false,
    options,
  );
  const parsed = repositorySchema.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new EmotionError(
      'model.import-corrupt',
      `${place(url)}: expected the hub's list of files as JSON, got ${JSON.stringify(text.slice(0, 60))}: check the hub's address; a network that wants a log-in first answers like this`,
      { url: place(url), got: text.slice(0, 60) },
    );
  }
  const { sha, siblings } = parsed.data;
  const files = siblings.map(({ rfilename, size, blobId, lfs }): HubFile => {
    if (lfs) return { path: rfilename, bytes: lfs.size, sha256: lfs.sha256 };
    return {
      path: rfilename,
      ...(size != null && { bytes: size }),
      ...(blobId != null && { gitSha1: blobId }),
    };
  });
  return { ...reference, commit: sha, files };
}

/** The address of a file of a repository. */
export function fileUrl(
  { repository, commit }: Pick<HubRepository, 'repository' | 'commit'>,
  path: string,
  options: HubOptions = {},
): URL {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  return new URL(`${repository}/resolve/${commit}/${encoded}`, baseOf(options));
}

/** The address that is used where none is given. */
export function usualEndpoint(): string {
  return process.env['HF_ENDPOINT'] || DEFAULT_ENDPOINT;
}

function baseOf({ endpoint }: HubOptions): URL {
  const text = endpoint || usualEndpoint();
  if (URL.canParse(text)) {
    const base = new URL(text.endsWith('/') ? text : `${text}/`);
    if (base.protocol === 'https:' || base.protocol === 'http:') return base;
  }
  throw new EmotionError(
    'model.import-not-found',
    `The hub's address must be one such as ${DEFAULT_ENDPOINT}, got ${JSON.stringify(text)}`,
    { expected: DEFAULT_ENDPOINT, got: text },
  );
}

async function readText(url: URL, options: HubOptions): Promise<string> {
  const { response, alive, finish } = await get(url, { accept: 'application/json' }, options);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of chunksOf(response)) {
      alive();
      parts.push(chunk);
      bytes += chunk.byteLength;
      if (bytes > MAX_LIST_BYTES) break;
    }
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new Interrupted(`${place(url)}: ${reasonOf(cause)}`, 0, { cause });
  } finally {
    finish();
  }
  return Buffer.concat(parts).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
