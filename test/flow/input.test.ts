import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { acceptInput, Outputs, type InputOptions } from '../../lib/flow/input';
import type { Done, FlowMessage, FlowNode } from '../../lib/flow/message';
import { Property, type PropertyHost, type PropertyReference } from '../../lib/flow/property';

class Host extends EventEmitter implements FlowNode {
  readonly statuses: string[] = [];
  readonly errors: unknown[] = [];

  status(status: { text?: string }) {
    this.statuses.push(status.text ?? '');
  }

  // The host's own `error` logs; the emitter's would throw.
  error(error: unknown) {
    this.errors.push(error);
  }

  /** Delivers a message and waits until the node is done with it. */
  deliver(message: FlowMessage) {
    const sent: FlowMessage[] = [];
    const dones: (Error | undefined)[] = [];
    const finished = new Promise<Error | undefined>((resolve) => {
      const done: Done = (error) => {
        dones.push(error);
        resolve(error);
      };
      this.emit('input', message, (out: FlowMessage) => sent.push(out), done);
    });
    return { sent, dones, finished };
  }

  close() {
    return new Promise<void>((resolve) => this.emit('close', false, resolve));
  }
}

const context = new Map<string, unknown>();

const host: PropertyHost = {
  read({ type, path }, message, callback) {
    if (path === 'throws') throw new TypeError('Cannot read properties of undefined');
    callback(null, type === 'msg' ? message[path] : context.get(path));
  },
  write({ type, path }, message, value, callback) {
    if (type === 'msg') message[path] = value;
    else context.set(path, value);
    callback();
  },
};

function start(
  process: InputOptions['process'],
  options: Partial<Omit<InputOptions, 'property'>> & { property?: PropertyReference } = {},
) {
  const node = new Host();
  const { property = { type: 'msg', path: 'payload' }, ...rest } = options;
  acceptInput({
    node,
    property: new Property(property, host),
    queue: { concurrency: 1, limit: 10, policy: 'queue' },
    catalogue: (key) => (key === 'status.busy' ? '__count__ in progress' : undefined),
    process,
    ...rest,
  });
  return node;
}

