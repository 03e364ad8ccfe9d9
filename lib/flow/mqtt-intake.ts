import type { NodeStatus } from './message';

/** A packet as mqtt.js hands it to its listeners and to `handleMessage`: the same object to both. */
export interface PublishPacket {
  readonly qos: 0 | 1 | 2;
  readonly messageId?: number;
  readonly dup?: boolean;
}

interface Stream {
  readonly destroyed?: boolean;
  write(data: Uint8Array): unknown;
}

type HandleMessage = (packet: PublishPacket, callback: (error?: Error) => void) => void;

/** The part of mqtt.js's client that is needed. */
interface Client {
  stream: Stream;
  handleMessage: HandleMessage;
}

type PacketListener = (topic: string, payload: Buffer, packet: PublishPacket) => void;

/** The part of Node-RED's `mqtt-broker` node that its own `mqtt in` node uses as well. */
export interface BrokerNode {
  client?: Client;
  autoUnsubscribe?: boolean;
  register(user: { readonly id: string; status(status: NodeStatus): void }): void;
  deregister(user: { readonly id: string }, done: () => void, autoDisconnect: boolean): void;
  subscribe(topic: string, options: { qos: number }, listener: PacketListener, id: string): void;
  unsubscribe(topic: string, id: string, removed: boolean): void;
}

export interface IntakeOptions {
  /** Of the node that takes the packets. */
  readonly id: string;
  readonly topic: string;
  readonly qos: number;
  /** Resolves when the packet may be acknowledged; a rejection leaves it to the broker. */
  readonly take: (topic: string, payload: Buffer, dup: boolean) => Promise<void>;
  readonly onStatus: (status: NodeStatus) => void;
}

export interface MqttIntake {
  /**
   * @param removed whether the node is gone for good. If not, the broker keeps the subscription, and
   *   what comes until the node is back waits for it without being acknowledged.
   */
  close(removed: boolean): Promise<void>;
}

/**
 * Takes packets of a topic in such a way that the broker hears of each only when it is safe. Node-RED's
 * `mqtt in` node acknowledges (PUBACK) before the flow has seen the message: what is in the flow when
 * the process is killed is lost. Here a packet is acknowledged when {@link IntakeOptions.take} says so;
 * until then the broker keeps it, and sends it again after a restart (QoS 1, persistent session).
 *
 * mqtt.js waits for `handleMessage` before it acknowledges, but handles one packet at a time: each would
 * wait for a flush of its own, and for a while nothing else, not even a ping, would be read. An error
 * from `handleMessage` makes it go on without acknowledging; the PUBACK is then sent from here, in the
 * order in which the packets came (MQTT 5, 4.6), on the connection on which they came. Packets of other
 * subscriptions of the same broker node are left alone.
 *
 * QoS 0 has no acknowledgement; QoS 2 waits in `handleMessage`, one packet at a time.
 */
export function takeFromMqtt(broker: BrokerNode, options: IntakeOptions): MqttIntake {
  const intake = intakeOf(broker, options);
  intake.open(options);
  return { close: (removed) => intake.close(removed) };
}

const intakes = new WeakMap<BrokerNode, Map<string, Intake>>();

/** An intake outlives its node between two deployments. */
function intakeOf(broker: BrokerNode, { id }: IntakeOptions): Intake {
  let ofBroker = intakes.get(broker);
  if (!ofBroker) {
    ofBroker = new Map<string, Intake>();
    intakes.set(broker, ofBroker);
  }
  const ofThis = ofBroker;
  const intake = ofThis.get(id) ?? new Intake(broker, () => ofThis.delete(id));
  ofThis.set(id, intake);
  return intake;
}

interface Waiting {
  readonly topic: string;
  readonly payload: Buffer;
  readonly dup: boolean;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

class Intake {
  #options: IntakeOptions | undefined;
  #topic: string | undefined;
  #id = '';
  /** What came while the node was away. */
  #parked: Waiting[] = [];

  constructor(
    private readonly broker: BrokerNode,
    private readonly forget: () => void,
  ) {}

