import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { EmotionError } from '../../emotion/error';
import type { Precision } from '../manifest';

/** The files of a Hugging Face folder that an import needs, by their paths inside it. */
export interface ModelFiles {
  readonly graph: string;
  readonly precision: Precision;
  readonly tokenizer: string;
  readonly config: string;
  readonly tokenizerConfig?: string;
  readonly card?: string;
}

/** What the files other than the graph say of a model. */
export interface ModelDescription {
  /** In the order of the logits. */
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  readonly architecture: string;
  readonly maxTokens: number;
  readonly paddingId: number;
  readonly lowerCase: boolean;
  /** One more than the largest id that the tokenizer gives. */
  readonly vocabulary: number;
  readonly languages: readonly string[];
  readonly licence: string;
  readonly data: string;
}

const FOLDERS = ['', 'onnx/'];
const GRAPHS: Readonly<Record<Precision, readonly RegExp[]>> = {
  int8: [/^model_int8\.onnx$/, /^model_quantized\.onnx$/, /^model[._]q?int8[\w.-]*\.onnx$/],
  fp32: [/^model\.onnx$/, /^model[._]fp32\.onnx$/],
  fp16: [/^model[._]fp16\.onnx$/],
};
/** Small and fast first. */
const PREFERRED: readonly Precision[] = ['int8', 'fp32', 'fp16'];
const MAX_JSON_BYTES = 256 * 1024 ** 2;
const LONGEST_ROW = 512;

/**
 * Chooses the files of an import out of the names in a folder.
 *
 * @param precision the smallest that there is when left out
 * @throws EmotionError `model.import-unsupported`, saying which file is missing and how to make it
 */
export function chooseFiles(
  where: string,
  names: readonly string[],
  precision?: Precision,
): ModelFiles {
  const known = new Set(names);
  const find = (name: string) =>
    FOLDERS.map((folder) => folder + name).find((path) => known.has(path));
  const graph = chooseGraph(where, names, precision);
  const needed = (name: string, how: string): string => {
    const path = find(name);
    if (path === undefined) throw missing(where, name, how);
    return path;
  };
  const tokenizerConfig = find('tokenizer_config.json');
  const card = find('README.md');
  return {
    ...graph,
    tokenizer: needed(
      'tokenizer.json',
      'load the tokenizer with AutoTokenizer.from_pretrained(…, use_fast=True) and save it with save_pretrained',
    ),
    config: needed('config.json', 'it holds the labels (id2label)'),
    ...(tokenizerConfig !== undefined && { tokenizerConfig }),
    ...(card !== undefined && { card }),
  };
}

function chooseGraph(
  where: string,
  names: readonly string[],
  wanted: Precision | undefined,
): Pick<ModelFiles, 'graph' | 'precision'> {
  for (const precision of wanted === undefined ? PREFERRED : [wanted]) {
    for (const pattern of GRAPHS[precision]) {
      for (const folder of FOLDERS) {
        const graph = names.find(
          (name) => name.startsWith(folder) && pattern.test(name.slice(folder.length)),
        );
        if (graph !== undefined) return { graph, precision };
      }
    }
  }
  const others = names.filter((name) => name.endsWith('.onnx'));
  const [only] = others;
  if (only !== undefined && others.length === 1 && wanted === undefined) {
    return { graph: only, precision: 'fp32' };
  }
  const there = others.length > 0 ? `; there are ${others.join(', ')}` : '';
  throw missing(
    where,
    wanted === undefined ? 'model.onnx' : `an ${wanted} graph`,
    `export the model with "optimum-cli export onnx --task text-classification"${there}`,
  );
}

function missing(where: string, file: string, how: string): EmotionError {
  return new EmotionError(
    'model.import-unsupported',
    `${where}: expected ${file} in it or in its folder onnx/, there is none: ${how}`,
    { source: where, file },
  );
}

const configSchema = z.looseObject({
  id2label: z.record(z.string(), z.string()).optional(),
  problem_type: z.string().nullish(),
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().nullish(),
  max_position_embeddings: z.number().nullish(),
  pad_token_id: z.number().nullish(),
});

const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    vocab: z.union([z.record(z.string(), z.number()), z.array(z.unknown())]),
  }),
  added_tokens: z.array(z.looseObject({ id: z.number() })).nullish(),
  normalizer: z.unknown(),
});

const tokenizerConfigSchema = z.looseObject({
  model_max_length: z.number().nullish(),
  do_lower_case: z.boolean().nullish(),
});

/**
 * Reads what an import wants to know of a model whose files are on the disk.
 *
 * @param files absolute paths
 * @throws EmotionError `model.import-unsupported` for a model that gives no label for a text
 */
