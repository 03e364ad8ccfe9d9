/**
 * The few things that the flow layer needs of its host, so that `lib/` stays free of Node-RED: the
 * node types hand in their own node and the tests hand in a plain object.
 */

/** A message as it travels along a wire. */
export interface FlowMessage {
  _msgid?: string;
  /** Its mere presence empties the queue of the node, as in the core nodes `batch` and `join`. */
  reset?: unknown;
  parts?:
    | {
        readonly id?: unknown;
        readonly index?: unknown;
        readonly count?: unknown;
        readonly type?: unknown;
        readonly len?: unknown;
        readonly parts?: unknown;
      }
    | undefined;
  [property: string]: unknown;
}

/** One message to the first output, or one for each output; null sends nothing there. */
export type Send = (message: FlowMessage | (FlowMessage | null)[]) => void;
export type Done = (error?: Error) => void;

export interface NodeStatus {
  readonly fill: 'red' | 'green' | 'yellow' | 'blue' | 'grey';
  readonly shape: 'ring' | 'dot';
  readonly text: string;
}

export type InputListener = (message: FlowMessage, send: Send, done: Done) => void;
export type CloseListener = (removed: boolean, done: () => void) => void;

export interface FlowNode {
  on(event: 'input', listener: InputListener): unknown;
  on(event: 'close', listener: CloseListener): unknown;
  status(status: NodeStatus | Record<string, never>): void;
  error(error: unknown): void;
}

/**
 * The text behind a catalogue key in the language of the host, with its `__name__` variables left
 * in place, or undefined when the catalogue has no such key.
 */
export type Catalogue = (key: string) => string | undefined;
