import { z } from 'zod';
import { EMOTIONS } from '../emotion/labels';
import { RULE_NAMES } from '../emotion/sample';

// Strict throughout: a misspelt key is an error instead of a setting that silently does nothing.

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hexadecimal');

const file = z.strictObject({
  path: z.string().min(1),
  sha256,
  bytes: z.int().positive(),
});

const dimension = z.union([z.int().positive(), z.enum(['batch', 'tokens', 'frames', 'time'])]);

const tensorSpec = z.strictObject({
  type: z.enum(['float32', 'int32', 'int64', 'uint8']),
  /** The first dimension is `batch`; a named one may differ from row to row. */
  shape: z.array(dimension).min(1),
  /**
   * Value that fills a row up to the longest of its batch. null: the model cannot tell filling from
   * content, so only rows of the same shape share a batch.
   */
  padding: z.number().nullable().default(0),
});

const output = z.strictObject({
  /**
   * `logits`: before softmax, one per label. `token-weights`, `time-weights`: attention, sums to 1 a
   * row. `saliency`: `[batch, height, width]`, how much each part of the row's last picture spoke for
   * the label with the highest logit; numbers from 0 on, in any unit.
   */
  kind: z.enum(['logits', 'token-weights', 'time-weights', 'modality-weights', 'saliency']),
  shape: z.array(dimension).min(1),
});

export const textPreprocessing = z.strictObject({
  kind: z.literal('text'),
  /** Version of the normalisation rules in `lib/text/normalise.ts` that the model was trained with. */
  normaliser: z.literal(1),
  case: z.enum(['lower', 'keep']).default('lower'),
  /** How Chinese reaches the tokenizer: `characters` as it stands, `words` with blanks between jieba's words. */
  segmentation: z.enum(['characters', 'words']).default('characters'),
  /** Longest row in tokens, special tokens included. */
  maxTokens: z.int().min(8).max(4096),
});

/** Whole numbers of samples or bands. */
const count = z.int().positive();

/** What a model's input of a sound can be. */
export const AUDIO_FEATURES = ['log-mel', 'mfcc', 'chroma', 'prosody', 'statistics'] as const;

/**
 * How `lib/audio` turns sound into inputs. Lengths in samples at `sampleRateHz`; the defaults are
 * windows of 128 bands × 64 frames, 2.6 s.
 */
export const audioPreprocessing = z.strictObject({
  kind: z.literal('audio'),
  /** Version of the computation in `lib/audio` that the model was trained with. */
  frontEnd: z.literal(1),
  sampleRateHz: z.literal(16_000).default(16_000),
  /** y[n] = x[n] − preEmphasis · x[n − 1]; 0 leaves the sound as it is. */
  preEmphasis: z.number().min(0).max(1).default(0),
  spectrum: z
    .strictObject({
      fftSize: z.literal([256, 512, 1024, 2048, 4096]).default(1024),
      frameLength: count.default(1024),
      hopLength: count.default(640),
    })
    .prefault({}),
  mel: z
    .strictObject({
      bands: z.int().min(8).max(256).default(128),
      minHz: z.number().min(0).default(50),
      maxHz: z.number().positive().max(8000).default(8000),
      scale: z.enum(['slaney', 'htk']).default('slaney'),
      norm: z.enum(['area', 'none']).default('area'),
    })
    .prefault({}),
  window: z
    .strictObject({
      frames: z.int().min(4).max(4096).default(64),
      /** Frames from the start of a window to the start of the next. */
      hopFrames: count.default(32),
      /** What fills the window of a sound that is shorter: the sound again, or silence. */
      fill: z.enum(['repeat', 'silence']).default('repeat'),
    })
    .prefault({}),
  /** Of log-mel, in decibels before it. */
  normalisation: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('none') }),
      /** By the utterance's own mean and spread: each band by itself (`row`) or all alike. */
      z.strictObject({ kind: z.literal('utterance'), per: z.enum(['row', 'all']) }),
      /** By numbers measured on the training data: one, or one a band. */
      z.strictObject({
        kind: z.literal('fixed'),
        mean: z.union([z.number(), z.array(z.number())]),
        spread: z.union([z.number().positive(), z.array(z.number().positive())]),
      }),
    ])
    .default({ kind: 'fixed', mean: -50, spread: 20 }),
  mfcc: z
    .strictObject({
      coefficients: z.int().min(1).max(128).default(20),
      /** Adds the first (1) or first and second (2) differences as further rows. */
      deltas: z.literal([0, 1, 2]).default(0),
    })
    .prefault({}),
  /** Input of the model → what it is given. Shapes: see `lib/audio/prepare.ts`. */
  inputs: z.record(z.string(), z.enum(AUDIO_FEATURES)),
});

