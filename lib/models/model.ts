import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { EmotionError } from '../emotion/error';
import { FileHashes } from './file-hashes';
import {
  parseManifest,
  type Manifest,
  type ManifestProblem,
  type Precision,
  type Routes,
} from './manifest';

/** A model whose manifest is valid and whose files are all there, unchanged. */
export interface InstalledModel {
  readonly manifest: Manifest;
  /** Absolute path of the folder that holds model.yaml. */
  readonly folder: string;
  /**
   * SHA-256 of model.yaml. The manifest holds the SHA-256 of every other file and these were
   * checked, so two models with the same hash are the same model.
   */
  readonly hash: string;
  /** Of a router: the models that its manifest names. The registry fills it in. */
  readonly routes?: Readonly<Record<keyof Routes, InstalledModel>>;
}

export const MANIFEST_FILE = 'model.yaml';

/**
 * Reads `model.yaml` in a folder, checks it against the schema and the files against their sizes
 * and SHA-256.
 *
 * @param hashes remembers digests between calls; without it every file is read
 * @throws EmotionError `model.file-missing`, `model.manifest-invalid` or `model.hash-mismatch`,
 * naming the file, the key, what was expected and what is there
 *
 * @example
 * const { manifest } = await loadModel('/data/emotion-models/text-bilstm');
 * manifest.architecture; // → 'bilstm-attention'
 */
export async function loadModel(
  folder: string,
  hashes: FileHashes = new FileHashes(),
): Promise<InstalledModel> {
  const absolute = resolve(folder);
  const file = join(absolute, MANIFEST_FILE);
  const source = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new EmotionError(
      'model.file-missing',
      `${file}: expected a model manifest, ${cause.code === 'ENOENT' ? 'there is no such file' : cause.message}`,
      { file },
      { cause },
    );
  });
  const manifest = readManifest(file, source.toString('utf8'));
  for (const [key, entry] of Object.entries(manifest.files)) {
    if (typeof entry !== 'object') continue;
    await checkFile(absolute, file, `files.${key}`, entry, hashes);
  }
  const { weights } = manifest;
  if (weights !== undefined) await checkFile(absolute, file, 'weights', weights, hashes);
  return { manifest, folder: absolute, hash: createHash('sha256').update(source).digest('hex') };
}

/**
 * A router with its models. Its hash then stands for theirs as well: it changes when one of them
 * does.
 *
 * @param find a model by its id
 * @throws EmotionError `model.manifest-invalid` when a route leads to another router or to a model
 * that is no text model; what `find` throws
 */
export async function withRoutes(
  router: InstalledModel,
  find: (id: string) => Promise<InstalledModel>,
): Promise<InstalledModel> {
  const { routes } = router.manifest;
  if (routes === undefined) return router;
  const target = async (language: keyof Routes): Promise<InstalledModel> => {
    const model = await find(routes[language]);
    const { modality, architecture, weights } = model.manifest;
    const hasGraph = architecture !== 'router' && weights === undefined;
    if (modality === 'text' && hasGraph) return model;
    const file = join(router.folder, MANIFEST_FILE);
    const key = `routes.${language}`;
    const got = `"${routes[language]}" (${architecture}, ${modality})`;
    throw new EmotionError(
      'model.manifest-invalid',
      `${file}: ${key}: expected a text model with a graph of its own, got ${got}`,
      { file, key, expected: 'a text model', got },
    );
  };
  const [zh, en] = await Promise.all([target('zh'), target('en')]);
  const hash = createHash('sha256').update([router.hash, zh.hash, en.hash].join());
  return { ...router, hash: hash.digest('hex'), routes: { zh, en } };
}

/**
 * The absolute path of a model's graph.
 *
 * @param precision the manifest's default when left out
 * @throws EmotionError `model.file-missing` when the model has no graph of that precision
 */
export function graphFile(
  { manifest, folder }: InstalledModel,
  precision: Precision = manifest.files.default,
): string {
  const entry = manifest.files[precision];
  if (entry === undefined) {
    const others = (['fp32', 'fp16', 'int8'] as const).filter((one) => manifest.files[one]);
    throw new EmotionError(
      'model.file-missing',
      `${join(folder, MANIFEST_FILE)}: files.${precision}: model "${manifest.id}" has no ${precision} graph; it has ${others.join(', ')}`,
      { file: join(folder, MANIFEST_FILE), key: `files.${precision}` },
    );
  }
  return join(folder, entry.path);
}

