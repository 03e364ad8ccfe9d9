import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { EmotionError } from '../../emotion/error';
import { EMOTION_NAMES } from '../../emotion/labels';
import type { LabelMapping } from '../../emotion/mapping';
import { FileHashes } from '../file-hashes';
import type { Manifest, Precision } from '../manifest';
import { loadModel, MANIFEST_FILE, type InstalledModel } from '../model';
import { download, onDisk, type DownloadOptions } from './download';
import { chooseFiles, describeModel, type ModelDescription, type ModelFiles } from './hugging-face';
import { fileUrl, listRepository, parseHubReference, type HubOptions } from './hub';
import {
  emotionsOf,
  isSentiment,
  mappingOf,
  proposeMapping,
  type LabelProposal,
} from './label-mapping';
import { readOnnxGraph, type GraphTensor, type OnnxGraph } from './onnx-graph';

/** What an import does; bytes are of all its files together. */
export interface ImportProgress {
  readonly phase: 'downloading' | 'checking' | 'installing';
  readonly received: number;
  readonly total?: number;
}

export interface ImportOptions extends HubOptions, Pick<DownloadOptions, 'maxBytes'> {
  /** Where models are installed, one folder each: a user's model folder. */
  readonly models: string;
  /** Of the installed model; made from the source's name when left out. */
  readonly id?: string;
  /** What labels mean, before what {@link proposeMapping} says. */
  readonly mapping?: LabelMapping;
  /** The smallest graph that there is when left out. */
  readonly precision?: Precision;
  /**
   * What becomes of a model that judges every label by itself (a sigmoid each): it is refused, or
   * its logits go through one softmax, so that labels compete. Default `refuse`.
   */
  readonly multiLabel?: 'refuse' | 'softmax';
  /** Tries the finished model before it takes its place; what it throws ends the import. */
  readonly verify?: (model: InstalledModel) => Promise<void>;
  readonly progress?: (progress: ImportProgress) => void;
}

/** What a person may look at, and put right, before a model is imported. */
export interface ImportProposal {
  readonly id: string;
  readonly labels: readonly LabelProposal[];
  readonly precision: Precision;
  readonly multiLabel: boolean;
  readonly licence: string;
  readonly languages: readonly string[];
}

/** Folder inside the models' folder for what is under way; holds no model.yaml itself. */
const WORK = '.import';
const INPUTS = ['input_ids', 'attention_mask', 'token_type_ids'] as const;
const TYPES: Readonly<Record<number, 'int32' | 'int64'>> = { 6: 'int32', 7: 'int64' };
const FLOAT_TYPES = new Set([1, 10]);
const LICENCE_NOTE = {
  unknown: 'The source states no licence: ask its author before you use it beyond trying.',
};

/** Model folders that an import is writing now; two of one would overwrite each other. */
const underWay = new Set<string>();

/**
 * Installs a text classifier that somebody else made as a model of this suite: a folder as Hugging
 * Face writes it (`model.onnx`, `tokenizer.json`, `config.json`, in itself or in `onnx/`), or an id
 * of the Hub, with a `model.yaml` made from them. Everything happens beside the place where the
 * model goes; a model that is already there stays until the new one is complete and checked, and
 * stays when the import fails.
 *
 * @param source absolute path of a folder, or `owner/name[@revision]`
 * @throws EmotionError `model.import-*`; what `verify` throws; the signal's reason
 *
 * @example
 * const model = await importModel('owner/name@main', { models: '/data/emotion-models' });
 * model.manifest.mapping; // → { joy: 'happy', sadness: 'sad', … }
 */
