import { expect } from 'chai';
import { MqttItems } from '../../lib/flow/mqtt-items';

const bytes = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const TOPIC = 'opinion/metro/post';

describe('MqttItems', () => {
  const packets = () => new MqttItems(1000, () => 42);
  const values = (payload: unknown) =>
    packets()
      .read(TOPIC, bytes(payload), false)
      .map(({ value }) => value);

  it('makes an item of an object, several of an array, and a text of everything else', () => {
    expect(values({ id: 'a', text: '好' })).to.deep.equal([
      { id: 'a', text: '好', topic: TOPIC, received: 42 },
    ]);
    expect(values([{ id: 'a' }, { id: 'b', topic: 'own', received: 1 }])).to.deep.equal([
      { id: 'a', topic: TOPIC, received: 42 },
      { id: 'b', topic: 'own', received: 1 },
    ]);
    for (const text of ['地铁又涨价了', '{broken', '[1, 2]', '"quoted"', '5', '']) {
      expect(values(text), text).to.deep.equal([{ text, topic: TOPIC, received: 42 }]);
    }
    expect(values([])).to.deep.equal([]);
  });

  it('names items after their ids, and tells nameless ones apart', () => {
    const items = packets();
    const keys = (payload: unknown, dup = false) =>
      items.read(TOPIC, bytes(payload), dup).map(({ key }) => key);
    expect(keys([{ id: 'a' }, { id: 7 }])).to.deep.equal(['a', '7']);
    const [first] = keys({ text: 'same' });
    const [second] = keys({ text: 'same' });
    expect(first).not.to.equal(second);
  });

  it('passes over the repetition of a nameless packet that it took, also after a restart', () => {
    const items = packets();
    const [taken] = items.read(TOPIC, bytes('text'), false);
    expect(items.read(TOPIC, bytes('text'), true)).to.deep.equal([]);
    expect(items.read('opinion/other/post', bytes('text'), true)).to.have.length(1);

    const restarted = packets();
    expect(restarted.read(TOPIC, bytes('never seen'), true)).to.have.length(1);
    restarted.restore(['a', taken!.key]);
    expect(restarted.read(TOPIC, bytes('text'), true)).to.deep.equal([]);
  });

  it('refuses what is too large or no text', () => {
    expect(() => packets().read(TOPIC, bytes('x'.repeat(1001)), false))
      .to.throw(/1001 bytes; 1000 are allowed/)
      .with.property('code', 'input.too-large');
    expect(() => packets().read(TOPIC, Buffer.from([0xff, 0xfe, 0x00]), false))
      .to.throw(/not UTF-8/)
      .with.property('code', 'input.unusable');
  });
});
