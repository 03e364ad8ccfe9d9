import { expect } from 'chai';
import fc from 'fast-check';
import type { Modality } from '../../lib/emotion/sample';
import {
  TimeAligner,
  type TimeAlignerOptions,
  type TimedArrival,
  type TimedEvent,
} from '../../lib/fusion/align-by-time';
import { ClockOffset } from '../../lib/fusion/clock-offset';
import { MODALITIES } from '../../lib/fusion/modalities';
import { ManualClock } from './manual-clock';

function setUp(options: Partial<TimeAlignerOptions<string>> = {}) {
  const clock = new ManualClock();
  const events: TimedEvent<string>[] = [];
  const aligner = new TimeAligner<string>({
    expected: ['audio', 'video'],
    stepMs: 1000,
    waitMs: 3000,
    clock,
    onEvent: (event) => events.push(event),
    ...options,
  });
  const add = (modality: Modality, startMs: number, endMs: number, stream = 'room'): TimedArrival =>
    aligner.add({ stream, modality, startMs, endMs, value: `${modality} ${startMs}-${endMs}` });
  return { clock, events, aligner, add };
}

/** An event in one line: its start, what it holds with the overlaps, what is missing, its cause. */
function line({ startMs, members, missing, cause }: TimedEvent<string>): string {
  const held = Object.values(members)
    .flat()
    .map(({ value, overlapMs }) => `${value} (${overlapMs})`);
  const lacks = missing.length > 0 ? ` lacks ${missing.join(', ')}` : '';
  return `${startMs}: ${held.join(', ')}${lacks}; ${cause}`;
}