export async function importModel(source: string, options: ImportOptions): Promise<InstalledModel> {
  const id = importedId(source, options.id);
  const target = join(resolve(options.models), id);
  if (underWay.has(target)) {
    throw new EmotionError(
      'model.import-busy',
      `Model "${id}" is being imported already: wait until that has ended, or give another id`,
      { model: id },
    );
  }
  underWay.add(target);
  try {
    const { files, version } = await gather(source, options, 'all');
    options.signal?.throwIfAborted();
    report(options, 'checking');
    const description = await describeModel(files);
    const staged = await stage(source, id, version, files, description, options);
    try {
      const model = await loadModel(staged);
      await options.verify?.(model);
      options.signal?.throwIfAborted();
      report(options, 'installing');
      await replace(staged, target);
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
    await rm(downloadFolder(options.models, source), { recursive: true, force: true });
    return await loadModel(target);
  } finally {
    underWay.delete(target);
  }
}

/**
 * What {@link importModel} would do, without the graph: of a Hub id, only the small files are
 * downloaded.
 *
 * @throws EmotionError `model.import-*`
 */
export async function proposeImport(
  source: string,
  options: Omit<ImportOptions, 'verify'>,
): Promise<ImportProposal> {
  const { files } = await gather(source, options, 'description');
  const { labels, multiLabel, licence, languages } = await describeModel(files);
  return {
    id: importedId(source, options.id),
    labels: withOverrides(proposeMapping(labels), options.mapping),
    precision: files.precision,
    multiLabel,
    licence,
    languages,
  };
}

interface Gathered {
  /** Absolute paths. */
  readonly files: ModelFiles;
  readonly version: string;
}

function gather(
  source: string,
  options: ImportOptions,
  what: 'all' | 'description',
): Promise<Gathered> {
  return isFolder(source)
    ? gatherFolder(resolve(source), options)
    : gatherFromHub(source, options, what);
}

async function gatherFolder(folder: string, { precision }: ImportOptions): Promise<Gathered> {
  const list = async (inner: string): Promise<string[]> => {
    const entries = await readdir(join(folder, inner), { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => inner + name);
  };
  const names = await list('').catch((cause: NodeJS.ErrnoException) => {
    throw new EmotionError(
      'model.import-not-found',
      `${folder}: expected a folder with model.onnx, tokenizer.json and config.json, ${cause.code === 'ENOENT' ? 'there is none' : cause.message}`,
      { source: folder },
      { cause },
    );
  });
  names.push(...(await list('onnx/').catch(() => [])));
  const chosen = chooseFiles(folder, names, precision);
  return { files: mapPaths(chosen, (path) => join(folder, path)), version: '1.0.0' };
}

async function gatherFromHub(
  source: string,
  options: ImportOptions,
  what: 'all' | 'description',
): Promise<Gathered> {
  const repository = await listRepository(parseHubReference(source), options);
  const names = repository.files.map(({ path }) => path);
  const chosen = chooseFiles(repository.repository, names, options.precision);
  const folder = join(downloadFolder(options.models, source), repository.commit);
  const files = mapPaths(chosen, (path) => join(folder, path));
  // The graph last: what the small files say may spare its download.
  const { graph, tokenizer, config, tokenizerConfig, card } = chosen;
  const paths = [config, tokenizer, tokenizerConfig, card, what === 'all' ? graph : undefined];
  const wanted = paths.flatMap((path) =>
    path === undefined ? [] : repository.files.filter((file) => file.path === path),
  );
  const total = wanted.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  await onDisk(folder, () => mkdir(folder, { recursive: true }));
  await checkSpace(folder, total);

  let received = 0;
  for (const { path, ...expected } of wanted) {
    if (path === graph) checkDescription(files, await describeModel(files), options);
    let own = 0;
    await download(fileUrl(repository, path, options), join(folder, path), expected, {
      ...options,
      progress: (bytes) => {
        own = bytes;
        options.progress?.({ phase: 'downloading', received: received + own, total });
      },
    });
    received += own;
  }
  return {
    files,
    version: `1.0.0+${repository.commit.slice(0, 7)}`,
  };
}

/** Where the downloads of a source wait for the rest; removed when it is installed. */
function downloadFolder(models: string, source: string): string {
  return join(resolve(models), WORK, 'downloads', slug(source.replace(/@.*$/, '')));
}

async function checkSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder).catch(() => ({ bavail: Infinity, bsize: 1 }));
  const free = bavail * bsize;
  // Once as it arrives and once as it is put together.
  if (free >= 2 * bytes) return;
  throw new EmotionError(
    'model.import-disk',
    `${folder}: the model needs ${2 * bytes} bytes while it is imported, ${free} are free: free some space and import again`,
    { file: folder, needed: 2 * bytes, free },
  );
}