/**
 * A manifest from the text of a `model.yaml`.
 *
 * @param file named in errors
 * @throws EmotionError `model.manifest-invalid`; details carry file, line and, unless the YAML
 * itself is broken, key, expected and got of the first problem
 */
export function readManifest(file: string, source: string): Manifest {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw new EmotionError(
      'model.manifest-invalid',
      `${file}:${line}:${col}: expected YAML: ${broken.message}`,
      { file, line, column: col },
      { cause: broken },
    );
  }

  const value: unknown = document.toJS();
  const { manifest, problems } = parseManifest(value);
  if (manifest !== undefined) return manifest;

  /** The line of the key, or of the nearest one above it that is there. */
  const lineOf = (path: ManifestProblem['path']): number => {
    for (let depth = path.length; depth >= 0; depth -= 1) {
      const node: unknown = document.getIn(path.slice(0, depth), true);
      const range = (node as { range?: [number, number, number] | null } | undefined)?.range;
      if (range) return lines.linePos(range[0]).line;
    }
    return 1;
  };
  const found = problems.map(({ path, expected }) => ({
    key: keyPath(path),
    expected,
    got: shown(valueAt(value, path)),
    line: lineOf(path),
  }));
  const [first] = found as [(typeof found)[number], ...typeof found];
  const shownProblems = found
    .slice(0, 5)
    .map(
      ({ key, expected, got, line }) => `${file}:${line}: ${key}: expected ${expected}, got ${got}`,
    );
  if (found.length > 5) shownProblems.push(`and ${found.length - 5} more`);
  throw new EmotionError('model.manifest-invalid', shownProblems.join('\n'), { file, ...first });
}

async function checkFile(
  folder: string,
  manifestFile: string,
  key: string,
  entry: { path: string; bytes: number; sha256: string },
  hashes: FileHashes,
): Promise<void> {
  const file = join(folder, entry.path);
  if (isAbsolute(entry.path) || !isInside(folder, file)) {
    throw outside(manifestFile, key, entry.path);
  }
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new EmotionError(
      'model.file-missing',
      `${manifestFile}: ${key}.path: expected a file at ${file}, ${cause.code === 'ENOENT' ? 'there is none' : cause.message}`,
      { file, key: `${key}.path` },
      { cause },
    );
  });
  if (!found.isFile()) {
    throw new EmotionError(
      'model.file-missing',
      `${manifestFile}: ${key}.path: expected a file at ${file}, it is no regular file`,
      { file, key: `${key}.path` },
    );
  }
  if (!isInside(await realpath(folder), await realpath(file))) {
    throw outside(manifestFile, key, entry.path);
  }
  if (found.size !== entry.bytes) throw changed(file, `${key}.bytes`, entry.bytes, found.size);
  const digest = await hashes.sha256(file, found);
  if (digest !== entry.sha256) throw changed(file, `${key}.sha256`, entry.sha256, digest);
}

function isInside(folder: string, file: string): boolean {
  const way = relative(folder, file);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function outside(file: string, key: string, path: string): EmotionError {
  return new EmotionError(
    'model.manifest-invalid',
    `${file}: ${key}.path: expected a path inside the model's folder, got ${JSON.stringify(path)}`,
    { file, key: `${key}.path`, expected: "a path inside the model's folder", got: path },
  );
}

function changed(
  file: string,
  key: string,
  expected: string | number,
  got: string | number,
): EmotionError {
  return new EmotionError(
    'model.hash-mismatch',
    `${file} is not the file that ${MANIFEST_FILE} describes: ${key}: expected ${expected}, got ${got}; install the model again`,
    { file, key, expected, got },
  );
}

function keyPath(path: readonly (string | number)[]): string {
  const text = path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\./, '');
  return text === '' ? '(the whole file)' : text;
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null
        ? (inner as Record<string | number, unknown>)[key]
        : undefined,
    value,
  );
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