describe('joining by time', () => {
  it('collects what overlaps each step, for windows of different lengths', () => {
    const { events, add } = setUp();
    add('audio', 0, 2000);
    add('video', 0, 1000);
    add('audio', 1000, 3000);
    add('video', 1000, 2000);
    expect(events.map(line)).to.deep.equal([
      '0: audio 0-2000 (1000), video 0-1000 (1000); complete',
    ]);
    add('video', 2000, 3000);
    add('audio', 2000, 4000);
    expect(events.slice(1).map(line)).to.deep.equal([
      '1000: audio 0-2000 (1000), audio 1000-3000 (1000), video 1000-2000 (1000); complete',
    ]);
  });

  it('is complete one window earlier where the hop is known', () => {
    const { events, add } = setUp({ hopMs: { audio: 1000, video: 1000 } });
    add('audio', 0, 1000);
    expect(events).to.have.length(0);
    add('video', 0, 1000);
    expect(events.map(line)).to.deep.equal([
      '0: audio 0-1000 (1000), video 0-1000 (1000); complete',
    ]);
  });

  it('releases what is there at the wait limit, earlier steps first', () => {
    const { clock, events, add } = setUp();
    add('audio', 1000, 2000);
    clock.advance(500);
    add('audio', 0, 1000);
    clock.advance(2500);
    expect(events.map(line)).to.deep.equal([
      '0: audio 0-1000 (1000) lacks video; timeout',
      '1000: audio 1000-2000 (1000) lacks video; timeout',
    ]);
    expect(clock.pending).to.equal(0);
    expect(add('video', 0, 1000)).to.equal('late');
    expect(add('video', 1500, 2500)).to.equal('accepted');
  });

  it('waits for windows that are out of order within the limit', () => {
    const { events, add } = setUp({ outOfOrderMs: 1000 });
    add('audio', 0, 1000);
    add('video', 1000, 2000);
    add('audio', 1000, 2000);
    expect(events).to.have.length(0);
    add('video', 0, 1000);
    add('audio', 2000, 3000);
    add('video', 2000, 3000);
    expect(events.map(line)).to.deep.equal([
      '0: audio 0-1000 (1000), video 0-1000 (1000); complete',
    ]);
  });

  it('recognises a window that comes twice', () => {
    const { events, aligner, add } = setUp();
    expect(add('audio', 0, 1500)).to.equal('accepted');
    expect(add('audio', 0, 1500)).to.equal('duplicate');
    aligner.flush();
    expect(events.map(line)).to.deep.equal([
      '0: audio 0-1500 (1000) lacks video; flushed',
      '1000: audio 0-1500 (500) lacks video; flushed',
    ]);
  });

  it('ignores a sliver of a window, but never a whole one', () => {
    const { events, aligner, add } = setUp();
    add('audio', -40, 960);
    add('video', 990, 1010);
    aligner.flush();
    expect(events.map(line)).to.deep.equal([
      '0: audio -40-960 (960), video 990-1010 (10); flushed',
      '1000: video 990-1010 (10) lacks audio; flushed',
    ]);
  });

  it('takes a picture, which has no length', () => {
    const { events, aligner, add } = setUp();
    add('video', 1000, 1000);
    aligner.flush();
    expect(events.map(line)).to.deep.equal(['1000: video 1000-1000 (1) lacks audio; flushed']);
  });

  it('corrects known offsets of the clocks', () => {
    const { events, add } = setUp({
      offsetMs: { video: -5_000_000 },
      hopMs: { audio: 1000, video: 1000 },
    });
    add('audio', 0, 1000);
    add('video', 5_000_000, 5_001_000);
    expect(events).to.have.length(1);
    expect(events[0]?.members.video?.[0]).to.include({ startMs: 0, endMs: 1000, overlapMs: 1000 });
  });

  it('estimates unknown offsets up to the delay of the fastest message', () => {
    const { clock, events, aligner, add } = setUp({
      estimateOffsets: true,
      hopMs: { audio: 1000, video: 1000 },
    });
    // The camera's clock is an hour ahead; delays are 10 ms, every third message takes 60 ms.
    for (let second = 0; second < 30; second++) {
      clock.advance(1000);
      const jitter = second % 3 === 2 ? 60 : 10;
      clock.advance(jitter);
      add('audio', second * 1000, second * 1000 + 1000);
      add('video', 3_600_000 + second * 1000, 3_601_000 + second * 1000);
      clock.advance(-jitter);
    }
    aligner.flush();
    const whole = events.filter(({ missing }) => missing.length === 0);
    expect(whole.length).to.be.at.least(28);
    for (const { members } of whole) {
      const [audio] = members.audio ?? [];
      const [video] = members.video ?? [];
      expect(Math.abs((audio?.startMs ?? NaN) - (video?.startMs ?? NaN))).to.be.at.most(1e-6);
    }
  });

  it('keeps streams apart', () => {
    const { events, aligner, add } = setUp({ hopMs: { audio: 1000, video: 1000 } });
    add('audio', 0, 1000, 'hall');
    add('video', 0, 1000, 'kitchen');
    expect(events).to.have.length(0);
    aligner.flush('hall');
    expect(events.map(({ stream }) => stream)).to.deep.equal(['hall']);
    expect(aligner.streams).to.equal(1);
  });

  it('refuses times that make no sense', () => {
    const { events, aligner, add } = setUp();
    expect(add('audio', NaN, 1000)).to.equal('implausible');
    expect(add('audio', 0, Infinity)).to.equal('implausible');
    expect(add('audio', 2000, 1000)).to.equal('implausible');
    expect(add('audio', 0, 1e12)).to.equal('implausible');
    expect(aligner.openEvents).to.equal(0);
    expect(events).to.have.length(0);
  });

  it('is not dragged away by one absurd time stamp', () => {
    const { clock, events, add } = setUp({ hopMs: { audio: 1000, video: 1000 } });
    for (let second = 0; second < 20; second++) {
      clock.advance(1000);
      add('audio', second * 1000, second * 1000 + 1000);
      if (second === 10) expect(add('video', 1e12, 1e12 + 1000)).to.equal('implausible');
      else add('video', second * 1000, second * 1000 + 1000);
    }
    clock.advance(3000);
    expect(events.map(({ startMs }) => startMs)).to.deep.equal(
      Array.from({ length: 20 }, (_, second) => second * 1000),
    );
    expect(events.filter(({ missing }) => missing.length > 0).map(line)).to.deep.equal([
      '10000: audio 10000-11000 (1000) lacks video; complete',
    ]);
  });

  it('believes a jump ahead that a second window confirms, or that time explains', () => {
    const { clock, events, add } = setUp({ hopMs: { audio: 1000, video: 1000 } });
    add('audio', 0, 1000);
    expect(add('audio', 1e9, 1e9 + 1000)).to.equal('implausible');
    expect(add('video', 1e9, 1e9 + 1000)).to.equal('accepted');
    clock.advance(3_600_000);
    expect(add('audio', 1e9 + 3_600_000, 1e9 + 3_601_000)).to.equal('accepted');
    expect(events.map(({ startMs }) => startMs)).to.deep.equal([0, 1e9]);
  });

  it('starts anew when three windows in a row lie far in the past', () => {
    const { events, aligner, add } = setUp({ hopMs: { audio: 1000, video: 1000 } });
    const year = 3.2e10;
    for (const modality of ['audio', 'video'] as const) add(modality, year, year + 1000);
    expect(events).to.have.length(1);
    expect(add('audio', 0, 1000)).to.equal('late');
    expect(add('video', 0, 1000)).to.equal('late');
    expect(add('audio', 1000, 2000)).to.equal('accepted');
    expect(add('video', 1000, 2000)).to.equal('accepted');
    expect(events.slice(1).map(line)).to.deep.equal([
      '1000: audio 1000-2000 (1000), video 1000-2000 (1000); complete',
    ]);
    expect(aligner.openEvents).to.equal(0);
  });

  it('bounds events, bytes and streams, and releases instead of dropping', () => {
    const { events, aligner, add } = setUp({ maxOpen: 10 });
    for (let second = 0; second < 50; second++) add('audio', second * 1000, second * 1000 + 1000);
    expect(aligner.openEvents).to.equal(10);
    expect(events).to.have.length(40);
    expect(events.every(({ cause }) => cause === 'evicted')).to.equal(true);

    const small = setUp({ maxBytes: 100, sizeOf: () => 40 });
    for (let second = 0; second < 5; second++)
      small.add('audio', second * 1000, second * 1000 + 1000);
    expect(small.aligner.bytes).to.equal(80);
    expect(small.events).to.have.length(3);

    const many = setUp({ maxStreams: 3 });
    for (let i = 0; i < 5; i++) many.add('audio', 0, 1000, `stream ${i}`);
    expect(many.aligner.streams).to.equal(3);
    expect(many.events.map(({ stream }) => stream)).to.deep.equal(['stream 0', 'stream 1']);
  });

  it('keeps 1,000 steps open and answers the oldest for each one more, none twice', () => {
    const { events, aligner, add } = setUp({ maxOpen: 1000, waitMs: 1e9 });
    for (let second = 0; second < 1500; second += 1) {
      add('audio', second * 1000, second * 1000 + 1000);
      expect(aligner.openEvents).to.be.at.most(1000);
    }
    aligner.flush();
    const causes = events.map(({ cause }) => cause);
    expect(causes.filter((cause) => cause === 'evicted')).to.have.length(500);
    expect(new Set(events.map(({ startMs }) => startMs)).size).to.equal(1500);
  });

  it('refuses settings that make no sense', () => {
    expect(() => setUp({ stepMs: 0 })).to.throw(RangeError, '"stepMs" must be above 0, got 0');
    expect(() => setUp({ minOverlap: 0.7 })).to.throw(RangeError, '"minOverlap"');
  });
});