/** What a model's input of faces can be. */
export const VIDEO_FEATURES = ['face-clip'] as const;

/**
 * How `lib/video` turns faces into inputs: squares that are turned until the eyes are level and framed
 * as `lib/video/face-crop.ts` says, values 0–1, in clips of one face.
 */
export const videoPreprocessing = z.strictObject({
  kind: z.literal('video'),
  /** Version of the framing and scaling in `lib/video` that the model was trained with. */
  frontEnd: z.literal(1),
  crop: z
    .strictObject({
      /** Side in pixels. */
      side: z.int().min(16).max(256).default(48),
      colour: z.literal('grey').default('grey'),
    })
    .prefault({}),
  clip: z
    .strictObject({
      /** Pictures of a clip, at most. */
      frames: z.int().min(1).max(64).default(16),
      /** Longest clip, and from the start of a clip to the start of the next. */
      seconds: z.number().positive().max(60).default(1.6),
      stepSeconds: z.number().positive().max(60).default(0.8),
      /**
       * What becomes of a face that was seen in fewer pictures, a still with one above all. `repeat`:
       * each picture stands for as many frames as bring the clip to its full number. `none`: the
       * clip has as many frames as there were pictures, from one on.
       */
      fill: z.enum(['repeat', 'none']).default('repeat'),
    })
    .prefault({}),
  /** Input of the model → what it is given: `face-clip`, `[batch, frames, 1, side, side]`. */
  inputs: z.record(z.string(), z.enum(VIDEO_FEATURES)),
});

/** What a fusion model is given: scores of modalities, any of which may be absent. */
export const fusionPreprocessing = z.strictObject({
  kind: z.literal('multimodal'),
  /** Version of `attentionFeatures` in `lib/fusion/attention.ts` that the model was trained with. */
  features: z.literal(1),
});

const metric = z.strictObject({
  name: z.string(),
  value: z.number(),
  dataset: z.string(),
  split: z.string().default('test'),
  protocol: z.string(),
  headline: z.boolean().default(false),
});

const modelId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]*$/, 'lower-case letters, digits, dots, dashes');

/** The schema of `model.yaml`: all that the software knows of a model. */
export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  id: modelId,
  version: z.string().regex(/^\d+\.\d+\.\d+/, 'a semantic version such as 1.0.0'),
  title: z.strictObject({ en: z.string(), zh: z.string() }),
  /** `multimodal`: it fuses the scores of the others. */
  modality: z.enum(['text', 'audio', 'video', 'multimodal']),
  architecture: z.string().min(1),
  languages: z.array(z.string()).default([]),
  /** The model's own labels in the order of its logits. */
  labels: z.array(z.string().min(1)).min(2),
  /** Model label → one of the seven, or null to leave its probability out. Absent labels map onto themselves. */
  mapping: z.record(z.string(), z.enum(EMOTIONS).nullable()).default({}),
  /** Graphs by precision; the node's `precision` setting picks one, `default` otherwise. */
  files: z.strictObject({
    default: z.enum(['fp32', 'fp16', 'int8']),
    fp32: file.optional(),
    fp16: file.optional(),
    int8: file.optional(),
    tokenizer: file.optional(),
  }),
  inputs: z.record(z.string(), tensorSpec),
  outputs: z.record(z.string(), output),
  preprocessing: z.discriminatedUnion('kind', [
    textPreprocessing,
    audioPreprocessing,
    videoPreprocessing,
    fusionPreprocessing,
  ]),
  calibration: z.strictObject({
    /** Logits are divided by it before softmax; one value, or one per language. */
    temperature: z.union([z.number().positive(), z.record(z.string(), z.number().positive())]),
  }),
  /**
   * Texts: how strongly a lexicon rule speaks to this model, where that is not the usual weight of
   * `lib/text/rules`; 0 switches it off. A router's parts follow their own models.
   */
  rules: z.partialRecord(z.enum(RULE_NAMES), z.number().min(0)).optional(),
  licence: z.strictObject({ weights: z.string(), data: z.string() }),
  metrics: z.array(metric).default([]),
  minimumRuntime: z.string().default('1.17.0'),
});

