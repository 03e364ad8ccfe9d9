import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmotionError } from '../emotion/error';
import { lockFolder, type FolderLock } from '../opinion/folder-lock';
import { Journal, type JournalOptions } from '../opinion/journal';
import { StoreAndForward, type Batch, type ForwardOptions } from '../opinion/store-and-forward';
import { describeValue } from './describe';
import { fillTemplate, shortText, toFlowError } from './failure';
import { finishOnce } from './input';
import type { Catalogue, CloseListener, FlowMessage } from './message';
import { MqttItems, ownKey } from './mqtt-items';
import { takeFromMqtt, type BrokerNode } from './mqtt-intake';
import type { Property } from './property';
import { StatusLine } from './status-line';

/** Sends to the outputs: batches, and what is said of messages that came. */
export type SendOutputs = (messages: readonly [FlowMessage | null, FlowMessage | null]) => void;

/** A node with two outputs whose errors may belong to no message that came. */
export interface BufferNode {
  readonly id: string;
  on(
    event: 'input',
    listener: (message: FlowMessage, send: SendOutputs, done: (error?: Error) => void) => void,
  ): unknown;
  on(event: 'close', listener: CloseListener): unknown;
  send: SendOutputs;
  status(status: object): void;
  error(error: unknown, message?: object): void;
  warn(text: string): void;
}

export interface BufferedInputOptions {
  readonly node: BufferNode;
  /** A property of messages: where items are read, and where a batch is written. */
  readonly property: Property;
  readonly catalogue: Catalogue;
  readonly journal: JournalOptions;
  readonly forward: ForwardOptions;
  /** Bytes of JSON that one item may have. */
  readonly mostItemBytes: number;
  /** Takes packets from a broker itself and acknowledges each when it is on disk. */
  readonly mqtt?: { readonly broker: BrokerNode; readonly topic: string; readonly qos: number };
  readonly newId: () => string;
}

/** What is kept of an item: its value, and the topic of the message that brought it. */
interface Stored {
  readonly v: unknown;
  readonly t?: string;
}

interface Open {
  readonly lock: FolderLock;
  readonly journal: Journal;
  readonly forward: StoreAndForward;
}

/** How long until a folder or a device that failed is tried again. */
const TRY_AGAIN_MS = 1000;
/** How often it is worked out what the status says. */
const SHOW_MS = 100;
/** The same trouble is told of once in this time. */
const TELL_AGAIN_MS = 30_000;

/**
 * The input contract of a node that keeps what comes on disk until somebody has taken it.
 *
 * A message is done when its items are on disk, and leaves on the second output then; it fails when they
 * could not be stored. Batches leave on the first output with `msg.buffer`. The same `buffer` coming
 * back with `msg.acknowledge` true removes its items; with false, or not in time, they come again.
 */
