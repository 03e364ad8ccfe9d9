import { randomUUID } from 'node:crypto';
import { EmotionError } from '../emotion/error';
import { fillTemplate, shortText, toFlowError } from './failure';
import { Gate, type GateOptions } from './gate';
import type { Catalogue, Done, FlowMessage, FlowNode, NodeStatus, Send } from './message';
import type { Property } from './property';
import { SequenceOrder } from './sequence';
import { StatusLine } from './status-line';

/**
 * Sends one message of a sequence: a copy of the one that came, with `value` at the property.
 *
 * @param last whether no other follows; only then is the length of the sequence known
 */
export type Emit = (value: unknown, last: boolean) => Promise<void>;

/** What `process` gives back when it has sent its answers itself. */
export const EMITTED = Symbol('emitted');

/** What `process` gives back for several outputs: a value for each, which leaves in a message of its own. */
export class Outputs {
  constructor(readonly values: readonly [unknown, ...unknown[]]) {}
}

/** What a node does with one message. */
export interface InputOptions {
  readonly node: FlowNode;
  readonly property: Property;
  /** Left out: messages are bounded elsewhere (by an engine's own queue, say). */
  readonly queue?: GateOptions;
  readonly catalogue: Catalogue;
  /**
   * The work: the value of the property in, the value to write to it out; {@link Outputs} for a node with
   * several; or, for a sequence, {@link EMITTED} after each value has been given to `emit`. The signal is aborted when the message
   * has failed in the meantime (reset, close, a later message).
   */
  readonly process: (
    value: unknown,
    message: FlowMessage,
    signal: AbortSignal,
    emit: Emit,
  ) => Promise<unknown>;
  /** Copies a message, for nodes that emit sequences or have several outputs. */
  readonly copy?: (message: FlowMessage) => FlowMessage;
  /** What else `msg.reset` empties. */
  readonly reset?: () => void;
  /** Commands by `msg.action`: their value is written to the property without looking at what is there. */
  readonly actions?: Readonly<Record<string, (message: FlowMessage) => Promise<unknown>>>;
  /** Index of the output at which answers to actions leave, in `payload`; the results' own if absent. */
  readonly actionOutput?: number;
  /** Status after a message went through; none clears it. */
  readonly describe?: (result: unknown) => NodeStatus | undefined;
  /** The same after a message whose answers `process` sent itself. */
  readonly describeEmitted?: () => NodeStatus | undefined;
  /** Releases what the node holds; a failure is logged. */
  readonly close?: () => Promise<void>;
  /** Longest time that `close` may take; the host gives a node 15 s. */
  readonly closeTimeoutMs?: number;
}

const UNBOUNDED: GateOptions = { concurrency: Infinity, limit: 0, policy: 'queue' };

/**
 * The input contract that all nodes of the suite share. One message in, exactly one `done`; nothing
 * is ever thrown at or rejected towards the host; every property of the message but the one that
 * the node reads and writes stays as it was.
 *
 * @returns the node's status, for what happens between messages (a model that loads, say).
 */
