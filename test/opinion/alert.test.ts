import { expect } from 'chai';
import fc from 'fast-check';
import {
  AlertDetector,
  type Alert,
  type AlertOptions,
  type IntervalStatistics,
} from '../../lib/opinion/alert';
import type { Post } from '../../lib/opinion/post';
import { DAY, generator, HOUR, life, MINUTE, MONDAY, post } from './days';

/** Which lives of a topic are made up: `first-last`, more of them where there is time. */
const [FIRST, LAST] = (process.env.EMOTION_ALERT_SEEDS ?? '1-1').split('-').map(Number) as [number, number]; // prettier-ignore
const SEEDS = Array.from({ length: LAST - FIRST + 1 }, (_, at) => FIRST + at);

const UTC: Partial<AlertOptions> = { timeZone: 'UTC' };

interface Told {
  alerts: Alert[];
  statistics: IntervalStatistics[];
}

function run(
  batches: Iterable<readonly Post[]>,
  options: Partial<AlertOptions> = {},
  detector = new AlertDetector({ ...UTC, ...options }),
): Told {
  const told: Told = { alerts: [], statistics: [] };
  for (const posts of batches) {
    const now = posts.at(-1)?.received ?? 0;
    const { alerts, statistics } = detector.add(posts, now + 365 * DAY);
    told.alerts.push(...alerts);
    told.statistics.push(...statistics);
  }
  return told;
}

const shownAlert = ({ event, kind, severity, time, since, value, baseline, z }: Alert) =>
  `${event} ${kind} ${severity} ${new Date(since).toISOString().slice(5, 16)} +${(time - since) / MINUTE} min, ${value.toFixed(2)} for ${baseline.toFixed(2)}, z ${z.toFixed(1)}`;

/** Alerts of the negative share and the volume of a steady topic with changes at known times. */
function planted(seed: number, options: Partial<AlertOptions> = {}) {
  const day = MONDAY + 7 * DAY;
  const events = [
    { from: day + 9 * HOUR + 12 * MINUTE, minutes: 40, share: 0.75 },
    { from: day + 14 * HOUR + 3 * MINUTE, minutes: 30, volume: 4 },
    { from: day + 20 * HOUR + 31 * MINUTE, minutes: 45, volume: 3, share: 0.7 },
  ];
  const told = run(life({ seed, days: 8, rate: 12, events }), options);
  return { events, ...told };
}