export function acceptBufferedInput(options: BufferedInputOptions): StatusLine {
  const { node, property, catalogue } = options;
  const status = new StatusLine(node);
  const packets = new MqttItems(options.mostItemBytes);
  const stop = new AbortController();
  const told = new Map<string, number>();

  let showing: NodeJS.Timeout | undefined;
  let shownAt = -Infinity;
  const showNow = (): void => {
    showing = undefined;
    shownAt = performance.now();
    if (state) status.show(describeBuffer(state.forward, catalogue));
  };
  /** Not for each of a thousand packets a second. */
  const show = (): void => {
    if (showing !== undefined) return;
    const wait = shownAt + SHOW_MS - performance.now();
    if (wait <= 0) showNow();
    else showing = setTimeout(showNow, wait).unref();
  };

  /** Tells of what nobody sent a message for: a Catch node gets one of its own. */
  const tell = (thrown: unknown, message: object = {}): void => {
    const error = toFlowError(thrown, catalogue);
    status.show({ fill: 'red', shape: 'ring', text: shortText(error, catalogue) });
    node.error(error, message);
  };
  const tellOnce = (thrown: unknown): void => {
    const code = thrown instanceof EmotionError ? thrown.code : String(thrown);
    const last = told.get(code) ?? -Infinity;
    if (performance.now() - last < TELL_AGAIN_MS) return;
    told.set(code, performance.now());
    tell(thrown);
  };

  const toMessage = ({ id, keys, items }: Batch): Promise<FlowMessage> => {
    const stored = items as readonly Stored[];
    const topic = stored[0]?.t;
    const message: FlowMessage = {
      _msgid: options.newId(),
      buffer: { batch: id, keys },
      ...(topic !== undefined && stored.every(({ t }) => t === topic) && { topic }),
    };
    const values = stored.map(({ v }) => v);
    return property
      .write(message, options.forward.batchItems === 1 ? values[0] : values)
      .then(() => message);
  };

  let state: Open | undefined;
  const open = async (): Promise<Open> => {
    const lock = await lockFolder(options.journal.folder, 5000);
    try {
      const { journal, damage } = await Journal.open(options.journal);
      packets.restore(journal.records().map(({ key }) => key));
      for (const { file, offset, bytes } of damage) {
        tell(
          new EmotionError(
            'buffer.damaged',
            `${bytes} bytes at ${offset} of ${file} are damaged: what stood there is lost; all before and after is kept`,
            { file, offset, bytes },
          ),
        );
      }
      const forward = new StoreAndForward(journal, options.forward, {
        onBatch: (batch) => {
          toMessage(batch).then((message) => node.send([message, null]), tell);
        },
        onError: (error, givenUp) => {
          if (givenUp) toMessage(givenUp).then((message) => tell(error, message), tell);
          else tellOnce(error);
        },
        onChange: show,
      });
      return { lock, journal, forward };
    } catch (error) {
      await lock.release();
      throw error;
    }
  };

  /** The buffer, once it is open; asked for again after a failure it is tried again. */
  let opening: Promise<Open> | undefined;
  const ready = (): Promise<Open> => {
    if (stop.signal.aborted) return Promise.reject(stopped());
    opening ??= open().then(
      (opened) => {
        state = opened;
        show();
        opened.forward.start();
        return opened;
      },
      (error: unknown) => {
        void sleep(TRY_AGAIN_MS).then(() => (opening = undefined));
        throw error;
      },
    );
    return opening;
  };
  ready().catch(tellOnce);

  const toItems = (value: unknown, topic: unknown) => {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    return values.map((item) => {
      if (item === undefined || item === null || item instanceof Uint8Array) {
        throw new EmotionError(
          'input.wrong-type',
          `Expected items that can be written as JSON at ${property.name}, got ${describeValue(item)}`,
          { expected: 'JSON', got: describeValue(item) },
        );
      }
      const kept: Stored = { v: item, ...(typeof topic === 'string' && { t: topic }) };
      const bytes = Buffer.byteLength(JSON.stringify(item) ?? '');
      if (bytes > options.mostItemBytes) {
        throw new EmotionError(
          'input.too-large',
          `An item of ${bytes} bytes came; ${options.mostItemBytes} are allowed`,
          { got: bytes, limit: options.mostItemBytes },
        );
      }
      return { key: ownKey(item) ?? randomUUID(), value: kept };
    });
  };

  const store = async (message: FlowMessage, send: SendOutputs): Promise<void> => {
    const items = toItems(await property.read(message), message.topic);
    const { forward } = await ready();
    if (forward.isOnItsWay(batchOf(message))) throw notAcknowledged();
    const { stored, known } = await forward.put(items);
    message.stored = { count: stored, known };
    send([null, message]);
  };

  const answer = (message: FlowMessage, send: SendOutputs, payload: unknown): void => {
    message.payload = payload;
    send([null, message]);
  };

  const act = async (message: FlowMessage, send: SendOutputs): Promise<void> => {
    if (Object.hasOwn(message, 'reset')) {
      (await ready()).forward.restart();
    } else if (Object.hasOwn(message, 'acknowledge')) {
      const keys = keysOf(message);
      const { forward } = await ready();
      if (message.acknowledge === false) forward.fail(keys);
      else forward.acknowledge(keys);
    } else if (message.action === 'status') {
      answer(message, send, (await ready()).forward.state);
    } else if (message.action === 'clear') {
      answer(message, send, { cleared: (await ready()).forward.clear() });
    } else {
      await store(message, send);
    }
  };

  node.on('input', (message, send, done) => {
    const finish = finishOnce(node, done);
    act(message, send).then(
      () => finish(),
      (thrown: unknown) => {
        const error = toFlowError(thrown, catalogue);
        status.show({ fill: 'red', shape: 'ring', text: shortText(error, catalogue) });
        finish(error);
      },
    );
  });

  /** While it cannot be stored: packets wait in the order in which they came. */
  let blocked: Promise<void> | undefined;
  const take = async (topic: string, payload: Buffer, dup: boolean): Promise<void> => {
    let items;
    try {
      items = packets.read(topic, payload, dup);
    } catch (error) {
      // It would be no better the next time: told, and acknowledged.
      tell(error, { topic, payload: payload.subarray(0, 1000) });
      return;
    }
    const kept = items.map(({ key, value }) => ({ key, value: { v: value, t: topic } }));
    for (;;) {
      while (blocked) await blocked;
      try {
        const { forward } = await ready();
        await forward.put(kept);
        return;
      } catch (error) {
        if (stop.signal.aborted) throw error;
        // The broker keeps it meanwhile, and sends no more than it may leave open.
        tellOnce(error);
        blocked ??= sleep(TRY_AGAIN_MS, undefined, { signal: stop.signal }).finally(() => {
          blocked = undefined;
        });
        await blocked;
      }
    }
  };
  const intake =
    options.mqtt &&
    takeFromMqtt(options.mqtt.broker, {
      id: node.id,
      topic: options.mqtt.topic,
      qos: options.mqtt.qos,
      take,
      onStatus: (shown) => {
        if (shown.fill === 'green') show();
        else status.show({ ...shown, text: catalogue('status.buffer.offline') ?? 'no broker' });
      },
    });

  const close = async (removed: boolean): Promise<void> => {
    stop.abort(stopped());
    await intake?.close(removed);
    const opened = await opening?.catch(() => undefined);
    await opened?.forward.close();
    await opened?.lock.release();
  };
  node.on('close', (removed, done) => {
    status.close();
    clearTimeout(showing);
    close(removed)
      .catch((error: unknown) => node.error(error))
      .finally(done);
  });

  return status;
}