/**
 * A router has no graph of its own: it names the model that answers for each language, by the id of
 * another installed model. What a manifest says of a graph is left out.
 */
export const routerSchema = manifestSchema
  .omit({
    mapping: true,
    files: true,
    inputs: true,
    outputs: true,
    preprocessing: true,
    calibration: true,
    rules: true,
    minimumRuntime: true,
  })
  .extend({
    modality: z.literal('text'),
    architecture: z.literal('router'),
    /** The first is the language of a text without a letter. */
    languages: z.array(z.enum(['zh', 'en'])).min(1),
    labels: z.array(z.enum(EMOTIONS)).min(2),
    routes: z.strictObject({ zh: modelId, en: modelId }),
  });

/** The name of the architecture of the models that `emotion-fallback` answers from. */
export const LOGISTIC_REGRESSION = 'logistic-regression';

/**
 * A fallback model has no graph: its weights, in the format of `lib/resilience/logistic-regression.ts`,
 * also say how inputs become features.
 */
export const logisticSchema = routerSchema.omit({ routes: true }).extend({
  modality: z.enum(['text', 'audio', 'video']),
  architecture: z.literal(LOGISTIC_REGRESSION),
  languages: z.array(z.string()).default([]),
  weights: file,
});

export type ModelFile = z.infer<typeof file>;
export type Routes = z.infer<typeof routerSchema>['routes'];

/** Of a router and of a fallback model, everything that describes a graph is empty. */
export type Manifest = z.infer<typeof manifestSchema> & {
  readonly routes?: Routes;
  /** Of a fallback model. */
  readonly weights?: ModelFile;
};
export type TensorSpec = z.infer<typeof tensorSpec>;
export type OutputSpec = z.infer<typeof output>;
export type Precision = Manifest['files']['default'];
export type TextPreprocessing = z.infer<typeof textPreprocessing>;
export type AudioPreprocessing = z.infer<typeof audioPreprocessing>;
export type VideoPreprocessing = z.infer<typeof videoPreprocessing>;
export type AudioFeature = (typeof AUDIO_FEATURES)[number];

/** One thing that is wrong with a manifest. */
export interface ManifestProblem {
  /** Keys from the top down, e.g. `['files', 'fp32', 'sha256']`. */
  readonly path: readonly (string | number)[];
  readonly expected: string;
}

/**
 * A manifest from the value that `model.yaml` holds, with defaults filled in, or what is wrong with
 * it: the schema first, then what one key says of another.
 */
export function parseManifest(
  value: unknown,
): { manifest: Manifest; problems: [] } | { manifest?: never; problems: ManifestProblem[] } {
  const architecture = (value as { architecture?: unknown } | null | undefined)?.architecture;
  if (architecture === 'router') return parseRouter(value);
  if (architecture === LOGISTIC_REGRESSION) return parseLogistic(value);
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) return { problems: parsed.error.issues.flatMap(schemaProblem) };
  const problems = contradictions(parsed.data);
  return problems.length > 0 ? { problems } : { manifest: parsed.data, problems: [] };
}

const NO_GRAPH: Omit<z.infer<typeof manifestSchema>, keyof z.infer<typeof routerSchema>> = {
  mapping: {},
  files: { default: 'fp32' },
  inputs: {},
  outputs: {},
  preprocessing: {
    kind: 'text',
    normaliser: 1,
    case: 'keep',
    segmentation: 'characters',
    maxTokens: 512,
  },
  calibration: { temperature: 1 },
  minimumRuntime: '1.17.0',
};

