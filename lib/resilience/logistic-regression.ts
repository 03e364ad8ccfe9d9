import { z } from 'zod';
import { softmax, temperatureFor } from '../emotion/calibration';
import { EmotionError } from '../emotion/error';
import { EMOTIONS, type Scores } from '../emotion/labels';
import { HashedNgrams, LONGEST_NGRAM } from './hashed-ngrams';
import { parseSafetensors, type Safetensors, type StoredTensor } from './safetensors';

/** Standardised features are kept within so many deviations: one broken value must not decide alone. */
export const MOST_DEVIATIONS = 10;

/** A fallback model is small enough to be at hand on any machine. */
export const MOST_BYTES = 2 * 2 ** 20;

const naturals = z.int().positive();

const ngrams = z.strictObject({
  kind: z.literal('ngrams'),
  blocks: z
    .array(
      z.strictObject({
        analyzer: z.enum(['char', 'word']),
        range: z.tuple([naturals, naturals.max(LONGEST_NGRAM)]),
        features: naturals.max(2 ** 20),
      }),
    )
    .min(1)
    .max(8),
});

const dense = z.strictObject({
  kind: z.literal('dense'),
  /** Names of the features in the order of the weights. */
  features: z.array(z.string().min(1)).min(1),
});

const specification = z.strictObject({
  schema: z.literal(1),
  id: z.string().min(1),
  modality: z.enum(['text', 'audio', 'video']),
  labels: z
    .array(z.enum(EMOTIONS))
    .min(2)
    .refine((labels) => new Set(labels).size === labels.length, 'labels that differ'),
  input: z.discriminatedUnion('kind', [ngrams, dense]),
  temperature: z.union([
    z.number().positive(),
    z
      .record(z.string(), z.number().positive())
      .refine((byLanguage) => Object.keys(byLanguage).length > 0, 'at least one temperature'),
  ]),
});

export type LogisticSpecification = z.infer<typeof specification>;

/**
 * Multinomial logistic regression: the model that answers when nothing else can. It needs neither
 * ONNX Runtime nor a child process, only its file.
 *
 * The file is in the safetensors format, 2 MB at most:
 *
 * | tensor | type and shape | |
 * |---|---|---|
 * | `weight` | F32 or I8 `[features, labels]` | `coef_.T` in scikit-learn |
 * | `scale` | F32 `[labels]`, with I8 only | a weight is its integer times the scale of its label |
 * | `bias` | F32 `[labels]` | `intercept_` |
 * | `mean`, `std` | F32 `[features]`, dense only | `StandardScaler.mean_`, `.scale_` |
 *
 * Its metadata has the member `emotion`, a JSON text with `schema` (1), `id`, `modality`, `labels`
 * (in the order of the weights' columns), `input` and `temperature` (one, or one per language, see
 * `temperatureFor`). `input` is `{ kind: 'ngrams', blocks: [{ analyzer, range, features }, …] }`,
 * see {@link HashedNgrams}, or `{ kind: 'dense', features: [names] }`.
 *
 * @example
 * const model = new LogisticRegression(await readFile(file), file);
 * model.classifyText('太开心了！', 'zh'); // → { happy: 0.84, neutral: 0.05, … }
 */
export class LogisticRegression {
  readonly specification: LogisticSpecification;
  readonly #vectoriser: HashedNgrams | undefined;
  readonly #weight: Float32Array | Int8Array;
  readonly #scale: Float32Array;
  readonly #bias: Float32Array;
  readonly #mean: Float32Array;
  readonly #std: Float32Array;