function batchOf({ buffer }: FlowMessage): unknown {
  return (buffer as { readonly batch?: unknown } | null | undefined)?.batch;
}

/** A batch that comes back as it left would be stored anew, and leave anew, for ever. */
function notAcknowledged(): EmotionError {
  return new EmotionError(
    'input.wrong-type',
    'A batch of this very buffer came back without msg.acknowledge: set it to true where it has been taken, to false where it failed',
    { expected: 'msg.acknowledge', got: 'msg.buffer' },
  );
}

function keysOf({ buffer }: FlowMessage): readonly string[] {
  const { keys } = (buffer ?? {}) as { readonly keys?: unknown };
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'string')) return keys;
  throw new EmotionError(
    'input.wrong-type',
    `msg.acknowledge needs the msg.buffer of a batch, with its keys, got ${describeValue(buffer)}`,
    { expected: 'msg.buffer', got: describeValue(buffer) },
  );
}

function describeBuffer({ state }: StoreAndForward, catalogue: Catalogue) {
  const { pending, failures } = state;
  const say = (key: string) => {
    const text = catalogue(`status.buffer.${key}`) ?? '__count__';
    return fillTemplate(text, { count: pending }) ?? text;
  };
  if (pending === 0) return { fill: 'grey', shape: 'dot', text: say('empty') } as const;
  return failures > 0
    ? ({ fill: 'yellow', shape: 'ring', text: say('retrying') } as const)
    : ({ fill: 'blue', shape: 'dot', text: say('pending') } as const);
}

function stopped(): EmotionError {
  return new EmotionError('queue.closed', 'The node was stopped or deployed again');
}