/** Puts a complete model folder together, beside the place where it goes. */
async function stage(
  source: string,
  id: string,
  version: string,
  files: ModelFiles,
  description: ModelDescription,
  options: ImportOptions,
): Promise<string> {
  const { precision } = files;
  const graph = await readOnnxGraph(files.graph).catch((cause: Error) => {
    throw new EmotionError(
      'model.import-unsupported',
      `${files.graph}: expected an ONNX model, got ${cause.message}: export the model anew`,
      { file: files.graph, reason: cause.message },
      { cause },
    );
  });
  checkVocabulary(files, graph, description);
  const { inputs, outputs } = tensorsOf(files.graph, graph, description);
  const { proposals, mapping } = checkDescription(files, description, options);

  const staged = join(resolve(options.models), WORK, `${id}-${randomBytes(6).toString('hex')}`);
  try {
    return await onDisk(staged, async () => {
      await mkdir(staged, { recursive: true });
      const graphName = `model.${precision}.onnx`;
      await copyFile(files.graph, join(staged, graphName));
      await copyFile(files.tokenizer, join(staged, 'tokenizer.json'));
      const manifest: Omit<Manifest, 'metrics' | 'minimumRuntime'> = {
        schema: 1,
        id,
        version,
        title: { en: titleOf(source), zh: titleOf(source) },
        modality: 'text',
        architecture: description.architecture,
        languages: [...description.languages],
        labels: [...description.labels],
        mapping: { ...mapping },
        files: {
          default: precision,
          [precision]: await fileEntry(staged, graphName),
          tokenizer: await fileEntry(staged, 'tokenizer.json'),
        },
        inputs,
        outputs,
        preprocessing: {
          kind: 'text',
          normaliser: 1,
          case: description.lowerCase ? 'lower' : 'keep',
          segmentation: 'characters',
          maxTokens: description.maxTokens,
        },
        calibration: { temperature: 1 },
        licence: { weights: description.licence, data: description.data },
      };
      await writeFile(join(staged, MANIFEST_FILE), stringify(manifest, { lineWidth: 100 }));
      await writeFile(join(staged, 'README.md'), cardOf(source, version, proposals, description));
      return staged;
    });
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    throw error;
  }
}

async function fileEntry(
  folder: string,
  name: string,
): Promise<{ path: string; sha256: string; bytes: number }> {
  const file = join(folder, name);
  const stamp = await stat(file);
  return { path: name, sha256: await new FileHashes().sha256(file, stamp), bytes: stamp.size };
}

/** Every id that the tokenizer can give must have its row in the model's table. */
function checkVocabulary(
  { tokenizer, graph }: ModelFiles,
  { vocabulary: rows }: OnnxGraph,
  { vocabulary }: ModelDescription,
): void {
  if (rows === undefined || vocabulary <= rows) return;
  throw new EmotionError(
    'model.import-unsupported',
    `${tokenizer}: expected ids under ${rows}, as many as ${basename(graph)} has words, got ids up to ${vocabulary - 1}: the tokenizer belongs to another model`,
    { file: tokenizer, expected: rows, got: vocabulary },
  );
}