const shout = (value: unknown) => Promise.resolve(String(value).toUpperCase());
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('acceptInput', () => {
  let unhandled: unknown[];
  const onUnhandled = (reason: unknown) => unhandled.push(reason);
  let others: NodeJS.UnhandledRejectionListener[];

  beforeEach(() => {
    unhandled = [];
    others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', onUnhandled);
  });

  afterEach(async () => {
    await sleep(1);
    process.off('unhandledRejection', onUnhandled);
    for (const listener of others) process.on('unhandledRejection', listener);
    expect(unhandled).to.deep.equal([]);
  });

  it('writes to the property that it read and leaves the rest of the message as it was', async () => {
    const node = start(shout);
    const response = { _res: {} };
    const message = {
      payload: 'a',
      topic: 't',
      parts: { id: '1', index: 0 },
      res: response,
      _msgid: 'm',
    };
    const { sent, dones, finished } = node.deliver(message);
    expect(await finished).to.equal(undefined);
    expect(sent).to.deep.equal([
      { payload: 'A', topic: 't', parts: { id: '1', index: 0 }, res: response, _msgid: 'm' },
    ]);
    expect(sent[0]?.res).to.equal(response);
    expect(dones).to.have.length(1);
  });

  it('reads and writes context when the property is there', async () => {
    context.set('mood', 'calm');
    const node = start(shout, { property: { type: 'flow', path: 'mood' } });
    const { sent, finished } = node.deliver({ payload: 'untouched' });
    await finished;
    expect(context.get('mood')).to.equal('CALM');
    expect(sent).to.deep.equal([{ payload: 'untouched' }]);
  });

  for (const path of ['absent', 'throws']) {
    it(`says which property is missing (${path})`, async () => {
      const node = start(shout, { property: { type: 'msg', path } });
      const { sent, finished } = node.deliver({ payload: 'a' });
      expect(await finished).to.include({ code: 'input.property-missing' });
      expect((await finished)?.message).to.contain(`msg.${path}`);
      expect(sent).to.deep.equal([]);
    });
  }

  it('hands an error to done once, sends nothing, shows it, and takes the next message', async () => {
    let attempts = 0;
    const node = start(() => {
      attempts += 1;
      if (attempts === 1) throw new EmotionError('input.wrong-type', 'Expected text');
      return Promise.resolve('fine');
    });
    const bad = node.deliver({ payload: 5 });
    expect(await bad.finished).to.include({ code: 'input.wrong-type', message: 'Expected text' });
    expect(bad.sent).to.deep.equal([]);
    expect(bad.dones).to.have.length(1);
    expect(node.statuses).to.deep.equal(['input.wrong-type']);
    const good = node.deliver({ payload: 'x' });
    expect(await good.finished).to.equal(undefined);
    await sleep(400);
    expect(node.statuses).to.deep.equal(['input.wrong-type', '']);
  });

  it('survives a host whose send or done throws', async () => {
    const node = start(shout);
    node.emit(
      'input',
      { payload: 'a' },
      () => {
        throw new Error('send broke');
      },
      () => {
        throw new Error('done broke');
      },
    );
    await sleep(5);
    expect(node.errors).to.have.length(1);
    expect(await node.deliver({ payload: 'b' }).finished).to.equal(undefined);
  });

  it('msg.reset fails what waits and runs, is done itself, and sends nothing', async () => {
    const node = start(() => sleep(20).then(() => 'late'), {
      queue: { concurrency: 1, limit: 10, policy: 'queue' },
    });
    const dropped = [1, 2, 3].map((payload) => node.deliver({ payload }));
    await sleep(5);
    const reset = node.deliver({ reset: true });
    expect(await reset.finished).to.equal(undefined);
    for (const { finished, sent } of dropped) {
      expect(await finished).to.include({ code: 'queue.reset' });
      expect(sent).to.deep.equal([]);
    }
    const after = node.deliver({ payload: 4 });
    expect(await after.finished).to.equal(undefined);
    expect(after.sent).to.deep.equal([{ payload: 'late' }]);
    for (const { dones } of dropped) expect(dones).to.have.length(1);
    expect(node.statuses).not.to.include('queue.reset');
  });

  it('shows how many messages are in progress', async () => {
    const node = start(() => sleep(20));
    const all = [1, 2, 3].map((payload) => node.deliver({ payload }).finished);
    await sleep(1);
    expect(node.statuses).to.deep.equal(['2 in progress']);
    await Promise.all(all);
  });

  it('close fails what is left and ends at once, although the work hangs', async () => {
    let released = false;
    const node = start(() => new Promise(() => undefined), {
      close: () => {
        released = true;
        return Promise.resolve();
      },
    });
    const pending = [1, 2].map((payload) => node.deliver({ payload }));
    await sleep(1);
    const started = performance.now();
    await node.close();
    expect(performance.now() - started).to.be.below(5_000);
    expect(released).to.equal(true);
    for (const { finished } of pending) expect(await finished).to.include({ code: 'queue.closed' });
  });

  it('close gives up on a resource that does not let go, and says so', async () => {
    const node = start(shout, { close: () => new Promise(() => undefined), closeTimeoutMs: 20 });
    await node.close();
    expect(node.errors).to.have.length(1);
    expect(String(node.errors[0])).to.contain('20 ms');
  });

  it('sends a value to each output, in messages of their own without what was read', async () => {
    let copied: unknown;
    const node = start(() => Promise.resolve(new Outputs(['faces', 'sound'])), {
      describe: (result) => ({ fill: 'green', shape: 'dot', text: String(result) }),
      copy: (message) => {
        copied = message.payload;
        return structuredClone(message);
      },
    });
    const about = { file: 'clip.mp4' };
    const { sent, dones, finished } = node.deliver({ _msgid: '1', payload: 'large', about });
    await finished;
    expect(sent).to.deep.equal([
      [
        { _msgid: '1', payload: 'faces', about },
        { _msgid: '1', payload: 'sound', about },
      ],
    ]);
    const [[first, second]] = sent as unknown as [[FlowMessage, FlowMessage]];
    expect(first.about).to.equal(about);
    expect(second.about).not.to.equal(about);
    expect([copied, dones, node.statuses]).to.deep.equal([null, [undefined], ['faces']]);
  });

  it('keeps the order within a sequence and lets other messages pass', async () => {
    const delays: Record<string, number> = { slow: 30, fast: 1 };
    const node = start((value) => sleep(delays[String(value)] ?? 0).then(() => value), {
      queue: { concurrency: 10, limit: 0, policy: 'queue' },
    });
    const left: string[] = [];
    const deliver = (name: string, payload: string, id?: string) =>
      node
        .deliver({ payload, ...(id ? { parts: { id } } : {}) })
        .finished.then(() => left.push(name));
    await Promise.all([
      deliver('first', 'slow', 'one'),
      deliver('second', 'fast', 'one'),
      deliver('other', 'fast', 'two'),
      deliver('single', 'fast'),
    ]);
    expect(left.slice(0, 2)).to.have.members(['other', 'single']);
    expect(left.slice(2)).to.deep.equal(['first', 'second']);
  });

  it('a failed message does not hold up its sequence', async () => {
    const node = start((value) =>
      value === 'bad' ? Promise.reject(new Error('no')) : shout(value),
    );
    const bad = node.deliver({ payload: 'bad', parts: { id: 'one' } });
    const good = node.deliver({ payload: 'good', parts: { id: 'one' } });
    expect((await bad.finished)?.message).to.equal('no');
    expect(await good.finished).to.equal(undefined);
  });

  it('answers a command without looking at the property', async () => {
    const node = start(shout, { actions: { getModels: () => Promise.resolve(['a']) } });
    const { sent, finished } = node.deliver({ action: 'getModels' });
    await finished;
    expect(sent).to.deep.equal([{ action: 'getModels', payload: ['a'] }]);
    const other = node.deliver({ action: 'toString', payload: 'x' });
    await other.finished;
    expect(other.sent).to.deep.equal([{ action: 'toString', payload: 'X' }]);
  });
});