  /**
   * @param file name of the file, for errors
   * @throws EmotionError `model.load-failed` when the file cannot be read or contradicts itself
   */
  constructor(bytes: Uint8Array, file: string) {
    if (bytes.length > MOST_BYTES) {
      throw invalid(file, 'size', `at most ${MOST_BYTES} bytes`, `${bytes.length}`);
    }
    const stored = parseSafetensors(bytes, file);
    this.specification = parseSpecification(stored, file);
    const { input, labels } = this.specification;
    this.#vectoriser = input.kind === 'ngrams' ? new HashedNgrams(input.blocks) : undefined;
    const size = input.kind === 'dense' ? input.features.length : (this.#vectoriser?.size ?? 0);

    const weight = tensor(stored, 'weight', [size, labels.length], file);
    this.#weight = weight.data;
    this.#scale =
      weight.dtype === 'I8'
        ? floats(stored, 'scale', [labels.length], file)
        : new Float32Array(labels.length).fill(1);
    this.#bias = floats(stored, 'bias', [labels.length], file);
    const scaled = input.kind === 'dense';
    this.#mean = scaled ? floats(stored, 'mean', [size], file) : new Float32Array();
    this.#std = scaled ? floats(stored, 'std', [size], file) : new Float32Array();
    if (!this.#std.every((deviation) => deviation > 0)) {
      throw invalid(file, 'std', 'deviations above 0', 'one that is not');
    }
  }

  /**
   * Scores of a text; null for a text in which there is nothing to read. Any string is fine: long
   * ones are read from the start only.
   *
   * @param language picks the temperature
   * @throws EmotionError `model.inputs-mismatch` when the model does not read texts
   */
  classifyText(text: string, language?: string): Scores | null {
    if (this.#vectoriser === undefined) throw this.#mismatch('dense features', 'a text');
    const { indices, values } = this.#vectoriser.transform(text);
    if (indices.length === 0) return null;
    const logits = new Float64Array(this.#bias.length);
    for (let i = 0; i < indices.length; i++) this.#accumulate(logits, indices[i]!, values[i]!);
    return this.#scores(logits, language);
  }

  /**
   * Scores of a vector of features. A feature that is not finite (a pitch where nothing is voiced)
   * counts as its mean over the training data, so it says nothing; one that lies more than
   * {@link MOST_DEVIATIONS} deviations from its mean counts as lying there.
   *
   * @param features `[features]`, in the order of the specification, as measured: standardised here
   * @throws EmotionError `model.inputs-mismatch` for another number of features or a model that
   *   reads texts, `input.unusable` when no feature is finite
   */
  classifyFeatures(features: ArrayLike<number>, language?: string): Scores {
    if (this.#vectoriser !== undefined) throw this.#mismatch('a text', 'dense features');
    if (features.length !== this.#mean.length) {
      throw this.#mismatch(`${this.#mean.length} features`, `${features.length}`);
    }
    const logits = new Float64Array(this.#bias.length);
    let finite = 0;
    for (let i = 0; i < features.length; i++) {
      const feature = features[i]!;
      if (!Number.isFinite(feature)) continue;
      finite += 1;
      const deviations = (feature - this.#mean[i]!) / this.#std[i]!;
      const kept = Math.min(MOST_DEVIATIONS, Math.max(-MOST_DEVIATIONS, deviations));
      this.#accumulate(logits, i, kept);
    }
    if (finite === 0) {
      throw new EmotionError(
        'input.unusable',
        `${this.specification.id}: at least one of the ${features.length} features must be finite`,
        { model: this.specification.id },
      );
    }
    return this.#scores(logits, language);
  }

  /** Adds value × (row `feature` of the weights); the scale of each label is applied at the end. */
  #accumulate(logits: Float64Array, feature: number, value: number): void {
    const labels = logits.length;
    const from = feature * labels;
    for (let label = 0; label < labels; label++) {
      logits[label] = logits[label]! + value * this.#weight[from + label]!;
    }
  }

  #scores(sums: Float64Array, language: string | undefined): Scores {
    const { labels, temperature } = this.specification;
    const logits = sums.map((sum, label) => sum * this.#scale[label]! + this.#bias[label]!);
    const probabilities = softmax(logits, temperatureFor(temperature, language));
    return Object.fromEntries(labels.map((label, i) => [label, probabilities[i]]));
  }

  #mismatch(expected: string, got: string): EmotionError {
    const { id } = this.specification;
    return new EmotionError(
      'model.inputs-mismatch',
      `Model "${id}" reads ${expected}, got ${got}; choose the fallback model of the modality`,
      { model: id, expected, got },
    );
  }
}

function parseSpecification({ metadata }: Safetensors, file: string): LogisticSpecification {
  let value: unknown;
  try {
    value = JSON.parse(metadata['emotion'] ?? '');
  } catch {
    throw invalid(file, '__metadata__.emotion', 'a JSON text', metadata['emotion'] ?? 'nothing');
  }
  const parsed = specification.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(
    file,
    ['__metadata__.emotion', ...(issue?.path ?? [])].join('.'),
    issue?.message ?? 'a specification',
    'something else',
  );
}

function tensor(
  { tensors }: Safetensors,
  name: string,
  shape: readonly number[],
  file: string,
): StoredTensor {
  const found = tensors.get(name);
  const expected = `shape [${shape.join(', ')}]`;
  if (found === undefined) throw invalid(file, name, expected, 'no such tensor');
  if (found.shape.length !== shape.length || found.shape.some((size, i) => size !== shape[i])) {
    throw invalid(file, name, expected, `[${found.shape.join(', ')}]`);
  }
  if (!found.data.every((value: number) => Number.isFinite(value))) {
    throw invalid(file, name, 'finite numbers', 'NaN or infinity');
  }
  return found;
}

function floats(
  stored: Safetensors,
  name: string,
  shape: readonly number[],
  file: string,
): Float32Array {
  const found = tensor(stored, name, shape, file);
  if (found.dtype !== 'F32') throw invalid(file, name, 'type F32', found.dtype);
  return found.data;
}

function invalid(file: string, member: string, expected: string, got: string): EmotionError {
  return new EmotionError(
    'model.load-failed',
    `${file}: "${member}" must be ${expected}; got ${got.slice(0, 200)}`,
    { file, member, expected, got: got.slice(0, 200) },
  );
}
