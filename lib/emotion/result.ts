import type { Emotion, Scores } from './labels';
import type { EmptyReason, Modality } from './sample';
import type { Source } from './source';

/** `javascript`: fusion's own arithmetic, where no model runs. */
export type Runtime = 'onnxruntime' | 'onnxruntime-web' | 'remote' | 'logistic' | 'javascript';

/**
 * How much one token decided, 0–1. The weights of all tokens of a segment sum to 1; those of a
 * list cut to its heaviest tokens sum to less.
 */
export interface TokenWeight {
  readonly text: string;
  readonly weight: number;
}

/**
 * How much one stretch of a window decided, 0–1; times in seconds from the start of the source. The
 * weights of a segment sum to 1.
 */
export interface TimeWeight {
  readonly start: number;
  readonly end: number;
  readonly weight: number;
}

/** The answer for one window, sentence or face; of one with nothing to judge, `label` is null. */
export interface ResultSegment {
  readonly start?: number;
  readonly end?: number;
  readonly box?: readonly [number, number, number, number];
  /** Which of the faces it is; the same through a clip or stream. */
  readonly face?: number;
  /** The 68 iBUG points of the face, in pixels. */
  readonly landmarks?: readonly (readonly [number, number])[];
  /** Why this answer should not be trusted: `small`, `blurred`, `turned`, … */
  readonly flaws?: readonly string[];
  readonly text?: string;
  /** Id of the model that answered, where a router chose it. */
  readonly model?: string;
  readonly label: Emotion | null;
  readonly score: number;
  readonly scores: Scores;
  /** Share of this segment in the whole answer. */
  readonly weight?: number;
  readonly tokens?: readonly TokenWeight[];
  /** Of a model with attention over time: consecutive stretches from `start` to `end`. */
  readonly times?: readonly TimeWeight[];
}

interface ResultBase {
  readonly label: Emotion | null;
  /** Calibrated probability of `label`; 0 when `label` is null. */
  readonly score: number;
  /** Calibrated, sum 1; empty when `label` is null. */
  readonly scores: Scores;
  readonly segments?: readonly ResultSegment[];
  readonly model: string;
  readonly runtime: Runtime;
  readonly cached: boolean;
  readonly latencyMs: number;
  /** Present when `score` is under the node's threshold, or most of what was judged has a flaw. */
  readonly uncertain?: true;
  /** Why it is uncertain, where that is not the score: the flaws of what was judged. */
  readonly flaws?: readonly string[];
  /** On request, of pictures: a JPEG file with boxes, landmarks and labels. */
  readonly annotated?: Uint8Array;
  /** Names of the rules that changed the scores, e.g. `negation`. */
  readonly rules?: readonly string[];
  /** Why `label` is null. */
  readonly reason?: EmptyReason;
  readonly fallback?: { readonly reason: string; readonly attempts: number };
  readonly source: Source;
}

interface ResultOf<M extends Modality> extends ResultBase {
  readonly modality: M;
}

/** What `emotion-infer` and `emotion-fallback` emit. */
export type Result = ResultOf<'text'> | ResultOf<'audio'> | ResultOf<'video'>;

/** What `emotion-fuse` emits. */
export interface Fused extends ResultBase {
  readonly modality: 'multimodal';
  /** Share of each modality that was present; sums to 1. */
  readonly weights: Partial<Record<Modality, number>>;
  readonly modalities: Partial<Record<Modality, Result>>;
  readonly missing: readonly Modality[];
  /** 1 when all modalities agree, 0 when they could not disagree more. */
  readonly agreement: number;
  /** Modalities whose own answer is another one; absent when there are none. */
  readonly dissenting?: readonly Modality[];
  readonly explanation: { readonly zh: string; readonly en: string };
}

export type AnyResult = Result | Fused;
