import { expect } from 'chai';
import { bareText, NearDuplicates, weightOf } from '../../lib/opinion/near-duplicate';
import { generator } from './days';

const HOUR = 3_600_000;
const ORIGINAL = '地铁公司宣布下月起票价上调百分之二十，市民纷纷表示难以接受，要求公开听证';

function groupsOf(texts: readonly string[], options = {}): string[] {
  const duplicates = new NearDuplicates(options);
  return texts.map((text, at) => duplicates.add({ id: `${at}`, text, time: at }).duplicate.group);
}

/** Words that nobody says, Chinese or English, of a length. */
function nonsense(random: () => number, length: number, chinese: boolean): string {
  const pick = (from: number, count: number) =>
    String.fromCharCode(from + Math.floor(random() * count));
  return Array.from({ length }, () =>
    chinese ? pick(0x4e00, 3000) : `${pick(97, 26)}${pick(97, 26)}${pick(97, 26)}${pick(97, 26)} `,
  ).join('');
}

describe('near-duplicates', () => {
  it('are what says nearly the same, however it was passed on', () => {
    const same = [
      ORIGINAL,
      `转发微博 //@小明: ${ORIGINAL}`,
      `太过分了 //@a_b:转发//@小红：${ORIGINAL}！！！`,
      `${ORIGINAL} http://t.cn/A6x @市民热线`,
      ORIGINAL.replace('，', ' ').replace('。', ''),
      `【快讯】${ORIGINAL}`,
      'ＲＴ ' + ORIGINAL,
    ];
    expect(groupsOf(same)).to.deep.equal(same.map(() => '0'));
    const english =
      'The metro company will raise fares by twenty percent next month, riders are angry';
    expect(
      groupsOf([english, `RT @bob: ${english.toUpperCase()}!!! https://t.co/x`]),
    ).to.deep.equal(['0', '0']);
  });

  it('are not what only sounds alike', () => {
    const different = [
      ORIGINAL,
      '地铁公司宣布下月起延长运营时间，市民纷纷表示欢迎',
      '公交公司宣布明年起更换全部车辆，司机表示期待',
      'The metro company will hire more drivers next month',
      'The bus company raised fares by five percent last year',
      '支持',
      '反对',
      'ok',
    ];
    expect(groupsOf(different)).to.deep.equal(different.map((_, at) => `${at}`));
  });

  it('tell how many there are and how like they are', () => {
    const duplicates = new NearDuplicates();
    const first = duplicates.add({ id: 'a', text: ORIGINAL, time: 1 });
    expect(first).to.deep.equal({
      duplicate: { group: 'a', count: 1, first: true, similarity: 1 },
      weight: 1,
    });
    const second = duplicates.add({ id: 'b', text: `${ORIGINAL}，请大家转发`, time: 2 }).duplicate;
    expect(second).to.include({ group: 'a', count: 2, first: false });
    expect(second.similarity).to.be.within(0.7, 0.99);
    expect(duplicates.add({ id: 'b', text: 'anything', time: 3 }).duplicate).to.deep.equal(second);
  });

  it('count as the user chose', () => {
    for (const [weight, expected] of [
      ['all', 10],
      ['first', 1],
      ['log', 1 + Math.log(10)],
    ] as const) {
      const duplicates = new NearDuplicates({ weight });
      let sum = 0;
      for (let at = 0; at < 10; at += 1) {
        sum += duplicates.add({ id: `${at}`, text: ORIGINAL, time: at }).weight;
      }
      expect(sum, weight).to.be.closeTo(expected, 1e-9);
    }
    expect(weightOf('log', 1)).to.equal(1);
  });

  it('are found at the similarity of the setting, and hardly below it', () => {
    const random = generator(4);
    for (const chinese of [true, false]) {
      for (const [changed, found] of [
        [0.02, true],
        [0.3, false],
      ] as const) {
        let hits = 0;
        for (let trial = 0; trial < 100; trial += 1) {
          const text = nonsense(random, 60, chinese);
          const units = chinese ? [...text] : text.split(' ');
          const edited = units
            .map((unit) => (random() < changed ? nonsense(random, 1, chinese).trim() : unit))
            .join(chinese ? '' : ' ');
          if (groupsOf([text, edited], { threshold: 0.7 })[1] === '0') hits += 1;
        }
        expect(hits, `${changed} ${chinese}`).to.be.within(found ? 90 : 0, found ? 100 : 2);
      }
    }
  });

  it('are never different texts, of ten thousand', function () {
    this.timeout(120_000);
    const random = generator(6);
    const texts = Array.from({ length: 10_000 }, (_, at) => nonsense(random, 40, at % 2 === 0));
    expect(new Set(groupsOf(texts)).size).to.equal(texts.length);
  });

  it('are forgotten after the window, and when there are too many', () => {
    const duplicates = new NearDuplicates({ windowMs: HOUR, maxGroups: 100 });
    const group = (id: string, text: string, time: number) =>
      duplicates.add({ id, text, time }).duplicate.group;
    expect(group('a', ORIGINAL, 0)).to.equal('a');
    expect(group('b', ORIGINAL, 0.9 * HOUR)).to.equal('a');
    expect(group('c', ORIGINAL, 1.8 * HOUR)).to.equal('a');
    expect(group('d', ORIGINAL, 3 * HOUR)).to.equal('d');
    const random = generator(5);
    for (let at = 0; at < 1000; at += 1) group(`n${at}`, nonsense(random, 30, true), 3 * HOUR);
    expect(duplicates.size).to.equal(100);
    expect(group('e', ORIGINAL, 3 * HOUR)).to.equal('e');
  });

  it('stay together over a restart', () => {
    const before = new NearDuplicates();
    before.add({ id: 'a', text: ORIGINAL, time: 1 });
    const after = new NearDuplicates({}, JSON.parse(JSON.stringify(before)));
    expect(after.add({ id: 'a', text: ORIGINAL, time: 1 }).duplicate.first).to.equal(true);
    expect(after.add({ id: 'b', text: ORIGINAL, time: 2 }).duplicate).to.include({
      group: 'a',
      count: 2,
    });
    for (const state of [undefined, null, 7, {}, { version: 9, groups: [] }]) {
      expect(new NearDuplicates({}, state).size).to.equal(0);
    }
  });

  it('hold nothing against empty and hostile texts', () => {
    const odd = [
      '转发微博',
      '//@a: //@b:',
      '！！！',
      '@@@',
      '<script>',
      '\u0000',
      '__proto__',
      '//'.repeat(9999),
    ];
    expect(new Set(groupsOf(odd)).size).to.equal(odd.length);
    const huge = '涨价'.repeat(5_000_000);
    expect(groupsOf([huge, huge])).to.deep.equal(['0', '0']);
    expect(groupsOf(['😡😡😡😡', '😡😡😡😡'])).to.deep.equal(['0', '0']);
  });

  it('say what is left when the chain is taken off', () => {
    expect(bareText(`转发 //@小明: 票价上调！`)).to.equal('票价上调');
    expect(bareText('好的 //@甲:不 //@乙:票价又上调了')).to.equal('票价又上调了');
    expect(bareText('RT @a: Fares are up #metro https://t.co/1')).to.equal('fares are up metro');
  });
});