export function acceptInput(options: InputOptions): StatusLine {
  const { node, property, catalogue } = options;
  const gate = new Gate(options.queue ?? UNBOUNDED);
  const order = new SequenceOrder();
  const status = new StatusLine(node);

  /** Says how many messages are in progress when there are several. */
  const reportBusy = (least: number): boolean => {
    const count = gate.active + gate.waiting;
    if (count < least) return false;
    const text = catalogue('status.busy') ?? '__count__';
    status.show({ fill: 'blue', shape: 'dot', text: fillTemplate(text, { count }) ?? text });
    return true;
  };

  const show = (described: NodeStatus | undefined): void => {
    if (reportBusy(1)) return;
    if (described) status.show(described);
    else status.clear();
  };

  const succeed = (result: unknown): void => {
    show(result === undefined ? undefined : options.describe?.(result));
  };

  const process = async (message: FlowMessage, turn: Promise<void>, send: Send) => {
    const value = await property.read(message);
    const result = gate.enter((signal) => {
      const emit = emitter(message, signal, turn, send);
      return options.process(value, message, signal, emit);
    });
    reportBusy(2);
    return result;
  };

  const emitter = (
    message: FlowMessage,
    signal: AbortSignal,
    turn: Promise<void>,
    send: Send,
  ): Emit => {
    const id = randomUUID();
    const { parts: outer } = message;
    let index = 0;
    return async (value, last) => {
      await turn;
      signal.throwIfAborted();
      // What was read is not copied with every part.
      if (index === 0) await property.write(message, null);
      const part = options.copy?.(message) ?? { ...message };
      part.parts = {
        id,
        index,
        type: 'array',
        len: 1,
        ...(last && { count: index + 1 }),
        ...(outer !== undefined && { parts: outer }),
      };
      index += 1;
      await property.write(part, value);
      send(part);
    };
  };

  /** The message with the first value, then copies with the others; what was read is not copied. */
  const writeEach = async (
    message: FlowMessage,
    [first, ...others]: Outputs['values'],
  ): Promise<FlowMessage[]> => {
    await property.write(message, null);
    const copies = others.map(() => options.copy?.(message) ?? { ...message });
    const messages = [message, ...copies];
    for (const [index, value] of [first, ...others].entries()) {
      await property.write(messages[index]!, value);
    }
    return messages;
  };

  const work = async (message: FlowMessage, send: Send): Promise<void> => {
    const { turn, leave } = order.join(sequenceId(message));
    try {
      const action = actionOf(options, message);
      const result = action ? await action(message) : await process(message, turn, send);
      await turn;
      if (result === EMITTED) {
        show(options.describeEmitted?.());
        return;
      }
      if (action && options.actionOutput !== undefined) {
        const nowhere = Array<null>(options.actionOutput).fill(null);
        send([...nowhere, { ...message, payload: result }]);
        return;
      }
      if (result instanceof Outputs) {
        const messages = await writeEach(message, result.values);
        succeed(result.values[0]);
        send(messages);
        return;
      }
      await property.write(message, result);
      if (!action) succeed(result);
      send(message);
    } finally {
      leave();
    }
  };

  node.on('input', (message, send, done) => {
    const finish = finishOnce(node, done);
    if (Object.hasOwn(message, 'reset')) {
      gate.drain(new EmotionError('queue.reset', 'msg.reset emptied the queue of the node'));
      options.reset?.();
      status.clear();
      finish();
      return;
    }
    work(message, send).then(
      () => finish(),
      (thrown: unknown) => {
        const error = toFlowError(thrown, catalogue);
        if (!wasReset(error)) {
          status.show({ fill: 'red', shape: 'ring', text: shortText(error, catalogue) });
        }
        finish(error);
      },
    );
  });

  node.on('close', (_removed, done) => {
    status.close();
    gate.drain(new EmotionError('queue.closed', 'The node was stopped or deployed again'));
    within(options.closeTimeoutMs ?? 12_000, options.close?.() ?? Promise.resolve())
      .catch((error: unknown) => node.error(error))
      .finally(done);
  });

  return status;
}

function actionOf(
  options: InputOptions,
  message: FlowMessage,
): ((message: FlowMessage) => Promise<unknown>) | undefined {
  const { actions } = options;
  return typeof message.action === 'string' && actions && Object.hasOwn(actions, message.action)
    ? actions[message.action]
    : undefined;
}

/** A reset is what the person asked for, not something to put right. */
function wasReset(error: Error): boolean {
  return error instanceof EmotionError && error.code === 'queue.reset';
}

function sequenceId(message: FlowMessage): string | undefined {
  const id = message.parts?.id;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
}

/** The host answers a second `done` by counting a message twice, and an exception out of it by stopping. */
export function finishOnce(node: Pick<FlowNode, 'error'>, done: Done): Done {
  let finished = false;
  return (error) => {
    if (finished) return;
    finished = true;
    try {
      if (error) done(error);
      else done();
    } catch (thrown) {
      node.error(thrown);
    }
  };
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new EmotionError('engine.closed', `Closing took longer than ${ms} ms`, { ms }));
    }, ms);
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
