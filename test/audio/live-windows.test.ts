import { expect } from 'chai';
import {
  LiveWindows,
  WindowCutter,
  type LiveWindowsOptions,
  type SoundWindow,
} from '../../lib/audio/live-windows';

const RATE = 1000;
const WINDOW = { sampleRateHz: RATE, windowMs: 400, hopMs: 200 };

/** Samples that hold their own time in milliseconds. */
const sound = (fromMs: number, ms: number) =>
  Float32Array.from({ length: ms }, (_, i) => fromMs + i);

/** Each window holds the samples of its own times. */
function expectTrue(windows: readonly SoundWindow[]): void {
  for (const { start, end, samples } of windows) {
    expect(samples[0]).to.equal(Math.round(start * 1000));
    expect(samples.at(-1)).to.equal(Math.round(end * 1000) - 1);
  }
}

const starts = (windows: readonly SoundWindow[]) => windows.map(({ start }) => start);

describe('WindowCutter', () => {
  it('cuts overlapping windows, whatever the pieces are, and gives the rest at the end', () => {
    for (const piece of [1, 7, 150, 400, 5000]) {
      const cutter = new WindowCutter(WINDOW);
      const windows: SoundWindow[] = [];
      for (let at = 0; at < 1300; at += piece) {
        windows.push(...cutter.push({ samples: sound(at, Math.min(piece, 1300 - at)) }));
      }
      expect(starts(windows)).to.deep.equal([0, 0.2, 0.4, 0.6, 0.8]);
      expect(windows.every(({ samples }) => samples.length === 400)).to.equal(true);
      expectTrue(windows);
      expect(cutter.flush(), 'only 100 ms are new').to.deep.equal([]);
    }
  });

  it('ends with a shorter window where enough of it is new', () => {
    const cutter = new WindowCutter({ ...WINDOW, hopMs: 400 });
    expect(cutter.push({ samples: sound(0, 700) })).to.have.length(1);
    const [rest] = cutter.flush();
    expect([rest?.start, rest?.end]).to.deep.equal([0.4, 0.7]);
  });

  it('leaves out what lies between windows', () => {
    const cutter = new WindowCutter({ ...WINDOW, hopMs: 1000 });
    const windows = [0, 500, 1000, 1500, 2000].flatMap((at) =>
      cutter.push({ samples: sound(at, 500) }),
    );
    expect(starts(windows)).to.deep.equal([0, 1, 2]);
    expectTrue(windows);
  });

  it('starts anew where the sound does not go on', () => {
    const cutter = new WindowCutter(WINDOW);
    cutter.push({ samples: sound(0, 300) });
    const windows = cutter.push({ samples: sound(5000, 400), restartAt: 5 });
    expect(starts(windows)).to.deep.equal([5]);
    expectTrue(windows);
  });
});

describe('LiveWindows', () => {
  function record(options: Partial<LiveWindowsOptions>) {
    const seen: SoundWindow[] = [];
    const windows = new LiveWindows(
      { ...WINDOW, pace: 'free', policy: 'latest', limitSeconds: 2, ...options },
      (window) => seen.push(window),
    );
    const play = (fromMs: number, ms: number, connection = 1) => {
      for (let at = fromMs; at < fromMs + ms; at += 50) {
        windows.push({ time: at / 1000, data: sound(at, 50), connection });
      }
    };
    return { seen, windows, play };
  }

  it('lets every window leave as soon as it is complete', () => {
    const { seen, windows, play } = record({});
    play(0, 1000);
    expect(starts(seen)).to.deep.equal([0, 0.2, 0.4, 0.6]);
    expectTrue(seen);
    expect([windows.waitingSeconds, windows.droppedSeconds]).to.deep.equal([0, 0]);
  });

  it('keeps only the latest window for whoever asks', () => {
    const { seen, windows, play } = record({ pace: 'asked' });
    play(0, 10_000);
    expect(starts(seen), 'the first is not asked for').to.deep.equal([0]);
    expect(windows.waitingSeconds).to.be.at.most(0.65);
    windows.ask();
    windows.ask();
    expect(seen).to.have.length(2);
    expect(seen[1]?.end).to.be.within(9.8, 10);
    expectTrue(seen);
    expect(windows.droppedSeconds).to.be.greaterThan(8);
    windows.ask();
    play(10_000, 600);
    expect(seen.length, 'one a question').to.equal(3);
  });

  it('keeps all up to the limit, then the oldest goes', () => {
    const { seen, windows, play } = record({ pace: 'asked', policy: 'all' });
    play(0, 1400);
    for (let i = 0; i < 5; i += 1) windows.ask();
    expect(starts(seen)).to.deep.equal([0, 0.2, 0.4, 0.6, 0.8, 1]);
    play(1400, 60_000);
    expect(windows.waitingSeconds).to.be.at.most(2.7);
    for (let i = 0; i < 40; i += 1) windows.ask();
    expect(seen.at(-1)?.end).to.be.within(61.2, 61.4);
    expectTrue(seen);
    expect(windows.droppedSeconds).to.be.greaterThan(55);
  });

  it('does not join what two connections gave', () => {
    const { seen, play } = record({});
    play(0, 300, 1);
    play(700, 500, 2);
    expect(starts(seen)).to.deep.equal([0.7]);
    expectTrue(seen);
  });

  it('gives the rest at the end, and begins anew', () => {
    const { seen, windows, play } = record({ hopMs: 400 });
    play(0, 700);
    windows.end();
    expect(seen.at(-1)).to.deep.include({ start: 0.4, end: 0.7 });
    windows.clear();
    play(0, 400);
    expect(starts(seen)).to.deep.equal([0, 0.4, 0]);
  });
});
