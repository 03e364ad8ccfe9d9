import { EmotionError } from '../emotion/error';
import type { Result } from '../emotion/result';
import type { Modality } from '../emotion/sample';
import { KeyAligner } from '../fusion/align-by-key';
import { TimeAligner } from '../fusion/align-by-time';
import { MODALITIES, isModality } from '../fusion/modalities';
import { poolInTime } from '../fusion/pool-in-time';
import { heldBytes } from '../fusion/held-bytes';
import { resultTime } from './result-time';
import type { FlowMessage } from './message';

/** What makes Results one event. */
export type JoinRule =
  | {
      readonly by: 'key';
      /** How long an answered key is remembered; 0 where keys are used again. */
      readonly rememberMs?: number;
    }
  | {
      readonly by: 'time';
      /** Length of an event. */
      readonly stepMs: number;
      /** How much earlier than its predecessors a window may start and still be waited for. */
      readonly outOfOrderMs: number;
      /**
       * `live`: each modality's clock is compared with ours, and a Result without times counts as of
       * now. `source`: all times are on one clock, that of a recording.
       */
      readonly clock: 'live' | 'source';
    };

export interface JoinLimits {
  /** Modalities that an event waits for, unless a message names others in `msg.expected`. */
  readonly expected: readonly Modality[];
  readonly waitMs: number;
  /** Open events; one more releases the oldest. */
  readonly maxOpen: number;
  /** Bytes that all open events may hold together. */
  readonly maxBytes?: number;
}

/** A Result and the message that brought it. */
export interface Joinable {
  readonly result: Result;
  readonly message: FlowMessage;
}

export interface JoinedEvent<T> {
  /** In the order text, audio, video; of each modality the latest first. */
  readonly members: readonly T[];
  /** One a modality. */
  readonly results: readonly Result[];
  readonly expected: readonly Modality[];
  /** By time: which step of which stream it is. */
  readonly step?: { readonly id: string; readonly index: number };
}

export interface EventJoiner<T> {
  readonly openEvents: number;
  /**
   * @param name key of the event, or name of the stream
   * @throws EmotionError `fusion.duplicate`, `fusion.late`, `fusion.time-unusable`,
   *   `input.wrong-type` when `msg.expected` names no modalities
   */
  add(name: string, value: T): void;
  /** Answers the open events as they are. */
  flush(): void;
  /** The same, and forgets everything. */
  close(): void;
}

export interface JoinListeners<T> {
  /** Called once for each event. */
  readonly onEvent: (event: JoinedEvent<T>) => void;
  /** Called once for each accepted value, when the last event that holds it has been released. */
  readonly onReleased: (value: T) => void;
}

export function joinEvents<T extends Joinable>(
  rule: JoinRule,
  limits: JoinLimits,
  listeners: JoinListeners<T>,
): EventJoiner<T> {
  return rule.by === 'key'
    ? joinByKey(rule, limits, listeners)
    : joinByTime(rule, limits, listeners);
}

function joinByKey<T extends Joinable>(
  rule: Extract<JoinRule, { by: 'key' }>,
  limits: JoinLimits,
  { onEvent, onReleased }: JoinListeners<T>,
): EventJoiner<T> {
  const aligner = new KeyAligner<T>({
    ...limits,
    ...(rule.rememberMs !== undefined && { rememberMs: rule.rememberMs }),
    sizeOf: bytesOf,
    onEvent: ({ members, expected }) => {
      const present = MODALITIES.flatMap((modality) => members[modality] ?? []);
      onEvent({ members: present, results: present.map(({ result }) => result), expected });
      for (const member of present) onReleased(member);
    },
  });
  return {
    get openEvents() {
      return aligner.openEvents;
    },
    add(name, value) {
      const { modality } = value.result;
      const outcome = aligner.add(name, modality, value, expectedBy(value.message));
      if (outcome === 'duplicate') throw duplicate(modality, `event "${shown(name)}"`);
      if (outcome === 'late') throw late(modality, `event "${shown(name)}"`);
    },
    flush: () => aligner.flush(),
    close: () => aligner.close(),
  };
}

function joinByTime<T extends Joinable>(
  rule: Extract<JoinRule, { by: 'time' }>,
  limits: JoinLimits,
  { onEvent, onReleased }: JoinListeners<T>,
): EventJoiner<T> {
  const { stepMs, outOfOrderMs, clock } = rule;
  const { expected } = limits;
  const aligner = new TimeAligner<T>({
    ...limits,
    stepMs,
    outOfOrderMs,
    estimateOffsets: clock === 'live',
    sizeOf: bytesOf,
    onEvent: ({ stream, startMs, members }) => {
      const results = MODALITIES.flatMap((modality) => {
        const overlaps = members[modality];
        if (overlaps === undefined) return [];
        return poolInTime(overlaps.map((window) => ({ ...window, value: window.value.result })));
      });
      onEvent({
        members: MODALITIES.flatMap((modality) =>
          (members[modality] ?? []).map(({ value }) => value).reverse(),
        ),
        results,
        expected,
        step: { id: stream, index: Math.round(startMs / stepMs) },
      });
    },
    onReleased,
  });
  return {
    get openEvents() {
      return aligner.openEvents;
    },
    add(name, value) {
      const { modality } = value.result;
      const { startMs, endMs } = resultTime(value.result, value.message, clock);
      const outcome = aligner.add({ stream: name, modality, startMs, endMs, value });
      const where = `stream "${shown(name)}" at ${(startMs / 1000).toFixed(2)} s`;
      if (outcome === 'duplicate') throw duplicate(modality, where);
      if (outcome === 'late') throw late(modality, where);
      if (outcome === 'implausible') {
        throw new EmotionError(
          'fusion.time-unusable',
          `The times of a Result for "${modality}" cannot be: ${startMs / 1000} to ${endMs / 1000} s`,
          { modality, start: startMs / 1000, end: endMs / 1000 },
        );
      }
    },
    flush: () => aligner.flush(),
    close: () => aligner.close(),
  };
}

/** What one message makes an event wait for: `msg.expected`, a list of modalities. */
function expectedBy({ expected }: FlowMessage): readonly Modality[] | undefined {
  if (expected === undefined) return undefined;
  if (Array.isArray(expected) && expected.every(isModality)) return expected;
  throw new EmotionError(
    'input.wrong-type',
    `msg.expected must be an array of ${MODALITIES.join(', ')}`,
    { expected: MODALITIES.join(', ') },
  );
}

/** A sender decides how long the texts, lists and buffers of a message are. */
const bytesOf = ({ result, message }: Joinable): number => heldBytes(result, message);

const shown = (name: string): string => (name.length > 60 ? `${name.slice(0, 59)}…` : name);

function duplicate(modality: Modality, where: string): EmotionError {
  return new EmotionError(
    'fusion.duplicate',
    `A second Result for "${modality}" of ${where}: the first one stands`,
    { modality, where },
  );
}

function late(modality: Modality, where: string): EmotionError {
  return new EmotionError(
    'fusion.late',
    `The Result for "${modality}" of ${where} came after the answer: raise the wait limit, or give each event its own key`,
    { modality, where },
  );
}