describe('clock offset', () => {
  it('follows a clock that drifts', () => {
    const offset = new ClockOffset(10);
    let estimate = 0;
    // 1 ms a second slow: 100 s later it is 100 ms behind.
    for (let second = 0; second < 100; second++) {
      estimate = offset.observe(second * 1000 - second, second * 1000 + 5 + (second % 2) * 20);
    }
    expect(estimate).to.be.within(90, 105);
  });
});

interface Piece {
  readonly modality: Modality;
  readonly startMs: number;
  readonly endMs: number;
}

/** Twelve seconds of three streams: utterances of 3 s, windows of 2 s every 1 s, clips of 0.8 s. */
const PIECES: readonly Piece[] = [
  ...[0, 3, 6, 9].map((s) => ({
    modality: 'text' as const,
    startMs: s * 1000,
    endMs: s * 1000 + 3000,
  })),
  ...Array.from({ length: 11 }, (_, s) => ({
    modality: 'audio' as const,
    startMs: s * 1000,
    endMs: s * 1000 + 2000,
  })),
  ...Array.from({ length: 15 }, (_, i) => ({
    modality: 'video' as const,
    startMs: i * 800,
    endMs: i * 800 + 800,
  })),
];

/** What each step must hold, worked out without order or time of arrival. */
function expectedSteps(pieces: readonly Piece[]): Map<number, string[]> {
  const steps = new Map<number, string[]>();
  for (let start = 0; start < 12_000; start += 1000) {
    const held = pieces
      .filter(({ startMs, endMs }) => {
        const overlap = Math.min(endMs, start + 1000) - Math.max(startMs, start);
        return overlap > 0 && overlap >= 0.1 * Math.min(1000, endMs - startMs);
      })
      .map(({ modality, startMs, endMs }) => `${modality} ${startMs}-${endMs}`)
      .sort();
    if (held.length > 0) steps.set(start, held);
  }
  return steps;
}

