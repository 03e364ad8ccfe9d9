import { EmotionError } from '../emotion/error';
import type { FallbackChain, FallbackOutcome } from '../resilience/fallback-chain';
import { fillTemplate, shortText, toFlowError } from './failure';
import { finishOnce } from './input';
import type { Catalogue, FlowMessage, FlowNode, NodeStatus, Send } from './message';
import type { Property } from './property';
import type { Resender } from './resend';
import { StatusLine } from './status-line';

export interface CaughtInputOptions {
  readonly node: FlowNode & { readonly id: string; warn(text: string): void };
  readonly property: Property;
  readonly catalogue: Catalogue;
  readonly chain: FallbackChain;
  readonly resender: Pick<Resender, 'send' | 'settleOwn' | 'close'>;
  /** Answers without the node that failed; left out: nothing does. */
  readonly answer?: (
    value: unknown,
    fallback: { readonly reason: string; readonly attempts: number },
  ) => Promise<unknown>;
  /** What must be there before the first message is worked on. */
  readonly ready?: Promise<void>;
  /** Messages that may wait for attempts; more are answered at once. */
  readonly maxPending: number;
  readonly describe?: (result: unknown) => NodeStatus | undefined;
  readonly close?: () => Promise<void>;
}

/** What a Catch node puts on a message. */
interface Caught {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly source: { readonly id: string };
}

/**
 * The input contract of a node behind a Catch node. Each message that failed ends in exactly one of
 * three ways: it was sent again and went through, so it has left by the wires of the node that had
 * failed; it leaves here with an answer; or this node fails with everything that went wrong as the
 * error's `cause`. Attempts that fail come back through the same Catch node and end here.
 *
 * `msg.reset` gives up all attempts; their messages fail with `queue.reset`.
 */
export function acceptCaughtInput(options: CaughtInputOptions): StatusLine {
  const { node, property, catalogue, chain, resender } = options;
  const status = new StatusLine(node);
  const pending = new Set<AbortController>();

  const reportPending = (): boolean => {
    if (pending.size === 0) return false;
    const text = catalogue('status.retrying') ?? '__count__';
    const filled = fillTemplate(text, { count: pending.size }) ?? text;
    status.show({ fill: 'yellow', shape: 'dot', text: filled });
    return true;
  };

  const run = async (
    caught: Caught,
    message: FlowMessage,
  ): Promise<FallbackOutcome<void, unknown>> => {
    const abort = new AbortController();
    if (pending.size >= options.maxPending) abort.abort();
    pending.add(abort);
    reportPending();
    try {
      return await chain.run<void, unknown>({
        source: caught.source.id,
        failure: failureOf(caught),
        attempt: (_number, signal) => resender.send(caught.source.id, message, signal),
        ...(options.answer && {
          answer: async (fallback) => {
            // Given up by reset or close, not by want of room: there is nobody to answer.
            if (abort.signal.reason instanceof EmotionError) throw abort.signal.reason;
            return options.answer?.(await property.read(message), fallback);
          },
        }),
        signal: abort.signal,
      });
    } catch (thrown) {
      throw abort.signal.reason instanceof EmotionError ? abort.signal.reason : thrown;
    } finally {
      pending.delete(abort);
    }
  };

  const work = async (caught: Caught, received: FlowMessage, send: Send): Promise<void> => {
    await options.ready;
    const message = asItWas(received);
    const outcome = await run(caught, message);
    if (outcome.kind === 'recovered') {
      if (!reportPending()) status.clear();
      return;
    }
    await property.write(message, outcome.value);
    const described = options.describe?.(outcome.value);
    if (!reportPending() && described) status.show(described);
    send(message);
  };

  const giveUp = (reason: EmotionError): void => {
    for (const abort of pending) abort.abort(reason);
  };

  node.on('input', (message, send, done) => {
    const finish = finishOnce(node, done);
    if (Object.hasOwn(message, 'reset')) {
      giveUp(new EmotionError('queue.reset', 'msg.reset emptied the queue of the node'));
      status.clear();
      finish();
      return;
    }
    const caught = message.error;
    if (!isCaught(caught)) {
      const error = toFlowError(notCaught(), catalogue);
      status.show({ fill: 'red', shape: 'ring', text: shortText(error, catalogue) });
      finish(error);
      return;
    }
    if (caught.source.id === node.id) {
      // Its own error, by a Catch node for all nodes: told once, and not to itself.
      node.warn(String(caught.message));
      finish();
      return;
    }
    if (resender.settleOwn(message, caught.source.id, failureOf(caught))) {
      finish();
      return;
    }
    work(caught, message, send).then(
      () => finish(),
      (thrown: unknown) => {
        const error = toFlowError(thrown, catalogue);
        status.show({ fill: 'red', shape: 'ring', text: shortText(error, catalogue) });
        finish(error);
      },
    );
  });

  node.on('close', (_removed, done) => {
    status.close();
    giveUp(new EmotionError('queue.closed', 'The node was stopped or deployed again'));
    resender.close();
    (options.close?.() ?? Promise.resolve())
      .catch((error: unknown) => node.error(error))
      .finally(done);
  });

  return status;
}

function isCaught(error: unknown): error is Caught {
  const { source } = (error ?? {}) as { source?: { id?: unknown } | null };
  return typeof source?.id === 'string';
}

/** The error of the suite where there is one, with its details; what the Catch node says otherwise. */
function failureOf(caught: Caught): unknown {
  return caught.cause instanceof EmotionError ? caught.cause : caught;
}

/** The message before the Catch node wrote its `error` on it. */
function asItWas(received: FlowMessage): FlowMessage {
  const message = { ...received };
  const before = message._error;
  delete message._error;
  delete message.error;
  return before === undefined ? message : { ...message, error: before };
}

function notCaught(): EmotionError {
  return new EmotionError(
    'input.wrong-type',
    'Expected a message from a catch node, with msg.error.source: wire a catch node to this one',
    { expected: 'msg.error.source' },
  );
}
