import { expect } from 'chai';
import fc from 'fast-check';
import type { Fused, Result } from '../../lib/emotion/result';
import type { Modality } from '../../lib/emotion/sample';
import { KeyAligner, type KeyAlignerOptions, type KeyedEvent } from '../../lib/fusion/align-by-key';
import { systemClock } from '../../lib/fusion/clock';
import { fuse } from '../../lib/fusion/fuse';
import { MODALITIES } from '../../lib/fusion/modalities';
import { weightedVoteMethod } from '../../lib/fusion/weighted-vote';
import { ManualClock } from './manual-clock';
import { resultOf } from './results';

function setUp(options: Partial<KeyAlignerOptions<string>> = {}) {
  const clock = new ManualClock();
  const events: KeyedEvent<string>[] = [];
  const aligner = new KeyAligner<string>({
    expected: MODALITIES,
    waitMs: 1000,
    clock,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { clock, events, aligner };
}

describe('joining by key', () => {
  it('releases an event as soon as it is complete, whatever the order', () => {
    const { clock, events, aligner } = setUp();
    expect(aligner.add('a', 'video', 'v')).to.equal('accepted');
    clock.advance(10);
    expect(aligner.add('a', 'text', 't')).to.equal('accepted');
    expect(events).to.have.length(0);
    clock.advance(10);
    expect(aligner.add('a', 'audio', 'a')).to.equal('accepted');
    expect(events).to.deep.equal([
      {
        key: 'a',
        members: { text: 't', audio: 'a', video: 'v' },
        expected: ['text', 'audio', 'video'],
        missing: [],
        cause: 'complete',
        waitedMs: 20,
      },
    ]);
    expect(aligner.openEvents).to.equal(0);
    expect(clock.pending).to.equal(0);
  });

  it('waits for what an arrival says instead', () => {
    const { events, aligner } = setUp();
    aligner.add('a', 'audio', 'a');
    aligner.add('a', 'text', 't', ['audio', 'text']);
    expect(events).to.have.length(1);
    expect(events[0]).to.deep.include({ missing: [], cause: 'complete' });
  });

  it('releases what is there at the wait limit, counted from the first arrival', () => {
    const { clock, events, aligner } = setUp();
    aligner.add('a', 'audio', 'a');
    clock.advance(600);
    aligner.add('b', 'text', 'b');
    aligner.add('a', 'text', 't');
    clock.advance(399);
    expect(events).to.have.length(0);
    clock.advance(1);
    expect(events.map(({ key, cause, missing }) => [key, cause, missing])).to.deep.equal([
      ['a', 'timeout', ['video']],
    ]);
    clock.advance(600);
    expect(events[1]).to.include({ key: 'b', cause: 'timeout', waitedMs: 1000 });
  });

  it('keeps the first of two Results of one modality and says that the second is one', () => {
    const { clock, events, aligner } = setUp();
    aligner.add('a', 'text', 'first');
    expect(aligner.add('a', 'text', 'second')).to.equal('duplicate');
    clock.advance(1000);
    expect(events[0]?.members).to.deep.equal({ text: 'first' });
  });

  it('answers an event once: what comes afterwards is late', () => {
    const { clock, events, aligner } = setUp({ rememberMs: 5000 });
    aligner.add('a', 'text', 't');
    clock.advance(1000);
    expect(aligner.add('a', 'audio', 'a')).to.equal('late');
    clock.advance(4999);
    expect(aligner.add('a', 'audio', 'a')).to.equal('late');
    clock.advance(1);
    expect(events).to.have.length(1);
    expect(aligner.add('b', 'audio', 'b')).to.equal('accepted');
    expect(aligner.rememberedKeys).to.equal(0);
  });

  it('opens a key again at once where keys are not remembered', () => {
    const { events, aligner } = setUp({ expected: ['text'], rememberMs: 0 });
    aligner.add('camera', 'text', '1');
    aligner.add('camera', 'text', '2');
    expect(events.map(({ members }) => members.text)).to.deep.equal(['1', '2']);
  });

  it('takes a modality that nobody expects along when it comes in time', () => {
    const { events, aligner } = setUp({ expected: ['text', 'audio'] });
    aligner.add('a', 'video', 'v');
    aligner.add('a', 'text', 't');
    aligner.add('a', 'audio', 'a');
    expect(events[0]?.members).to.deep.equal({ text: 't', audio: 'a', video: 'v' });
  });

  it('releases the oldest when there are too many', () => {
    const { events, aligner } = setUp({ maxOpen: 2 });
    for (const key of ['a', 'b', 'c', 'd']) aligner.add(key, 'text', key);
    expect(events.map(({ key, cause }) => [key, cause])).to.deep.equal([
      ['a', 'evicted'],
      ['b', 'evicted'],
    ]);
    expect(aligner.openEvents).to.equal(2);
  });

  it('releases the oldest when they are too big, also a single one', () => {
    const { events, aligner } = setUp({ maxBytes: 100, sizeOf: (value) => value.length });
    aligner.add('a', 'text', 'x'.repeat(60));
    aligner.add('b', 'text', 'x'.repeat(30));
    expect(aligner.bytes).to.equal(90);
    aligner.add('c', 'text', 'x'.repeat(30));
    expect(events.map(({ key }) => key)).to.deep.equal(['a']);
    aligner.add('d', 'text', 'x'.repeat(1000));
    expect(events.map(({ key }) => key)).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(aligner.bytes).to.equal(0);
  });

  it('remembers a bounded number of keys, each of bounded length', () => {
    const { aligner, events } = setUp({ expected: ['text'], maxRemembered: 100 });
    for (let i = 0; i < 1000; i++) aligner.add(`key ${i}`, 'text', '');
    expect(aligner.rememberedKeys).to.equal(100);
    const long = 'k'.repeat(1_000_000);
    aligner.add(long, 'text', '');
    expect(aligner.add(long, 'text', '')).to.equal('late');
    expect(events.at(-1)?.key.length).to.be.below(100);
  });

  it('flushes one event or all, oldest first', () => {
    const { clock, events, aligner } = setUp();
    for (const key of ['a', 'b', 'c']) aligner.add(key, 'text', key);
    aligner.flush('b');
    aligner.flush('unknown');
    aligner.close();
    expect(events.map(({ key, cause }) => `${key} ${cause}`)).to.deep.equal([
      'b flushed',
      'a flushed',
      'c flushed',
    ]);
    expect(clock.pending).to.equal(0);
    expect(aligner.add('a', 'text', 'again')).to.equal('accepted');
  });

  it('releases overdue events before it takes the next arrival, when its timer was held up', () => {
    const clock = new ManualClock();
    const events: KeyedEvent<string>[] = [];
    // A busy event loop: timers never fire.
    const stuck = { now: () => clock.now(), schedule: () => () => undefined };
    const aligner = new KeyAligner<string>({
      expected: MODALITIES,
      waitMs: 1000,
      clock: stuck,
      onEvent: (event) => events.push(event),
    });
    aligner.add('a', 'text', 't');
    clock.advance(5000);
    expect(aligner.add('a', 'audio', 'a')).to.equal('late');
    expect(events).to.have.length(1);
  });

  it('goes on when its owner throws', () => {
    const clock = new ManualClock();
    let calls = 0;
    const aligner = new KeyAligner<string>({
      expected: MODALITIES,
      waitMs: 1000,
      clock,
      onEvent: () => {
        calls += 1;
        throw new Error('from the owner');
      },
    });
    aligner.add('a', 'text', 't');
    aligner.add('b', 'text', 't');
    expect(() => clock.advance(1000)).to.throw('from the owner');
    expect(() => clock.advance(1000)).to.throw('from the owner');
    expect(calls).to.equal(2);
    expect(aligner.openEvents).to.equal(0);
  });

  it('works on the clock of the process', async () => {
    const { events, aligner } = setUp({ clock: systemClock, waitMs: 20 });
    aligner.add('a', 'text', 't');
    while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(events.map(({ cause }) => cause)).to.deep.equal(['timeout']);
    expect(events[0]?.waitedMs).to.be.at.least(20);
  });
});

interface Delivery {
  readonly key: string;
  readonly result: Result;
  readonly atMs: number;
}

/** What `count` events send, `perturb` says when, how often or whether each message arrives. */
function deliveries(
  count: number,
  perturb: (event: number, modality: Modality) => readonly number[],
): Delivery[] {
  const all: Delivery[] = [];
  for (let event = 0; event < count; event++) {
    for (const modality of MODALITIES) {
      const happy = ((event * 7 + modality.length * 3) % 10) / 10;
      const result = resultOf(modality, { happy, sad: 1 - happy });
      for (const atMs of perturb(event, modality)) {
        all.push({ key: `event ${event}`, result, atMs });
      }
    }
  }
  return all.sort((a, b) => a.atMs - b.atMs);
}

function play(arrivals: readonly Delivery[], options: { waitMs: number; maxOpen?: number }) {
  const clock = new ManualClock();
  const events: KeyedEvent<Result>[] = [];
  const outcomes = { accepted: 0, duplicate: 0, late: 0 };
  let mostOpen = 0;
  const aligner = new KeyAligner<Result>({
    expected: MODALITIES,
    clock,
    onEvent: (event) => events.push(event),
    ...options,
  });
  for (const { key, result, atMs } of arrivals) {
    clock.advance(Math.max(0, atMs - clock.now()));
    outcomes[aligner.add(key, result.modality, result)] += 1;
    mostOpen = Math.max(mostOpen, aligner.openEvents);
  }
  clock.advance(options.waitMs);
  return { events, outcomes, mostOpen, aligner };
}

const method = weightedVoteMethod({ text: 3, audio: 2, video: 1 });

async function answers(events: readonly KeyedEvent<Result>[]): Promise<Map<string, Fused>> {
  const fused = new Map<string, Fused>();
  for (const { key, members } of events) {
    const answer = await fuse(Object.values(members), { method, now: () => 0 });
    if (fused.has(key)) throw new Error(`${key} was answered twice`);
    fused.set(key, answer);
  }
  return fused;
}

/** Every arrival is accounted for: in exactly one event, or declared a duplicate or late. */
function expectAccounts(
  { events, outcomes, aligner }: ReturnType<typeof play>,
  arrivals: readonly Delivery[],
): void {
  const members = events.flatMap((event) => Object.values(event.members));
  expect(new Set(members).size).to.equal(members.length);
  expect(members.length).to.equal(outcomes.accepted);
  expect(outcomes.accepted + outcomes.duplicate + outcomes.late).to.equal(arrivals.length);
  expect(new Set(events.map(({ key }) => key)).size).to.equal(events.length);
  expect(aligner.openEvents).to.equal(0);
  expect(aligner.bytes).to.equal(0);
}

describe('joining by key, whatever the network does', function () {
  const COUNT = 40;
  const perMessage = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
    fc.array(value, { minLength: COUNT * 3, maxLength: COUNT * 3 });
  const at = (event: number, modality: Modality): number =>
    event * 3 + MODALITIES.indexOf(modality);

  it('gives the same answers for every order of arrival and for duplicates', async () => {
    const reference = await answers(
      play(
        deliveries(COUNT, (event) => [event]),
        { waitMs: 1000 },
      ).events,
    );
    await fc.assert(
      fc.asyncProperty(
        perMessage(fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 1, maxLength: 3 })),
        async (times) => {
          const arrivals = deliveries(COUNT, (event, modality) => times[at(event, modality)] ?? []);
          const played = play(arrivals, { waitMs: 1000 });
          expectAccounts(played, arrivals);
          expect(await answers(played.events)).to.deep.equal(reference);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('declares what is missing when a tenth is lost and a tenth is late', async () => {
    const fate = fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 900 }).map((ms) => [ms]) },
      { weight: 1, arbitrary: fc.constant<number[]>([]) },
      { weight: 1, arbitrary: fc.integer({ min: 1001, max: 5000 }).map((ms) => [ms]) },
    );
    await fc.assert(
      fc.asyncProperty(perMessage(fate), async (times) => {
        const arrivals = deliveries(COUNT, (event, modality) => times[at(event, modality)] ?? []);
        const played = play(arrivals, { waitMs: 1000 });
        expectAccounts(played, arrivals);
        for (const [key, fused] of await answers(played.events)) {
          const there = MODALITIES.filter((modality) => fused.modalities[modality] !== undefined);
          expect(fused.missing).to.deep.equal(
            MODALITIES.filter((modality) => !there.includes(modality)),
          );
          const event = played.events.find((one) => one.key === key);
          expect(event?.cause).to.equal(there.length === 3 ? 'complete' : 'timeout');
          expect(event?.missing).to.deep.equal(fused.missing);
        }
        // An event is answered when anything of it arrived at all.
        const sent = new Set(arrivals.map(({ key }) => key));
        expect(new Set(played.events.map(({ key }) => key))).to.deep.equal(sent);
      }),
      { numRuns: 15 },
    );
  });

  it('keeps 1,000 events open, and not one more', async () => {
    // All the texts first, then all the voices, then all the faces.
    const rounds = (count: number): Delivery[] =>
      deliveries(count, (event, modality) => [MODALITIES.indexOf(modality) * count + event]);
    const fits = play(rounds(1000), { waitMs: 100_000, maxOpen: 1000 });
    expect(fits.mostOpen).to.equal(1000);
    expect(fits.events.every(({ cause }) => cause === 'complete')).to.equal(true);
    expect((await answers(fits.events)).size).to.equal(1000);

    const tooMany = play(rounds(1500), { waitMs: 100_000, maxOpen: 1000 });
    expectAccounts(tooMany, rounds(1500));
    expect(tooMany.mostOpen).to.equal(1000);
    expect(tooMany.events).to.have.length(1500);
    expect(tooMany.events.filter(({ cause }) => cause === 'evicted')).to.have.length(500);
  });
});