function parseRouter(value: unknown): ReturnType<typeof parseManifest> {
  const parsed = routerSchema.safeParse(value);
  if (!parsed.success) return { problems: parsed.error.issues.flatMap(schemaProblem) };
  const { id, labels, routes } = parsed.data;
  const problems = repeatedLabels(labels);
  for (const [language, target] of Object.entries(routes)) {
    if (target === id) problems.push({ path: ['routes', language], expected: 'another model' });
  }
  return problems.length > 0
    ? { problems }
    : { manifest: { ...NO_GRAPH, ...parsed.data }, problems: [] };
}

function parseLogistic(value: unknown): ReturnType<typeof parseManifest> {
  const parsed = logisticSchema.safeParse(value);
  if (!parsed.success) return { problems: parsed.error.issues.flatMap(schemaProblem) };
  const problems = repeatedLabels(parsed.data.labels);
  return problems.length > 0
    ? { problems }
    : { manifest: { ...NO_GRAPH, ...parsed.data }, problems: [] };
}

function repeatedLabels(labels: readonly string[]): ManifestProblem[] {
  return labels.flatMap((label, index) =>
    labels.indexOf(label) === index
      ? []
      : [{ path: ['labels', index], expected: 'each label once' }],
  );
}

/** The JSON Schema (draft 2020-12) of `model.yaml` for editors. */
export function manifestJsonSchema(): Record<string, unknown> {
  return {
    title: 'model.yaml of @emowire/node-red-emotion',
    ...z.toJSONSchema(z.union([manifestSchema, routerSchema, logisticSchema]), { io: 'input' }),
  };
}