export async function describeModel(
  files: Omit<ModelFiles, 'graph' | 'precision'>,
): Promise<ModelDescription> {
  const config = await readJson(files.config, configSchema);
  const tokenizer = await readJson(files.tokenizer, tokenizerSchema);
  const own =
    files.tokenizerConfig && (await readJson(files.tokenizerConfig, tokenizerConfigSchema));
  const card = files.card === undefined ? {} : await frontMatter(files.card);
  const architecture = config.architectures?.[0] ?? config.model_type ?? 'unknown';
  if (/For(?!SequenceClassification)[A-Z]\w+$/.test(architecture)) {
    throw unsupported(
      files.config,
      'architectures',
      'a model …ForSequenceClassification, which gives one label a text',
      architecture,
    );
  }
  const paddingId = config.pad_token_id ?? 0;
  const datasets = strings(card['datasets']);
  return {
    labels: labelsOf(files.config, config.id2label),
    multiLabel: config.problem_type === 'multi_label_classification',
    architecture,
    maxTokens: longestRow(config, own ? own.model_max_length : undefined, paddingId),
    paddingId,
    lowerCase: (own ? own.do_lower_case : undefined) ?? lowers(tokenizer.normalizer),
    vocabulary: vocabularyOf(tokenizer),
    languages: strings(card['language']).filter((language) => /^[a-z]{2,3}$/.test(language)),
    licence: strings(card['license'])[0] ?? 'unknown',
    data: datasets.length > 0 ? datasets.join(', ') : 'unknown',
  };
}

function labelsOf(file: string, id2label: Readonly<Record<string, string>> | undefined): string[] {
  const count = Object.keys(id2label ?? {}).length;
  const labels = Array.from({ length: count }, (_, id) => id2label?.[String(id)]);
  if (count < 2 || labels.some((label) => label === undefined)) {
    throw unsupported(
      file,
      'id2label',
      'a name for each logit, 0 to the last, two at least',
      JSON.stringify(id2label) ?? 'nothing',
    );
  }
  if (new Set(labels).size < count) {
    throw unsupported(file, 'id2label', 'each name once', JSON.stringify(id2label));
  }
  return labels as string[];
}

/** RoBERTa's positions start after the padding id, so two of its 514 are never used. */
function longestRow(
  { max_position_embeddings: positions, model_type: type }: z.infer<typeof configSchema>,
  declared: number | null | undefined,
  paddingId: number,
): number {
  const offset = /roberta|camembert|xlm-r|xmod|mpnet|longformer/.test(type ?? '')
    ? paddingId + 1
    : 0;
  const own = positions == null ? LONGEST_ROW : positions - offset;
  return Math.max(8, Math.floor(Math.min(own, declared ?? LONGEST_ROW, LONGEST_ROW)));
}

function lowers(normalizer: unknown): boolean {
  return /"(?:lowercase":true|type":"Lowercase")/.test(JSON.stringify(normalizer ?? null));
}

function vocabularyOf({ model, added_tokens: added }: z.infer<typeof tokenizerSchema>): number {
  let largest = Array.isArray(model.vocab) ? model.vocab.length - 1 : -1;
  if (!Array.isArray(model.vocab)) {
    for (const id of Object.values(model.vocab)) largest = Math.max(largest, id);
  }
  for (const { id } of added ?? []) largest = Math.max(largest, id);
  return largest + 1;
}

async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(file);
  let value: unknown;
  try {
    if (text.length > MAX_JSON_BYTES) throw new Error(`${text.length} bytes`);
    value = JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw unsupported(file, '(the whole file)', 'JSON', (cause as Error).message);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unsupported(
    file,
    issue?.path.join('.') || '(the whole file)',
    `what Hugging Face Transformers writes`,
    issue?.message ?? 'something else',
  );
}

function unsupported(file: string, key: string, expected: string, got: string): EmotionError {
  const shown = got.length > 120 ? `${got.slice(0, 117)}...` : got;
  return new EmotionError(
    'model.import-unsupported',
    `${file}: ${key}: expected ${expected}, got ${shown}`,
    { file, key, expected, got: shown },
  );
}

/** The YAML between the lines `---` at the top of a model card; nothing when it cannot be read. */
async function frontMatter(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const yaml = /^\ufeff?---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1];
  if (yaml === undefined) return {};
  const document = parseDocument(yaml, { prettyErrors: false });
  if (document.errors.length > 0) return {};
  const value: unknown = document.toJS({ maxAliasCount: 10 });
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function strings(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).filter(
    (one): one is string => typeof one === 'string' && one !== '',
  );
}