function play(
  arrivals: readonly { piece: Piece; atMs: number }[],
  options: Partial<TimeAlignerOptions<string>>,
  skewMs: Partial<Record<Modality, number>> = {},
) {
  const { clock, events, aligner } = setUp({ expected: MODALITIES, ...options });
  const outcomes: Record<TimedArrival, number> = {
    accepted: 0,
    duplicate: 0,
    late: 0,
    implausible: 0,
  };
  for (const { piece, atMs } of [...arrivals].sort((a, b) => a.atMs - b.atMs)) {
    clock.advance(Math.max(0, atMs - clock.now()));
    const { modality, startMs, endMs } = piece;
    const skew = skewMs[modality] ?? 0;
    const value = `${modality} ${startMs}-${endMs}`;
    const window = { stream: 's', modality, startMs: startMs + skew, endMs: endMs + skew, value };
    outcomes[aligner.add(window)] += 1;
  }
  aligner.flush();
  const starts = events.map(({ startMs }) => startMs);
  expect(starts).to.deep.equal([...new Set(starts)].sort((a, b) => a - b));
  expect(aligner.openEvents).to.equal(0);
  expect(aligner.bytes).to.equal(0);
  const held = new Map(
    events.map(({ startMs, members }) => [
      startMs,
      Object.values(members)
        .flat()
        .map(({ value }) => value)
        .sort(),
    ]),
  );
  return { events, outcomes, held };
}

describe('joining by time, whatever the network does', () => {
  const reference = expectedSteps(PIECES);
  const perPiece = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
    fc.array(value, { minLength: PIECES.length, maxLength: PIECES.length });

  it('gives the same events for every delay, duplicate and clock offset', () => {
    fc.assert(
      fc.property(
        perPiece(fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: 2 })),
        fc.record({
          text: fc.integer({ min: -1e9, max: 1e9 }),
          audio: fc.integer({ min: -1e9, max: 1e9 }),
          video: fc.integer({ min: -1e9, max: 1e9 }),
        }),
        (delays, skew) => {
          const arrivals = PIECES.flatMap((piece, i) =>
            (delays[i] ?? []).map((delay) => ({ piece, atMs: piece.endMs + delay })),
          );
          const offsetMs = { text: -skew.text, audio: -skew.audio, video: -skew.video };
          // A delay of at most 1.5 s puts a window at most that far behind its successors.
          const { held, outcomes } = play(
            arrivals,
            { waitMs: 100_000, outOfOrderMs: 1500, offsetMs },
            skew,
          );
          expect(held).to.deep.equal(reference);
          expect(outcomes.accepted).to.equal(PIECES.length);
          expect(outcomes.implausible).to.equal(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('answers every step once and holds nothing else when a tenth is lost and a tenth is late', () => {
    const fate = fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 500 }).map((ms) => [ms]) },
      { weight: 1, arbitrary: fc.constant<number[]>([]) },
      { weight: 1, arbitrary: fc.integer({ min: 4000, max: 20_000 }).map((ms) => [ms]) },
    );
    fc.assert(
      fc.property(perPiece(fate), (delays) => {
        const arrivals = PIECES.flatMap((piece, i) =>
          (delays[i] ?? []).map((delay) => ({ piece, atMs: piece.endMs + delay })),
        );
        const { events, held, outcomes } = play(arrivals, { waitMs: 3000, outOfOrderMs: 500 });
        expect(outcomes.accepted + outcomes.late).to.equal(arrivals.length);
        for (const [start, values] of held) {
          expect(reference.get(start)).to.include.members(values);
        }
        for (const { members, missing } of events) {
          expect(missing).to.deep.equal(
            MODALITIES.filter((modality) => members[modality] === undefined),
          );
        }
      }),
      { numRuns: 40 },
    );
  });
});