function schemaProblem(issue: z.core.$ZodIssue): ManifestProblem[] {
  const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], expected: 'no such key' }));
  }
  if (issue.code === 'invalid_union') {
    const options = issue.errors.map((errors) => errors.map(expectation).join(' and '));
    return [{ path, expected: [...new Set(options)].filter(Boolean).join(', or ') }];
  }
  return [{ path, expected: expectation(issue) }];
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' | ');
    case 'too_small':
      return `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    default:
      return issue.message;
  }
}

/** What the schema cannot see: keys that do not fit each other. */
function contradictions(manifest: Manifest): ManifestProblem[] {
  const problems: ManifestProblem[] = [];
  const expect = (holds: boolean, path: (string | number)[], expected: string) => {
    if (!holds) problems.push({ path, expected });
  };
  const { labels, mapping, files, inputs, outputs } = manifest;
  const known = labels.join(', ');

  labels.forEach((label, index) => {
    expect(labels.indexOf(label) === index, ['labels', index], 'each label once');
    expect(
      Object.hasOwn(mapping, label) || (EMOTIONS as readonly string[]).includes(label),
      ['labels', index],
      `an entry in mapping, or one of ${EMOTIONS.join(', ')}`,
    );
  });
  for (const key of Object.keys(mapping)) {
    expect(labels.includes(key), ['mapping', key], `one of the labels: ${known}`);
  }
  expect(
    labels.some((label) => mapping[label] !== null),
    ['mapping'],
    'at least one label that maps onto an emotion',
  );

  expect(files[files.default] !== undefined, ['files', files.default], 'the default file');
  if (manifest.modality === 'text') {
    expect(files.tokenizer !== undefined, ['files', 'tokenizer'], 'a tokenizer (modality text)');
  } else {
    expect(manifest.rules === undefined, ['rules'], 'no rules (for modality text only)');
  }

  expect(Object.keys(inputs).length > 0, ['inputs'], 'at least one input');
  for (const [name, { shape }] of Object.entries(inputs)) {
    expect(shape[0] === 'batch', ['inputs', name, 'shape', 0], 'batch');
    expect(shape.lastIndexOf('batch') === 0, ['inputs', name, 'shape'], 'batch only once');
  }
  const { preprocessing } = manifest;
  expect(preprocessing.kind === manifest.modality, ['preprocessing', 'kind'], manifest.modality);
  if (preprocessing.kind === 'audio') {
    audioContradictions(manifest, preprocessing, expect);
  }
  if (preprocessing.kind === 'video') {
    videoContradictions(manifest, preprocessing, expect);
  }
  const kinds = Object.entries(outputs).map(([name, output]) => ({ name, ...output }));
  for (const { name, shape, kind } of kinds) {
    expect(shape[0] === 'batch', ['outputs', name, 'shape', 0], 'batch');
    if (kind === 'logits') {
      expect(
        shape.length === 2 && shape[1] === labels.length,
        ['outputs', name, 'shape'],
        `[batch, ${labels.length}], one logit a label`,
      );
    }
    if (kind === 'time-weights') {
      expect(
        shape.length === 2,
        ['outputs', name, 'shape'],
        '[batch, steps], consecutive steps of equal length',
      );
    }
    if (kind === 'token-weights') {
      expect(
        shape.length === 2 && shape[1] === 'tokens',
        ['outputs', name, 'shape'],
        '[batch, tokens]',
      );
    }
    if (kind === 'saliency') {
      expect(shape.length === 3, ['outputs', name, 'shape'], '[batch, height, width]');
    }
  }
  expect(
    kinds.filter(({ kind }) => kind === 'logits').length === 1,
    ['outputs'],
    'exactly one output of kind logits',
  );

  const { temperature } = manifest.calibration;
  if (typeof temperature !== 'number') {
    for (const language of manifest.languages) {
      expect(
        Object.hasOwn(temperature, language),
        ['calibration', 'temperature', language],
        'a temperature for each of the languages',
      );
    }
    expect(
      Object.keys(temperature).length > 0,
      ['calibration', 'temperature'],
      'at least one temperature',
    );
  }
  expect(
    manifest.metrics.filter(({ headline }) => headline).length <= 1,
    ['metrics'],
    'at most one headline metric',
  );
  return problems;
}

function audioContradictions(
  { inputs }: Manifest,
  { spectrum, mel, normalisation, mfcc, inputs: sources }: AudioPreprocessing,
  expect: (holds: boolean, path: (string | number)[], expected: string) => void,
): void {
  expect(
    spectrum.frameLength <= spectrum.fftSize,
    ['preprocessing', 'spectrum', 'frameLength'],
    `at most ${spectrum.fftSize} (fftSize)`,
  );
  expect(
    mel.minHz < mel.maxHz,
    ['preprocessing', 'mel', 'minHz'],
    `less than ${mel.maxHz} (maxHz)`,
  );
  expect(
    mfcc.coefficients <= mel.bands,
    ['preprocessing', 'mfcc', 'coefficients'],
    `at most ${mel.bands} (mel.bands)`,
  );
  if (normalisation.kind === 'fixed') {
    for (const key of ['mean', 'spread'] as const) {
      const value = normalisation[key];
      expect(
        typeof value === 'number' || value.length === mel.bands,
        ['preprocessing', 'normalisation', key],
        `one number, or ${mel.bands} (mel.bands)`,
      );
    }
  }
  inputContradictions(inputs, sources, AUDIO_FEATURES, expect);
}

function videoContradictions(
  { inputs }: Manifest,
  { crop, clip, inputs: sources }: VideoPreprocessing,
  expect: (holds: boolean, path: (string | number)[], expected: string) => void,
): void {
  inputContradictions(inputs, sources, VIDEO_FEATURES, expect);
  const frames = clip.fill === 'none' ? 'frames' : clip.frames;
  const shape = ['batch', frames, 1, crop.side, crop.side];
  for (const [name, input] of Object.entries(inputs)) {
    expect(
      shape.join() === input.shape.join(),
      ['inputs', name, 'shape'],
      `[${shape.join(', ')}] (preprocessing)`,
    );
    expect(input.type === 'float32', ['inputs', name, 'type'], 'float32');
    // Filling would be black pictures, which are content to the model.
    expect(
      clip.fill !== 'none' || input.padding === null,
      ['inputs', name, 'padding'],
      'null (clips of different length cannot share a batch)',
    );
  }
}

/** Every input of the graph has a source, and every source an input. */
function inputContradictions(
  inputs: Manifest['inputs'],
  sources: Readonly<Record<string, string>>,
  features: readonly string[],
  expect: (holds: boolean, path: (string | number)[], expected: string) => void,
): void {
  for (const name of Object.keys(inputs)) {
    expect(Object.hasOwn(sources, name), ['preprocessing', 'inputs', name], features.join(' | '));
  }
  for (const name of Object.keys(sources)) {
    expect(
      Object.hasOwn(inputs, name),
      ['preprocessing', 'inputs', name],
      `one of the inputs: ${Object.keys(inputs).join(', ')}`,
    );
  }
}