describe('alerts', function () {
  this.timeout(60_000 * SEEDS.length);

  it('finds three planted incidents within five minutes, each once, and their end', () => {
    for (const seed of SEEDS) {
      const { events, alerts } = planted(seed);
      const raised = alerts.filter(({ event }) => event === 'raised');
      for (const { from, minutes, volume, share } of events) {
        for (const [kind, changed] of [
          ['volume', volume],
          ['negative-share', share],
        ] as const) {
          const own = raised.filter(
            (alert) => alert.kind === kind && alert.time >= from && alert.time < from + 5 * HOUR,
          );
          const during = own.filter(({ time }) => time < from + minutes * MINUTE);
          if (changed === undefined) continue;
          expect(during, `${kind} at ${new Date(from).toISOString()}`).to.have.length(1);
          const [alert] = during as [Alert];
          expect(alert.time - from, shownAlert(alert)).to.be.at.most(5 * MINUTE);
          expect(from - alert.since, shownAlert(alert)).to.be.within(-2 * MINUTE, 10 * MINUTE);
          expect(alert.z).to.be.above(3);
          const over = alerts.find(
            ({ event, incident }) => event === 'recovered' && incident === alert.incident,
          );
          expect(over?.time, `end of ${shownAlert(alert)}`).to.be.within(
            from + minutes * MINUTE,
            from + (minutes + 30) * MINUTE,
          );
        }
      }
      expect(raised.map(shownAlert), 'nothing else').to.have.length(4);
    }
  });

  it('tells nothing in thirty quiet days', () => {
    for (const seed of SEEDS) {
      const { alerts, statistics } = run(life({ seed: 100 + seed, days: 30, rate: 4 }));
      expect(alerts.map(shownAlert), `seed ${100 + seed}`).to.deep.equal([]);
      expect(statistics.length).to.be.above(29 * 24 * 60);
      const judged = statistics.filter(({ expectedVolume }) => expectedVolume !== null);
      expect(judged.length).to.be.above(28 * 24 * 60);
    }
  });

  it('finds what happens on the first day already, once it knows two hours', () => {
    const from = MONDAY + 13 * HOUR;
    const quiet = { seed: 5, from: MONDAY + 7 * HOUR, days: 0.5, rate: 12 };
    expect(run(life(quiet)).alerts.map(shownAlert)).to.deep.equal([]);
    const { alerts } = run(
      life({ ...quiet, events: [{ from, minutes: 30, volume: 5, share: 0.8 }] }),
    );
    const raised = alerts.filter(({ event }) => event === 'raised');
    expect(raised.map(({ kind }) => kind)).to.have.members(['volume', 'negative-share']);
    for (const alert of raised) {
      expect(alert.time - from, shownAlert(alert)).to.be.within(0, 5 * MINUTE);
    }
  });

  /** The minutes of a life with a thousand reposts of one post in ten minutes of it. */
  const flood = (minutes: Iterable<Post[]>, start: number, weight?: number): Post[][] => {
    const random = generator(3);
    const reposts = Array.from({ length: 1000 }, (_, index) =>
      post(`repost-${index}`, start + Math.floor(random() * 10 * MINUTE), 'angry', {
        text: '//@某人: 转发微博！',
        duplicate: { group: 'flood', count: index + 1, first: index === 0, similarity: 1 },
        weight: index === 0 ? 1 : (weight ?? 1),
      }),
    );
    return [...minutes].map((posts, minute) => {
      const from = MONDAY + minute * MINUTE;
      const own = reposts.filter(({ time }) => time >= from && time < from + MINUTE);
      return [...posts, ...own].sort((a, b) => a.received - b.received);
    });
  };

  it('finds three incidents on a replayed day without any history, and not the flood in it', () => {
    for (const seed of SEEDS) {
      const events = [
        { from: MONDAY + 10 * HOUR + 12 * MINUTE, minutes: 40, share: 0.75 },
        { from: MONDAY + 14 * HOUR + 3 * MINUTE, minutes: 30, volume: 5 },
        { from: MONDAY + 20 * HOUR + 31 * MINUTE, minutes: 45, volume: 4, share: 0.7 },
      ];
      const day = life({ seed, days: 1, rate: 15, events });
      const { alerts } = run(flood(day, MONDAY + 17 * HOUR, 0));
      const raised = alerts.filter(({ event }) => event === 'raised');
      expect(raised.map(shownAlert), `seed ${seed}`).to.have.length(4);
      for (const { from, minutes } of events) {
        const first = raised.find(({ time }) => time > from && time <= from + minutes * MINUTE);
        expect(first!.time - from, shownAlert(first!)).to.be.at.most(5 * MINUTE);
      }
    }
  });

  it('lets a repost flood weigh as the user chose', () => {
    const start = MONDAY + 4 * DAY + 15 * HOUR;
    const days = () => life({ seed: 8, days: 5, rate: 8 });
    expect(run(flood(days(), start, 0)).alerts.map(shownAlert), 'first only').to.deep.equal([]);
    const { alerts } = run(flood(days(), start));
    expect(alerts.map(({ kind }) => kind))
      .to.include('volume')
      .and.to.include('negative-share');
    const [first] = alerts as [Alert];
    const same = first.evidence.filter(({ text }) => text.includes('转发微博'));
    expect(same, 'one of the group').to.have.length(1);
    expect(same[0]!.count).to.be.above(50);
    expect(first.evidence[0]).to.deep.equal(same[0]);
  });

  it('gives as evidence the most negative posts, the same but once', () => {
    const { alerts } = planted(1);
    const share = alerts.find(({ kind }) => kind === 'negative-share')!;
    expect(share.evidence).to.have.length(5);
    for (const { label, text, time } of share.evidence) {
      expect(['angry', 'sad', 'fear', 'disgust']).to.include(label);
      expect(text).to.be.a('string');
      expect(time).to.be.within(share.since, share.time);
    }
    expect(new Set(share.evidence.map(({ text }) => text)).size).to.equal(5);
  });

  it('counts no uncertain post as negative or as anything else, and tells how many', () => {
    const posts = [...life({ seed: 9, days: 2, rate: 6 })];
    const start = MONDAY + DAY + 12 * HOUR;
    const unsure = posts.map((batch) =>
      batch.map((one) =>
        one.time >= start && one.time < start + HOUR
          ? post(one.id, one.time, 'angry', { uncertain: true, received: one.received })
          : one,
      ),
    );
    const { alerts, statistics } = run(unsure);
    expect(alerts.map(shownAlert)).to.deep.equal([]);
    const hour = statistics.filter(({ time }) => time >= start && time < start + HOUR);
    expect(hour.every(({ certain, negative, share }) => !certain && !negative && share === null)).to.equal(true); // prettier-ignore
    expect(hour.reduce((sum, { uncertain }) => sum + uncertain, 0)).to.be.above(100);
  });

  it('takes no gap for a quiet time, and learns nothing from it', () => {
    const stream = [...life({ seed: 11, days: 6, rate: 8 })];
    const gap = (from: number, to: number) =>
      stream.filter((_, minute) => minute * MINUTE < from || minute * MINUTE >= to);
    const told = run(gap(3 * DAY + 8 * HOUR, 4 * DAY + 2 * HOUR));
    expect(told.alerts.map(shownAlert)).to.deep.equal([]);
    const during = told.statistics.filter(
      ({ time }) => time > MONDAY + 3 * DAY + 9 * HOUR && time < MONDAY + 4 * DAY + 2 * HOUR,
    );
    expect(during).to.have.length(0);
  });

  it('tells of a level that stays but once, and then takes it for normal', () => {
    const from = MONDAY + 5 * DAY + 10 * HOUR;
    const events = [{ from, minutes: 10 * 60, share: 0.7 }];
    const { alerts } = run(life({ seed: 12, days: 6, rate: 8, events }));
    expect(alerts.map(({ event }) => event).filter((event) => event === 'raised')).to.have.length(
      1,
    );
    expect(alerts.at(-1)).to.include({ event: 'recovered', newNormal: true });
  });

  it('holds what may wait until the quiet hours are over', () => {
    const from = MONDAY + 7 * DAY + 23 * HOUR + 10 * MINUTE;
    const events = [{ from, minutes: 30, share: 0.5 }];
    const stream = [...life({ seed: 13, days: 9, rate: 16, events })];
    const quietHours = { from: '22:00', to: '07:00', exceptCritical: true };
    const loud = run(stream).alerts;
    const held = run(stream, { quietHours }).alerts;
    const isCritical = ({ severity }: Alert) => severity === 'critical';
    expect(loud.filter((alert) => !isCritical(alert))).not.to.deep.equal([]);
    expect(held.map(({ id }) => id)).to.have.members(loud.map(({ id }) => id));
    for (const alert of held) expect(alert.held ?? false).to.equal(!isCritical(alert));

    // When they come out: with the first posts of the morning.
    const detector = new AlertDetector({ ...UTC, quietHours });
    for (const posts of stream) {
      const last = posts.at(-1)?.time ?? 0;
      const { alerts } = detector.add(posts, last + 365 * DAY);
      if (alerts.some((alert) => alert.held)) {
        expect(new Date(last).toISOString()).to.match(/T07:0[01]/);
        return;
      }
    }
    throw new Error('never released');
  });

  it('goes on after a restart as if there had been none', () => {
    const day = MONDAY + 3 * DAY;
    const events = [{ from: day + 15 * HOUR, minutes: 30, volume: 4, share: 0.7 }];
    const stream = [...life({ seed: 14, days: 4, rate: 8, events })];
    const whole = run(stream);
    expect(whole.alerts.length).to.be.above(1);
    const cuts = [3 * 24 * 60 - 1, 3 * 24 * 60 + 15 * 60 + 1, 3 * 24 * 60 + 15 * 60 + 20];
    let detector = new AlertDetector(UTC);
    const parts: Told = { alerts: [], statistics: [] };
    [0, ...cuts].forEach((from, index) => {
      const { alerts, statistics } = run(stream.slice(from, cuts[index]), {}, detector);
      parts.alerts.push(...alerts);
      parts.statistics.push(...statistics);
      detector = new AlertDetector(UTC, JSON.parse(JSON.stringify(detector)));
    });
    expect(parts.alerts).to.deep.equal(whole.alerts);
    expect(parts.statistics).to.deep.equal(whole.statistics);
  });

  it('has a state that stays small', () => {
    const detector = new AlertDetector(UTC);
    run(life({ seed: 15, days: 10, rate: 3 }), {}, detector);
    expect(JSON.stringify(detector).length).to.be.below(100_000);
  });

  it('starts afresh from a state that is none', () => {
    for (const state of [undefined, null, 7, {}, { version: 2, groups: {}, held: [] }, []]) {
      expect(new AlertDetector(UTC, state).topics).to.deep.equal([]);
    }
  });

  it('keeps topics apart, by rule, by channel or not', () => {
    const posts = [
      post('a', MONDAY, 'angry', { topics: ['x', 'y'], topic: 'c' }),
      post('b', MONDAY, 'happy', { topics: [], topic: 'c' }),
      post('c', MONDAY, 'happy', { topic: 'd' }),
      post('d', MONDAY, 'happy'),
    ];
    const topics = (by: AlertOptions['by']) => {
      const detector = new AlertDetector({ ...UTC, by });
      detector.add(posts, MONDAY);
      return detector.topics;
    };
    expect(topics('topics')).to.have.members(['x', 'y', 'd', 'all']);
    expect(topics('channel')).to.have.members(['c', 'd', 'all']);
    expect(topics('all')).to.have.members(['all']);
  });

  it('watches so many topics and no more, whoever makes them up', () => {
    const detector = new AlertDetector({ ...UTC, maxTopics: 3 });
    const posts = Array.from({ length: 100 }, (_, index) =>
      post(`p${index}`, MONDAY, 'happy', { topic: `made-up-${index}` }),
    );
    detector.add(posts, MONDAY);
    expect([detector.topics.length, detector.dropped]).to.deep.equal([3, 97]);
  });

  it('tells how many posts came too late and how many from the future', () => {
    const detector = new AlertDetector(UTC);
    const at = (minutes: number) => post(`m${minutes}`, MONDAY + minutes * MINUTE, 'happy');
    detector.add([at(0), at(5)], MONDAY + HOUR);
    const { statistics } = detector.add(
      [at(1), { ...at(0), time: MONDAY + 30 * DAY }, at(9)],
      MONDAY + HOUR,
    );
    expect(statistics.at(-1)).to.include({ late: 1, ahead: 1 });
  });

  it('follows the clock when the posts of a live topic stay away, and of a replay not', () => {
    const detector = new AlertDetector(UTC);
    detector.add([post('a', MONDAY, 'happy')], MONDAY + 1000);
    expect(detector.advance(MONDAY + 10 * MINUTE).statistics.length).to.be.above(5);
    const replay = new AlertDetector(UTC);
    replay.add([post('a', MONDAY, 'happy')], MONDAY + 30 * DAY);
    expect(replay.advance(MONDAY + 40 * DAY).statistics).to.deep.equal([]);
  });

  const stream = [...life({ seed: 21, days: 0.3, rate: 4 })].flat();

  it('loses no post and judges each interval once, however messages are cut', () => {
    const whole = run([stream]);
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: 1, max: 400 })), (sizes) => {
        const parts: Post[][] = [];
        for (let at = 0; at < stream.length;) {
          const size = sizes.next().value as number;
          parts.push(stream.slice(at, at + size));
          at += size;
        }
        expect(run(parts)).to.deep.equal(whole);
      }),
      { numRuns: 10 },
    );
    const times = whole.statistics.map(({ time }) => time);
    expect(times).to.deep.equal([...new Set(times)].sort((a, b) => a - b));
    const end = times.at(-1)! + MINUTE;
    const counted = whole.statistics.reduce((sum, { volume }) => sum + volume, 0);
    expect(counted + whole.statistics.at(-1)!.late).to.equal(
      stream.filter(({ time }) => time < end).length,
    );
  });

  it('does not mind the order of posts within the allowed lateness', () => {
    const inOrder = run([[...stream].sort((a, b) => a.time - b.time)]);
    expect(run([stream]).statistics).to.deep.equal(inOrder.statistics);
  });

  it('finds the same by a robust z-score', () => {
    const { events, alerts } = planted(1, { method: 'z' });
    const raised = alerts.filter(({ event }) => event === 'raised');
    for (const { from } of events) {
      expect(raised.some(({ time }) => time > from && time <= from + 5 * MINUTE)).to.equal(true);
    }
  });
});
