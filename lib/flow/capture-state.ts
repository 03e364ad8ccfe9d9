import { fillTemplate } from './failure';
import type { Catalogue, NodeStatus } from './message';

/** What a capture node says of its source. */
export interface CaptureState {
  readonly state: 'idle' | 'connecting' | 'running' | 'waiting' | 'ended' | 'failed';
  /** What is captured, without passwords. */
  readonly source: string;
  /** Counts connections. */
  readonly connection?: number;
  /** While it waits for a new attempt: how often it failed, and milliseconds until then. */
  readonly attempt?: number;
  readonly retryMs?: number;
  readonly error?: { readonly code: string; readonly message: string };
  /** Seconds of sound that wait to be asked for, and that were given up. */
  readonly waiting: number;
  readonly dropped: number;
}

const SHAPES: Readonly<Record<CaptureState['state'], Pick<NodeStatus, 'fill' | 'shape'>>> = {
  idle: { fill: 'grey', shape: 'ring' },
  connecting: { fill: 'yellow', shape: 'ring' },
  running: { fill: 'green', shape: 'dot' },
  waiting: { fill: 'red', shape: 'ring' },
  ended: { fill: 'grey', shape: 'dot' },
  failed: { fill: 'red', shape: 'dot' },
};

/** The status of a capture node; of one that has failed, why. */
export function describeCapture(
  { state, error, retryMs = 0 }: CaptureState,
  catalogue: Catalogue,
): NodeStatus {
  const values = { seconds: Math.max(1, Math.round(retryMs / 1000)) };
  const template =
    state === 'failed' && error
      ? catalogue(`short.${error.code}`)
      : catalogue(`status.capture.${state}`);
  return { ...SHAPES[state], text: fillTemplate(template ?? state, values) ?? state };
}
