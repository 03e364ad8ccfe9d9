import { z } from 'zod';
import { EMOTIONS } from '../emotion/labels';

/**
 * The schema of `model.yaml`: all that the software knows of a model. Kept strict, so a misspelt
 * key is an error instead of a setting that silently does nothing.
 */
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hexadecimal');

const file = z.strictObject({
  path: z.string().min(1),
  sha256,
  bytes: z.int().positive(),
});

const dimension = z.union([z.int().positive(), z.enum(['batch', 'tokens', 'frames', 'time'])]);

const tensorSpec = z.strictObject({
  type: z.enum(['float32', 'int32', 'int64', 'uint8']),
  shape: z.array(dimension).min(1),
  /** Value that fills a row up to the longest of its batch. */
  padding: z.number().default(0),
});

const output = z.strictObject({
  /** `logits`: before softmax, one per label. `token-weights`, `time-weights`: attention, sums to 1 a row. */
  kind: z.enum(['logits', 'token-weights', 'time-weights', 'saliency']),
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

const metric = z.strictObject({
  name: z.string(),
  value: z.number(),
  dataset: z.string(),
  split: z.string().default('test'),
  protocol: z.string(),
  headline: z.boolean().default(false),
});

export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'lower-case letters, digits, dots, dashes'),
  version: z.string().regex(/^\d+\.\d+\.\d+/, 'a semantic version such as 1.0.0'),
  title: z.strictObject({ en: z.string(), zh: z.string() }),
  modality: z.enum(['text', 'audio', 'video']),
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
  preprocessing: textPreprocessing,
  calibration: z.strictObject({
    /** Logits are divided by it before softmax; one value, or one per language. */
    temperature: z.union([z.number().positive(), z.record(z.string(), z.number().positive())]),
  }),
  licence: z.strictObject({ weights: z.string(), data: z.string() }),
  metrics: z.array(metric).default([]),
  minimumRuntime: z.string().default('1.17.0'),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type TextPreprocessing = z.infer<typeof textPreprocessing>;