function tensorsOf(
  file: string,
  graph: OnnxGraph,
  { labels, paddingId }: ModelDescription,
): Pick<Manifest, 'inputs' | 'outputs'> {
  const fail = (what: string, expected: string, got: string, how: string): EmotionError =>
    new EmotionError(
      'model.import-unsupported',
      `${file}: ${what}: expected ${expected}, got ${got}: ${how}`,
      { file, key: what, expected, got },
    );
  if (graph.externalData) {
    throw fail(
      'weights',
      'them in the file itself',
      'a second file',
      'save it as one file (onnx.save without save_as_external_data) or choose a smaller precision',
    );
  }

  const again = 'export it anew with "optimum-cli export onnx --task text-classification"';
  const inputs: Manifest['inputs'] = {};
  const names = graph.inputs.map(({ name }) => name);
  if (
    !names.includes('input_ids') ||
    !names.every((name) => (INPUTS as readonly string[]).includes(name))
  ) {
    throw fail('inputs', INPUTS.join(', '), names.join(', ') || 'none', again);
  }
  for (const { name, elementType, shape } of graph.inputs) {
    const type = TYPES[elementType];
    if (type === undefined || (shape !== undefined && !isOpen(shape))) {
      const got = `type ${elementType}, shape ${shown(shape)}`;
      throw fail(`input ${name}`, 'int64 or int32 of shape [batch, tokens]', got, again);
    }
    // Without a mask the model takes filling for content.
    const padding = names.includes('attention_mask')
      ? name === 'input_ids'
        ? paddingId
        : 0
      : null;
    inputs[name] = { type, shape: ['batch', 'tokens'], padding };
  }

  const logits = logitsOf(graph.outputs, labels.length);
  if (logits === undefined) {
    const got = graph.outputs.map(({ name, shape }) => `${name} ${shown(shape)}`).join(', ');
    throw fail('outputs', `logits [batch, ${labels.length}], one a label`, got || 'none', again);
  }
  return {
    inputs,
    outputs: { [logits.name]: { kind: 'logits', shape: ['batch', labels.length] } },
  };
}

/** The output of that name, or else the only one of its shape. */
function logitsOf(outputs: readonly GraphTensor[], labels: number): GraphTensor | undefined {
  const named = outputs.filter(({ name }) => name === 'logits');
  const fitting = (named.length > 0 ? named : outputs).filter(
    ({ elementType, shape }) =>
      FLOAT_TYPES.has(elementType) &&
      (shape === undefined ||
        (shape.length === 2 && shape[0] === null && (shape[1] === null || shape[1] === labels))),
  );
  return fitting.length === 1 ? fitting[0] : undefined;
}

function isOpen(shape: readonly (number | null)[]): boolean {
  return shape.length === 2 && shape.every((dim) => dim === null);
}

function shown(shape: GraphTensor['shape']): string {
  return shape === undefined ? '' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`;
}

/** Whether the labels can be mapped; what they stand for. */
function checkDescription(
  { config }: ModelFiles,
  description: ModelDescription,
  options: ImportOptions,
): { proposals: readonly LabelProposal[]; mapping: LabelMapping } {
  checkHead(config, description, options);
  const proposals = withOverrides(proposeMapping(description.labels), options.mapping);
  return { proposals, mapping: checkedMapping(config, proposals) };
}

function checkHead(
  file: string,
  { multiLabel }: ModelDescription,
  { multiLabel: choice = 'refuse' }: ImportOptions,
): void {
  if (!multiLabel || choice === 'softmax') return;
  throw new EmotionError(
    'model.import-unsupported',
    `${file}: problem_type: the model judges every label by itself, results here share one whole between the labels: choose a single-label model, or import it with softmax over its logits and know that its scores are then other ones than its author's`,
    { file, key: 'problem_type', got: 'multi_label_classification' },
  );
}

/** @throws EmotionError `model.import-labels` */
function checkedMapping(file: string, proposals: readonly LabelProposal[]): LabelMapping {
  const labels = proposals.map(({ label }) => label);
  const open = proposals.filter(({ emotion }) => emotion === undefined).map(({ label }) => label);
  const mapping = mappingOf(proposals);
  const all = labels.join(', ');
  if (isSentiment(labels) && emotionsOf(proposals).length < 2) {
    throw new EmotionError(
      'model.import-labels',
      `${file}: the labels (${all}) tell good from bad, no emotions: choose a model for emotions, or say in the mapping which emotion each label shall stand for`,
      { file, labels: all, unmapped: open.join(', ') },
    );
  }
  if (mapping === undefined) {
    throw new EmotionError(
      'model.import-labels',
      `${file}: it is not known what these labels mean: ${open.join(', ')} (of ${all}): say in the mapping which emotion each stands for, or that it is left out`,
      { file, labels: all, unmapped: open.join(', ') },
    );
  }
  if (emotionsOf(proposals).length < 2) {
    throw new EmotionError(
      'model.import-labels',
      `${file}: the labels (${all}) stand for one emotion at most: map them onto two emotions or more`,
      { file, labels: all, unmapped: '' },
    );
  }
  return mapping;
}

