import { EmotionError } from '../emotion/error';
import type { Fused, Result } from '../emotion/result';
import type { Modality } from '../emotion/sample';
import { parseResult } from '../fusion/validate';
import {
  joinEvents,
  type Joinable,
  type JoinedEvent,
  type JoinLimits,
  type JoinRule,
} from './event-joiner';
import { fillTemplate, shortText, toFlowError } from './failure';
import { finishOnce } from './input';
import type { Catalogue, Done, FlowMessage, FlowNode, NodeStatus, Send } from './message';
import type { Property } from './property';
import { SequenceOrder } from './sequence';
import { StatusLine } from './status-line';

export interface JoinedInputOptions {
  readonly node: FlowNode;
  readonly property: Property;
  readonly catalogue: Catalogue;
  readonly rule: JoinRule;
  readonly limits: JoinLimits;
  /** The key of a message's event, or the name of its stream. */
  readonly nameOf: (message: FlowMessage) => Promise<string>;
  /** Makes one answer of the Results of an event. */
  readonly fuse: (results: readonly Result[], expected: readonly Modality[]) => Promise<Fused>;
  /** A copy of a message that shares nothing that anyone may change. */
  readonly clone: (message: FlowMessage) => FlowMessage;
  readonly describe?: (fused: Fused) => NodeStatus | undefined;
}

/** A message that waits for the answers of its events. */
interface Held extends Joinable {
  readonly send: Send;
  readonly finish: Done;
  readonly answers: Promise<void>[];
  failure?: Error;
}

/**
 * The input contract of a node that makes one message of several. Every message is finished exactly
 * once: when all events that hold it have been answered, or with the reason why it is part of none.
 * Every event is answered exactly once with what has come, or fails; its error is told to one of its
 * messages, the first in the order text, audio, video.
 *
 * The answer leaves on a message with the properties of all that it was made of. Where two carry the
 * same property text goes before audio before video, so the order of arrival does not show. By time
 * it also carries `parts`: the stream, and the number of the step in it.
 *
 * `msg.reset` fails all that is held; `msg.flush` answers all open events as they are.
 */
export function acceptJoinedInput(options: JoinedInputOptions): StatusLine {
  const { node, property, catalogue } = options;
  const status = new StatusLine(node);
  const order = new SequenceOrder();
  /** Why what is released now fails instead of being answered. */
  let dropping: EmotionError | undefined;
  let closed = false;

  const report = (error: Error): Error => {
    if (!(error instanceof EmotionError && error.code === 'queue.reset')) {
      status.show({ fill: 'red', shape: 'ring', text: shortText(error, catalogue) });
    }
    return error;
  };

  const reportWaiting = (): void => {
    const count = joiner.openEvents;
    if (count === 0) return;
    const text = catalogue('status.waiting') ?? '__count__';
    status.show({ fill: 'blue', shape: 'dot', text: fillTemplate(text, { count }) ?? text });
  };

  const answer = async (
    { members, results, expected, step }: JoinedEvent<Held>,
    first: Held,
  ): Promise<void> => {
    const { turn, leave } = order.join(step?.id);
    try {
      const fused = await options.fuse(results, expected);
      await turn;
      const merged = mergeMessages(members.map(({ message }) => message));
      const message = step === undefined ? merged : { ...options.clone(merged), parts: step };
      await property.write(message, fused);
      const described = options.describe?.(fused);
      if (described !== undefined) status.show(described);
      first.send(message);
    } catch (thrown) {
      first.failure = report(toFlowError(thrown, catalogue));
    } finally {
      leave();
    }
  };

  const joiner = joinEvents<Held>(options.rule, options.limits, {
    onEvent: (event) => {
      const [first] = event.members;
      if (first === undefined) return;
      if (dropping !== undefined) {
        for (const held of event.members) held.failure = toFlowError(dropping, catalogue);
        return;
      }
      const answered = answer(event, first);
      for (const held of event.members) held.answers.push(answered);
    },
    onReleased: (held) => {
      void Promise.all(held.answers).then(() => held.finish(held.failure));
    },
  });

  const drop = (reason: EmotionError): void => {
    dropping = reason;
    joiner.close();
    dropping = undefined;
  };

  const accept = async (message: FlowMessage, send: Send, finish: Done): Promise<void> => {
    const result = parseResult(await property.read(message));
    const name = await options.nameOf(message);
    if (closed) throw stopped();
    joiner.add(name, { message, result, send, finish, answers: [] });
    reportWaiting();
  };

  node.on('input', (message, send, done) => {
    const finish = finishOnce(node, done);
    if (Object.hasOwn(message, 'reset')) {
      drop(new EmotionError('queue.reset', 'msg.reset emptied the queue of the node'));
      status.clear();
      finish();
    } else if (Object.hasOwn(message, 'flush')) {
      joiner.flush();
      finish();
    } else {
      accept(message, send, finish).catch((thrown: unknown) => {
        finish(report(toFlowError(thrown, catalogue)));
      });
    }
  });

  node.on('close', (_removed, done) => {
    closed = true;
    status.close();
    drop(stopped());
    done();
  });

  return status;
}

function stopped(): EmotionError {
  return new EmotionError('queue.closed', 'The node was stopped or deployed again');
}

/** One message with the properties of several; those of earlier ones stand. */
function mergeMessages(messages: readonly FlowMessage[]): FlowMessage {
  return Object.assign({}, ...[...messages].reverse()) as FlowMessage;
}
