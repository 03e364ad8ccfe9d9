import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { connectAsync, type MqttClient } from 'mqtt';
import type { NodeMessage } from 'node-red';
import { Mosquitto } from '../flow/mosquitto';
import { until } from '../media/fixtures';
import { Flow, type FlowNodeDefinition } from './harness';

interface BatchMessage extends NodeMessage {
  readonly posts: unknown;
  readonly buffer: { readonly batch: string; readonly keys: string[] };
}

const buffer: FlowNodeDefinition = {
  id: 'buffer',
  type: 'emotion-buffer',
  batchItems: 4,
  batchWait: 0.02,
  inFlight: 2,
  firstDelay: 0.05,
  wires: [['out'], ['aside']],
};
const posts = (...ids: string[]) => ids.map((id) => ({ id, text: `text ${id}` }));

describe('emotion-buffer', () => {
  let flow: Flow;
  let userDir: string;
  let batches: BatchMessage[];
  beforeEach(async () => {
    userDir = await mkdtemp(join(tmpdir(), 'emotion-buffer-'));
  });
  afterEach(async () => {
    await flow.stop();
    await rm(userDir, { recursive: true, force: true });
  });

  const start = async (settings: object = {}, others: FlowNodeDefinition[] = []) => {
    flow = await Flow.start([...others, { ...buffer, ...settings }], { userDir }, 'en-US', ['buffer']); // prettier-ignore
    batches = flow.messages('out') as BatchMessage[];
  };
  const give = (message: object) => flow.give('buffer', { _msgid: 'x', ...message });
  const say = (acknowledge: boolean, { buffer: of }: BatchMessage) => give({ buffer: of, acknowledge }); // prettier-ignore
  const batch = async (number: number): Promise<BatchMessage> => {
    await until(() => batches.length > number, `batch ${number}`);
    return batches[number]!;
  };
  const state = async () => {
    const message = await flow.node('buffer', { action: 'status' });
    return message.payload as { pending: number; inFlight: number; failures: number };
  };

  it('tells when items are on disk, and sends them in batches that fill up', async () => {
    await start();
    const stored = await flow.node('buffer', {
      posts: posts('a', 'b', 'c', 'd', 'e', 'a'),
      topic: 'metro',
      req: 'kept',
    });
    expect(stored).to.deep.include({ stored: { count: 5, known: 1 }, req: 'kept', topic: 'metro' });
    const first = await batch(0);
    expect(first).to.deep.include({ posts: posts('a', 'b', 'c', 'd'), topic: 'metro' });
    expect(first.buffer.keys).to.deep.equal(['a', 'b', 'c', 'd']);
    expect((await batch(1)).posts).to.deep.equal(posts('e'));
    say(true, first);
    await until(async () => (await state()).pending === 1, 'one pending');
    say(true, await batch(1));
    await until(async () => (await state()).pending === 0, 'none pending');
  });

  it('sends single items as they came, from and to another property', async () => {
    await start({ property: 'payload', batchItems: 1 });
    give({ payload: { label: 'happy' }, topic: 'door' });
    expect(await batch(0)).to.deep.include({ payload: { label: 'happy' }, topic: 'door' });
  });

  it('goes on where it was after a deployment, without asking twice for the same folder', async () => {
    await start();
    give({ posts: posts('a', 'b') });
    say(false, await batch(0));
    await batch(1);
    await flow.deploy([{ ...buffer, batchWait: 0.01 }]);
    batches = flow.messages('out') as BatchMessage[];
    await until(() => batches.length > 0, 'the batch again');
    expect(batches[0]!.posts).to.deep.equal(posts('a', 'b'));
    expect(await state()).to.include({ pending: 2, failures: 0 });
    expect(await readdir(join(userDir, 'emotion-buffers'))).to.deep.equal(['buffer']);
  });

  it('sends again what failed and, on reset, what is on its way', async () => {
    await start();
    give({ posts: posts('a') });
    say(false, await batch(0));
    expect((await batch(1)).posts).to.deep.equal(posts('a'));
    give({ reset: true });
    expect((await batch(2)).posts).to.deep.equal(posts('a'));
    expect((await flow.node('buffer', { action: 'clear' })).payload).to.deep.equal({ cleared: 1 }); // prettier-ignore
    expect(await state()).to.include({ pending: 0 });
  });

  it('fails what it cannot keep, by name', async () => {
    await start({ maxItems: 2, maxItemKilobytes: 1 });
    const caught = flow.caught();
    const cases: [object, string][] = [
      [{ payload: 'nothing at posts' }, 'input.property-missing'],
      [{ posts: [{ id: 'a' }, null] }, 'input.wrong-type'],
      [{ posts: Buffer.from('bytes') }, 'input.wrong-type'],
      [{ posts: { text: 'x'.repeat(2000) } }, 'input.too-large'],
      [{ posts: posts('a', 'b', 'c') }, 'buffer.full'],
      [{ acknowledge: true }, 'input.wrong-type'],
      [{ acknowledge: true, buffer: { keys: 'a' } }, 'input.wrong-type'],
    ];
    for (const [index, [message, code]] of cases.entries()) {
      give(message);
      await until(() => caught.length > index, code);
      expect(caught[index]!.error.code, JSON.stringify(message).slice(0, 80)).to.equal(code);
    }
    give({ posts: posts('a') });
    give({ ...(await batch(0)) });
    await until(() => caught.length > cases.length, 'an error');
    expect(caught.at(-1)!.error.message).to.match(/came back without msg.acknowledge/);
  });

  it('tells when it must not use a folder, and begins when it may', async () => {
    const folder = join(userDir, 'taken');
    await writeFile(folder, 'a file where the folder should be');
    await start({ folder });
    const caught = flow.caught();
    give({ posts: posts('a') });
    await until(() => caught.length > 0, 'an error');
    expect(caught[0]!.error.code).to.equal('buffer.disk');
    await rm(folder);
    await until(async () => {
      give({ posts: posts('a') });
      await new Promise((resolve) => setTimeout(resolve, 100));
      return batches.length > 0;
    }, 'the folder');
  });

  describe('with posts from MQTT', function () {
    this.timeout(120_000);
    let mosquitto: Mosquitto;
    let publisher: MqttClient;
    before(async () => {
      mosquitto = await Mosquitto.start();
      publisher = await connectAsync(`mqtt://127.0.0.1:${mosquitto.port}`);
    });
    after(async () => {
      await publisher.endAsync();
      await mosquitto.stop();
    });

    let session = 0;
    const broker = (protocolVersion: 4 | 5): FlowNodeDefinition => ({
      id: 'broker',
      type: 'mqtt-broker',
      name: '',
      broker: '127.0.0.1',
      port: String(mosquitto.port),
      clientid: `buffer-${session}`,
      cleansession: false,
      autoConnect: true,
      protocolVersion: String(protocolVersion),
      keepalive: '60',
      sessionExpiry: '3600',
    });
    const mqtt = () => ({ mqtt: true, broker: 'broker', topic: 'opinion/+/post', qos: '1' });
    beforeEach(() => (session += 1));
    const publish = (id: string) =>
      publisher.publishAsync('opinion/metro/post', JSON.stringify({ id, text: '好' }), { qos: 1 });
    const ids = () =>
      batches.flatMap(({ posts: some }) => some as { id: string }[]).map(({ id }) => id);
    /** Until the subscription stands: an id of its own goes through. */
    const subscribed = async () => {
      await until(async () => {
        await publish('probe');
        await new Promise((resolve) => setTimeout(resolve, 50));
        return ids().includes('probe');
      }, 'the subscription', 20_000); // prettier-ignore
      give({ acknowledge: true, buffer: { keys: ['probe'] } });
    };

    for (const version of [4, 5] as const) {
      it(`acknowledges no packet before it is on disk (MQTT ${version === 4 ? '3.1.1' : '5'})`, async () => {
        await start({ ...mqtt(), maxItems: 5, inFlight: 100, batchItems: 1, batchWait: 0 }, [broker(version)]); // prettier-ignore
        const caught = flow.caught();
        await subscribed();
        await until(async () => (await state()).pending === 0, 'the probe gone');
        const seen = batches.length;
        const wanted = Array.from({ length: 60 }, (_unused, index) => `p${index}`);
        for (const id of wanted) await publish(id);
        await until(() => caught.length > 0, 'buffer full');
        expect(caught[0]!.error.code).to.equal('buffer.full');
        expect(await state()).to.include({ pending: 5 });
        // Each time there is room, the next come; what is refused stays with the broker.
        let at = seen;
        await until(
          async () => {
            while (at < batches.length) say(true, batches[at++]!);
            return Promise.resolve(wanted.every((id) => batches.some(({ posts: one }) => (one as { id: string }).id === id))); // prettier-ignore
          },
          'all posts',
          40_000,
        );
        await until(async () => (await state()).pending === 0, 'none pending');
        const came = batches.slice(seen).map(({ posts: one }) => (one as { id: string }).id);
        expect(came.filter((id) => id !== 'probe')).to.deep.equal(wanted);
      });
    }

    it('acknowledges and tells of what is no post, and does not stop at it', async () => {
      await start({ ...mqtt(), batchItems: 100 }, [broker(5)]);
      await subscribed();
      const caught = flow.caught();
      for (let index = 0; index < 30; index += 1) {
        await publisher.publishAsync('opinion/metro/post', Buffer.from([0xff, index]), { qos: 1 });
      }
      await publish('after');
      await until(() => ids().includes('after'), 'the post after');
      expect(caught.map(({ error }) => error.code)).to.deep.equal(new Array(30).fill('input.unusable')); // prettier-ignore
    });

    it('misses nothing while it is deployed again, and unsubscribes when it is removed', async () => {
      await start({ ...mqtt(), inFlight: 100 }, [broker(4)]);
      await subscribed();
      const sending = (async () => {
        for (let index = 0; index < 300; index += 1) await publish(`d${index}`);
      })();
      const all = new Set<string>();
      for (let round = 0; round < 2; round += 1) {
        await new Promise((resolve) => setTimeout(resolve, 60));
        ids().forEach((id) => all.add(id));
        await flow.deploy([broker(4), { ...buffer, ...mqtt(), inFlight: 100, name: `${round}` }]);
        batches = flow.messages('out') as BatchMessage[];
      }
      await sending;
      await until(() => {
        ids().forEach((id) => all.add(id));
        for (const message of batches) say(true, message);
        return all.size >= 301;
      }, 'all 300', 20_000); // prettier-ignore
    });

    it('says so when broker or topic were not chosen', async () => {
      await start({ ...mqtt(), topic: '' }, [broker(4)]);
      const caught = flow.caught();
      await flow.deploy([broker(4), { ...buffer, ...mqtt(), broker: '' }]);
      expect(caught.length).to.be.greaterThanOrEqual(0);
      give({ posts: posts('still works') });
      batches = flow.messages('out') as BatchMessage[];
      await until(() => batches.length > 0, 'a batch by wire');
    });
  });
});