  open(options: IntakeOptions): void {
    const { id, topic, qos } = options;
    this.#options = options;
    this.#id = id;
    this.broker.register({ id, status: (status) => this.#options?.onStatus(status) });
    if (this.#topic !== undefined && this.#topic !== topic) this.#unsubscribe(true);
    else if (this.#topic === topic) this.#unsubscribe(false);
    this.#topic = topic;
    this.broker.subscribe(topic, { qos }, (...packet) => this.#receive(...packet), id);
    for (const waiting of this.#parked.splice(0)) this.#hand(waiting);
  }

  async close(removed: boolean): Promise<void> {
    this.#options = undefined;
    if (!removed) return;
    this.#unsubscribe(true);
    this.forget();
    for (const { reject } of this.#parked.splice(0)) reject(new Error('The node was removed'));
    const user = { id: this.#id, status: () => undefined };
    await new Promise<void>((resolve) => this.broker.deregister(user, resolve, true));
  }

  #receive(topic: string, payload: Buffer, packet: PublishPacket): void {
    const stored = new Promise<void>((resolve, reject) => {
      this.#hand({ topic, payload, dup: packet.dup === true, resolve, reject });
    });
    // Runs within the very event that mqtt.js follows with handleMessage for the same packet.
    if (this.broker.client) Acknowledgements.of(this.broker.client).hold(packet, stored);
    else stored.catch(() => undefined);
  }

  #hand(waiting: Waiting): void {
    const options = this.#options;
    if (!options) {
      this.#parked.push(waiting);
      return;
    }
    const { topic, payload, dup, resolve, reject } = waiting;
    options.take(topic, payload, dup).then(resolve, (error: Error) => {
      // The node was stopped before it could: the next one shall.
      if (this.#options === options) reject(error);
      else this.#hand(waiting);
    });
  }

  /** With `removed` unset only the listener goes; the broker node would tell the broker otherwise. */
  #unsubscribe(removed: boolean): void {
    if (this.#topic === undefined) return;
    const { broker } = this;
    const { autoUnsubscribe } = broker;
    broker.autoUnsubscribe = removed;
    try {
      broker.unsubscribe(this.#topic, this.#id, removed);
    } finally {
      if (autoUnsubscribe === undefined) delete broker.autoUnsubscribe;
      else broker.autoUnsubscribe = autoUnsubscribe;
    }
  }
}

/** A PUBACK that was put off. */
interface Slot {
  readonly messageId: number;
  readonly stream: Stream;
  state: 'open' | 'stored' | 'left';
}

const OF_CLIENT = Symbol('held acknowledgements');
const PUT_OFF = new Error('acknowledged later');

/** The acknowledgements of one mqtt.js client, shared by all that take packets from it. */
class Acknowledgements {
  readonly #held = new WeakMap<PublishPacket, Promise<void>[]>();
  #slots: Slot[] = [];

  static of(client: Client & { [OF_CLIENT]?: Acknowledgements }): Acknowledgements {
    return (client[OF_CLIENT] ??= new Acknowledgements(client));
  }

  private constructor(private readonly client: Client) {
    const original = client.handleMessage;
    client.handleMessage = (packet, callback) => {
      const reasons = this.#held.get(packet);
      const { messageId, qos } = packet;
      if (!reasons || qos === 0 || messageId === undefined) {
        original.call(client, packet, callback);
      } else if (qos === 1) {
        original.call(client, packet, () => {
          callback(PUT_OFF);
          this.#putOff({ messageId, stream: client.stream, state: 'open' }, reasons);
        });
      } else {
        Promise.all(reasons).then(
          () => original.call(client, packet, callback),
          () => callback(PUT_OFF),
        );
      }
    };
  }

  hold(packet: PublishPacket, stored: Promise<void>): void {
    // Told by the slot; a packet of QoS 0 has none.
    stored.catch(() => undefined);
    this.#held.set(packet, [...(this.#held.get(packet) ?? []), stored]);
  }

  #putOff(slot: Slot, reasons: readonly Promise<void>[]): void {
    this.#slots.push(slot);
    Promise.all(reasons).then(
      () => this.#settle(slot, 'stored'),
      () => this.#settle(slot, 'left'),
    );
  }

  #settle(slot: Slot, state: 'stored' | 'left'): void {
    slot.state = state;
    const due: number[] = [];
    while (this.#slots.length > 0 && this.#slots[0]!.state !== 'open') {
      const { stream, messageId, state: became } = this.#slots.shift()!;
      // Of an earlier connection: the broker sends the packet again, perhaps under another id.
      const current = stream === this.client.stream && stream.destroyed !== true;
      if (became === 'stored' && current) due.push(messageId);
    }
    if (due.length > 0) this.client.stream.write(pubacks(due));
  }
}

/** PUBACK packets without a reason code, which is success in MQTT 5 (3.4.2.1) as it is before. */
export function pubacks(messageIds: readonly number[]): Buffer {
  return Buffer.from(messageIds.flatMap((id) => [0x40, 2, id >> 8, id & 0xff]));
}
