import type { Tensor, TensorType } from '../emotion/sample';
import type { LocalEngineOptions } from './engine';

/** What an engine and its session process say to each other. */

export type SessionRuntime = 'onnxruntime' | 'onnxruntime-web';

export interface LoadRequest {
  readonly kind: 'load';
  /** Shows in the process list. */
  readonly title: string;
  /** Absolute path of the ONNX file. */
  readonly graph: string;
  readonly backend: LocalEngineOptions['backend'];
  readonly executionProviders: readonly string[];
  readonly intraOpThreads: number;
  readonly interOpThreads: number;
  readonly graphOptimisation: LocalEngineOptions['graphOptimisation'];
  /** The outputs to return. */
  readonly outputs: readonly string[];
}

export interface TensorHeader {
  readonly type: TensorType;
  readonly dims: readonly number[];
}

/** A part of one input's bytes. */
export interface TensorPiece {
  readonly input: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A part of a batch; it runs when the part marked `last` is there. */
export interface BatchRequest {
  readonly kind: 'batch';
  readonly id: number;
  /** In the first part only. */
  readonly inputs?: Readonly<Record<string, TensorHeader>>;
  readonly pieces: readonly TensorPiece[];
  readonly last: boolean;
}

export type SessionRequest = LoadRequest | BatchRequest;

/** A tensor that a graph declares; a shape's dynamic dimensions are names or -1. */
export interface DeclaredTensor {
  readonly name: string;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

export interface LoadedReply {
  readonly kind: 'loaded';
  readonly runtime: SessionRuntime;
  readonly version: string;
  /** Why a runtime that goes first was passed over. */
  readonly passedOver?: string;
  readonly inputs: readonly DeclaredTensor[];
  readonly outputs: readonly DeclaredTensor[];
}

export interface LoadFailedReply {
  readonly kind: 'load-failed';
  readonly message: string;
}

/** Outputs of the rows of a batch from `from` on. */
export interface RowsReply {
  readonly kind: 'rows';
  readonly id: number;
  readonly from: number;
  readonly count: number;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export interface RunFailedReply {
  readonly kind: 'run-failed';
  readonly id: number;
  readonly message: string;
}

export type SessionReply = LoadedReply | LoadFailedReply | RowsReply | RunFailedReply;

/** Bytes that are serialised in one go; a larger batch is sent in parts so the event loop stays free. */
export const PIECE_BYTES = 256 * 1024;
