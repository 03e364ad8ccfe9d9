import type { Source } from './source';

export type Modality = 'text' | 'audio' | 'video';

export type TensorData =
  Float32Array | Int32Array | BigInt64Array | Uint8Array | Int8Array | Uint16Array;

export type TensorType = 'float32' | 'int32' | 'int64' | 'uint8' | 'int8' | 'float16';

/** A dense tensor, row major, batch first: `data.length` is the product of `dims`. */
export interface Tensor {
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** What one row of a batch stands for. Times in seconds from the start of the source; boxes and points in pixels. */
export interface SampleSegment {
  readonly start?: number;
  readonly end?: number;
  /** x, y, width, height in pixels of the source picture. */
  readonly box?: readonly [number, number, number, number];
  readonly landmarks?: readonly (readonly [number, number])[];
  /** Which of the faces of a picture, clip or stream this is; the same through all of it. */
  readonly face?: number;
  /** Why the answer for this row should not be trusted: of a face, see `FaceFeatures.flaws`. */
  readonly flaws?: readonly string[];
  readonly text?: string;
  readonly language?: string;
  /** Id of the model that this row is for, where a router chose it. */
  readonly model?: string;
  /** The model's tokens of this row without padding, special tokens included, as they stand in the text. */
  readonly tokens?: readonly string[];
}

interface SampleOf<M extends Modality> {
  readonly modality: M;
  /** Id of the model whose manifest prepared the tensors. */
  readonly model: string;
  /** By input name of the model; batch first. Empty when there is nothing to infer (see `reason`). */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** One per batch row; with a `reason`, the windows that hold nothing to infer. */
  readonly segments: readonly SampleSegment[];
  readonly source: Source;
  /** Why there is nothing to infer; the Result then has `label: null` and this reason. */
  readonly reason?: EmptyReason;
}

export interface TextSample extends SampleOf<'text'> {
  /**
   * Of a router: what each of its models gets, in the order of the text. `tensors` is then empty,
   * and `segments` are those of the parts, one part after the other.
   */
  readonly parts?: readonly TextSample[];
  readonly features?: TextFeatures;
}
export interface AudioSample extends SampleOf<'audio'> {
  readonly features?: AudioFeatures;
}
export interface VideoSample extends SampleOf<'video'> {
  readonly features?: VideoFeatures;
}

/** What a preprocess node emits and `emotion-infer` takes. */
export type Sample = TextSample | AudioSample | VideoSample;

/** What a fusion model takes: the scores of one event's modalities, one row. */
export interface FusionSample {
  readonly modality: 'multimodal';
  readonly model: string;
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly segments: readonly SampleSegment[];
  readonly source: Source;
  readonly reason?: undefined;
}

/** Whether a value has the form of a Sample; what its tensors hold is for the engine to check. */
export function isSample(value: unknown): value is Sample {
  if (typeof value !== 'object' || value === null) return false;
  const { modality, model, tensors, segments, source } = value as Record<string, unknown>;
  return (
    (modality === 'text' || modality === 'audio' || modality === 'video') &&
    typeof model === 'string' &&
    typeof tensors === 'object' &&
    tensors !== null &&
    Array.isArray(segments) &&
    typeof source === 'object' &&
    source !== null
  );
}

/** A defined answer that is neither an emotion nor an error. */
export type EmptyReason = 'empty-text' | 'silence' | 'no-speech' | 'no-face';

/** What a person can look at to see what `emotion-preprocess-text` did, one entry a sentence. */
export interface TextFeatures {
  readonly sentences: readonly SentenceFeatures[];
  /** The end of a text beyond the most rows that a node allows: in no row, in no sentence above. */
  readonly cut?: { readonly start: number; readonly end: number };
}

export interface SentenceFeatures {
  /** The sentence as written. */
  readonly text: string;
  /** Offsets in UTF-16 units of the source text. */
  readonly start: number;
  readonly end: number;
  readonly language: 'zh' | 'en';
  readonly words: readonly string[];
  /** English: Porter 2 stems; Chinese: the words themselves. Without stop words. */
  readonly stems: readonly string[];
  /** Stop words that were left out of `stems`. */
  readonly removed: readonly string[];
  /** Which negation, degree, contrast or emoji rules matched, and on which words. */
  readonly cues: readonly RuleCue[];
}

/** The lexicon rules of `lib/text/rules`. */
export const RULE_NAMES = ['negation', 'degree', 'contrast', 'emoji', 'question', 'irony'] as const;

export type RuleName = (typeof RULE_NAMES)[number];

export interface RuleCue {
  readonly rule: RuleName;
  /** The words that triggered it. */
  readonly cue: string;
  /** Index into `words` of the cue and of the words in its scope. */
  readonly at: number;
  readonly scope: readonly number[];
  /** Degree words: factor above or below 1. */
  readonly strength?: number;
}

/** A window of a sound that got no row, and why. Seconds. */
export interface SkippedWindow {
  readonly start: number;
  readonly end: number;
  readonly reason: 'silence' | 'no-speech';
}

/** What a person or the fallback may want to know of a sound. */
export interface AudioFeatures {
  /** dBFS; `clipped`: share of samples at the limit, 0–1. */
  readonly loudness: {
    readonly meanDb: number;
    readonly peakDb: number;
    readonly rangeDb: number;
    readonly clipped: number;
  };
  /** `voiced`: share of the time with a pitch, 0–1. */
  readonly pitch: {
    readonly medianHz: number | null;
    readonly rangeSemitones: number;
    readonly voiced: number;
  };
  readonly speech: {
    /** Share of the time in which somebody speaks, 0–1. */
    readonly ratio: number;
    readonly method: 'silero' | 'energy';
    /** Seconds from the start of the sound, or of the window. */
    readonly spans: readonly { readonly start: number; readonly end: number }[];
  };
  /** What the logistic fallback reads; names in `STATISTICS_NAMES` of that version. */
  readonly statistics: { readonly version: number; readonly values: Float32Array };
  readonly skipped?: readonly SkippedWindow[];
  /** Samples that were NaN or infinite. */
  readonly replacedSamples?: number;
  /** `values`: `[coefficients, frames]`, row major; `hop` in seconds. */
  readonly mfcc?: {
    readonly coefficients: number;
    readonly frames: number;
    readonly hop: number;
    readonly values: Float32Array;
  };
  /** A PNG file. */
  readonly spectrogram?: Uint8Array;
}

/** How well a face can be read. */
export interface FaceMeasures {
  /** Distance of the outer eye corners or its like for a turned head, in pixels. */
  readonly size: number;
  /** Mean grey of the face, 0–1, and its standard deviation. */
  readonly brightness: number;
  readonly contrast: number;
  /** About 0.05 for an enlarged or unsharp face, over 0.2 for a sharp one. */
  readonly sharpness: number;
  /** Degrees. */
  readonly pose: { readonly yaw: number; readonly pitch: number; readonly roll: number };
  /** Share of the face's square that lies inside the picture, 0–1. */
  readonly inside: number;
  /** `small`, `blurred`, `turned`, `dark`, `bright`, `cut`; empty for a face that can be read. */
  readonly flaws: readonly string[];
}

/** A square of a picture that may be turned: clockwise, about its middle. */
export interface FaceRegion {
  readonly x: number;
  readonly y: number;
  readonly side: number;
  readonly angle: number;
}

/** What is known of one face of a picture, clip or stream: of the last picture that shows it. */
export interface FaceFeatures {
  readonly id: number;
  /** Seconds; of a picture both are 0. */
  readonly start: number;
  readonly end: number;
  /** Pictures that show it. */
  readonly frames: number;
  readonly box: readonly [number, number, number, number];
  /** Probability that it is a face, 0–1. */
  readonly score: number;
  /** The 68 iBUG points in pixels. */
  readonly landmarks: readonly (readonly [number, number])[];
  /** The square that the model sees: its middle and side in pixels, its turn in radians. */
  readonly region: FaceRegion;
  readonly quality: FaceMeasures;
}

/** A box in the shape that node-red-node-annotate-image reads from `msg.annotations`. */
export interface ImageAnnotation {
  readonly type: 'rect';
  /** x, y, width, height in pixels. */
  readonly bbox: readonly [number, number, number, number];
  readonly label?: string;
  readonly stroke: string;
  readonly labelLocation: 'top';
}

/** Uncompressed pixels, red, green, blue, rows from top to bottom: `[height, width, 3]`. */
export interface RawPicture {
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  readonly data: Uint8Array;
}

/** What a person may want to know of the faces of a picture, clip or stream. */
export interface VideoFeatures {
  /** What found the faces. */
  readonly engine: 'onnxruntime' | 'onnxruntime-web' | 'tensorflow';
  /** Pictures that were looked at, and those that show a face of this sample. */
  readonly frames: number;
  readonly framesWithFace: number;
  /** The faces of this sample, the largest first. */
  readonly faces: readonly FaceFeatures[];
  /** Those of the last picture that shows one, for `msg.annotations`. */
  readonly annotations: readonly ImageAnnotation[];
  /** On request: that picture with boxes and landmarks, a JPEG file, and as it was. */
  readonly annotated?: Uint8Array;
  readonly picture?: RawPicture;
}