function withOverrides(
  proposals: readonly LabelProposal[],
  mapping: LabelMapping = {},
): LabelProposal[] {
  return proposals.map(({ label, emotion }) => ({
    label,
    emotion: Object.hasOwn(mapping, label) ? mapping[label] : emotion,
  }));
}

/** Takes the place of a model that is there, or leaves it where it is. */
async function replace(staged: string, target: string): Promise<void> {
  await onDisk(target, async () => {
    await mkdir(dirname(target), { recursive: true });
    const old = `${staged}-old`;
    const had = await rename(target, old).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false;
        throw error;
      },
    );
    try {
      await rename(staged, target);
    } catch (error) {
      if (had) await rename(old, target);
      throw error;
    }
    await rm(old, { recursive: true, force: true });
  });
}

function isFolder(source: string): boolean {
  return /^(?:[/\\.]|[A-Za-z]:[\\/])/.test(source);
}

/**
 * The id that the model of a source gets.
 *
 * @throws EmotionError `model.import-not-found` when nothing in the name can be part of an id
 */
export function importedId(source: string, wanted: string | undefined): string {
  const id =
    wanted || slug(isFolder(source) ? basename(resolve(source)) : source.replace(/@.*$/, ''));
  if (/^[a-z0-9][a-z0-9._-]*$/.test(id)) return id;
  throw new EmotionError(
    'model.import-not-found',
    `The id must be lower-case letters, digits, dots and dashes, got ${JSON.stringify(id)}: give another one`,
    { expected: 'lower-case letters, digits, dots, dashes', got: id },
  );
}

function slug(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '');
}

function titleOf(source: string): string {
  return isFolder(source) ? basename(resolve(source)) : source.trim();
}

function mapPaths(files: ModelFiles, map: (path: string) => string): ModelFiles {
  return {
    precision: files.precision,
    graph: map(files.graph),
    tokenizer: map(files.tokenizer),
    config: map(files.config),
    ...(files.tokenizerConfig !== undefined && { tokenizerConfig: map(files.tokenizerConfig) }),
    ...(files.card !== undefined && { card: map(files.card) }),
  };
}

function report({ progress }: ImportOptions, phase: 'checking' | 'installing'): void {
  progress?.({ phase, received: 0 });
}

function cardOf(
  source: string,
  version: string,
  proposals: readonly LabelProposal[],
  { architecture, licence, data, multiLabel }: ModelDescription,
): string {
  const rows = proposals.map(({ label, emotion }) => {
    const meaning = emotion ? `${emotion} · ${EMOTION_NAMES.zh[emotion]}` : '–';
    return `| ${label.replaceAll('|', '\\|')} | ${meaning} |`;
  });
  const notes = [
    'Scores are not calibrated (temperature 1): measure them on texts of your own before you set a threshold by them.',
    'Texts are normalised before the tokenizer sees them (NFKC, emoji as words); the model was trained without that.',
    ...(multiLabel
      ? ['The model judges every label by itself; here its logits go through one softmax.']
      : []),
    ...(licence === 'unknown' ? [LICENCE_NOTE.unknown] : []),
  ];
  return [
    `# ${titleOf(source)}`,
    '',
    `Imported, not made by this project. Version ${version}, architecture ${architecture}.`,
    '',
    `- licence of the weights: ${licence}`,
    `- training data: ${data}`,
    ...notes.map((note) => `- ${note}`),
    '',
    '| label | read as |',
    '|---|---|',
    ...rows,
    '',
  ].join('\n');
}
