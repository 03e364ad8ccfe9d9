import { expect } from 'chai';
import { blockLevels, summariseLoudness } from '../../lib/audio/loudness';
import { normaliseFixed, normaliseUtterance, RunningNormaliser } from '../../lib/audio/normalise';
import { pitch, summarisePitch } from '../../lib/audio/pitch';
import { cleanSamples, preEmphasis } from '../../lib/audio/samples';
import { prosody } from '../../lib/audio/prosody';
import {
  STATISTICS_NAMES,
  UtteranceMeasures,
  utteranceStatistics,
} from '../../lib/audio/statistics';
import { babble, join, noise, silence, tone } from './signal';

/** A voice-like sound: many harmonics of one pitch. */
function harmonics(hz: number, seconds: number): Float32Array {
  return Float32Array.from({ length: Math.round(seconds * 16_000) }, (_, n) => {
    let sum = 0;
    for (let k = 1; k * hz < 4000; k += 1) sum += Math.sin((2 * Math.PI * k * hz * n) / 16_000) / k;
    return 0.2 * sum;
  });
}

const mean = (values: ArrayLike<number>) =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

describe('pitch', () => {
  it('finds the pitch of tones and voices within half a percent', () => {
    for (const hz of [70, 98.5, 130.8, 220, 349.2, 480]) {
      for (const sound of [tone(hz, 0.4), harmonics(hz, 0.4)]) {
        const { medianHz, voiced } = summarisePitch(pitch(sound));
        expect(medianHz).to.be.closeTo(hz, hz * 0.005);
        expect(voiced).to.be.greaterThan(0.95);
      }
    }
  });

  it('follows a glide', () => {
    const glide = Float32Array.from({ length: 16_000 }, (_, n) => {
      const t = n / 16_000;
      return 0.3 * Math.sin(2 * Math.PI * (120 * t + 60 * t * t));
    });
    const track = pitch(glide);
    for (const [i, hz] of track.entries()) {
      // The estimate belongs to the middle of about 23 ms.
      expect(hz).to.be.closeTo(120 + 120 * (i * 0.02 + 0.0115), 3);
    }
    expect(summarisePitch(track).rangeSemitones).to.be.within(7, 11);
  });

  it('finds none in noise, silence, or what is too short', () => {
    expect(summarisePitch(pitch(noise(1, 0.2))).voiced).to.be.lessThan(0.1);
    expect(summarisePitch(pitch(silence(1)))).to.deep.equal({ medianHz: null, rangeSemitones: 0, voiced: 0 }); // prettier-ignore
    expect(pitch(tone(200, 0.01))).to.have.length(0);
  });
});

describe('loudness', () => {
  it('measures a sine of full scale as −3 dBFS with a peak of 0', () => {
    const full = summariseLoudness(tone(1000, 1, 1));
    expect(full.meanDb).to.be.closeTo(-3, 0.05);
    expect(full.peakDb).to.be.closeTo(0, 0.05);
    expect(summariseLoudness(tone(1000, 1, 0.1)).meanDb).to.be.closeTo(-23, 0.05);
  });

  it('tells a moving level from a steady one, and notices overdrive', () => {
    expect(summariseLoudness(tone(300, 1)).rangeDb).to.be.lessThan(1);
    const moving = join(tone(300, 0.5, 0.5), tone(300, 0.5, 0.05));
    expect(summariseLoudness(moving).rangeDb).to.be.closeTo(20, 1);
    const overdriven = tone(100, 1, 2).map((value) => Math.max(-1, Math.min(1, value)));
    expect(summariseLoudness(overdriven).clipped).to.be.greaterThan(0.3);
  });

  it('has a floor for silence and an answer for nothing', () => {
    expect(summariseLoudness(silence(1))).to.deep.equal({ meanDb: -100, peakDb: -100, rangeDb: 0, clipped: 0 }); // prettier-ignore
    expect(summariseLoudness(new Float32Array(0)).meanDb).to.equal(-100);
    expect(blockLevels(tone(100, 0.05))).to.have.length(2);
  });
});

describe('utterance statistics', () => {
  const at = (values: Float32Array, name: string) => values[STATISTICS_NAMES.indexOf(name)];

  it('has one value a name, whatever the length', () => {
    expect(new Set(STATISTICS_NAMES).size).to.equal(STATISTICS_NAMES.length);
    for (const sound of [silence(0), tone(100, 0.01), babble(0.5), babble(4)]) {
      expect(utteranceStatistics(sound)).to.have.length(STATISTICS_NAMES.length);
    }
    expect(utteranceStatistics(babble(3)).every(Number.isFinite)).to.equal(true);
  });

  it('measures what its names say', () => {
    const low = utteranceStatistics(harmonics(100, 1));
    const high = utteranceStatistics(harmonics(200, 1));
    expect(at(low, 'pitch.mean')).to.be.closeTo(0, 0.1);
    expect(at(high, 'pitch.mean')).to.be.closeTo(12, 0.1);
    expect(at(high, 'centroid.mean')).to.be.greaterThan(at(low, 'centroid.mean') ?? NaN);
    const rising = join(tone(150, 0.5, 0.03), tone(150, 0.5, 0.3));
    expect(at(utteranceStatistics(rising), 'level.slope')).to.be.greaterThan(15);
    const paused = join(babble(0.5), silence(0.5), babble(0.5));
    expect(at(utteranceStatistics(paused), 'level.pauses')).to.be.closeTo(0.35, 0.1);
    expect(Number.isNaN(at(utteranceStatistics(silence(1)), 'pitch.p50'))).to.equal(true);
  });

  it('gives of a part what that part alone has', () => {
    const sound = join(babble(1), noise(1, 0.02), babble(2));
    // 0.16 s hold whole frames of 32 ms and whole blocks of 20 ms.
    const [from, to] = [5 * 2560, 20 * 2560];
    const part = new UtteranceMeasures(sound).statistics(from, to);
    const alone = utteranceStatistics(sound.slice(from, to));
    for (const [i, name] of STATISTICS_NAMES.entries()) {
      // Pitch is measured a little beyond the end where there is something.
      const near = name.startsWith('pitch') ? 0.6 : 1e-4;
      expect(part[i], name).to.be.closeTo(alone[i] as number, near);
    }
  });

  it('does not depend on what was measured before', () => {
    const first = utteranceStatistics(babble(1));
    utteranceStatistics(noise(1));
    expect(utteranceStatistics(babble(1))).to.deep.equal(first);
  });
});

describe('prosody', () => {
  const frames = { hopLength: 1024, frameLength: 1360 };
  const row = (values: Float32Array, index: number) =>
    values.subarray((index * values.length) / 4, ((index + 1) * values.length) / 4);

  it('says where a pitch is, how high, where it goes and how the level moves', () => {
    const seconds = 1;
    const glide = Float32Array.from({ length: 16_000 * seconds }, (_, n) => {
      const t = n / 16_000;
      // 100 Hz to 200 Hz: one octave a second.
      return 0.3 * Math.sin((2 * Math.PI * 100 * (2 ** t - 1)) / Math.LN2);
    });
    const sound = join(glide, silence(1));
    const values = prosody(sound, pitch(sound), frames, 30);
    expect(values).to.have.length(4 * 30);
    expect(row(values, 0)[5]).to.equal(1);
    expect(row(values, 1)[5]).to.be.closeTo(5 * 0.064 + 0.04, 0.03);
    expect(row(values, 1)[12]).to.be.closeTo(12 * 0.064 + 0.04, 0.03);
    expect(row(values, 2)[5]).to.be.within(0.03, 0.08);
    expect(row(values, 3)[5]).to.be.lessThan(0.1);
    // The frame in which the sound ends, and those of silence.
    expect(Math.max(...row(values, 3))).to.be.greaterThan(2);
    for (let index = 0; index < 4; index += 1) expect(row(values, index)[25]).to.equal(0);
  });

  it('has rows of zeros for a sound without a pitch track', () => {
    const values = prosody(silence(1), new Float32Array(0), frames, 15);
    expect(values).to.deep.equal(new Float32Array(60));
  });
});

describe('samples', () => {
  it('bridges NaN and infinities, cuts absurd values, and leaves good sound alone', () => {
    const good = tone(100, 0.1);
    expect(cleanSamples(good)).to.deep.equal({ samples: good, replaced: 0 });
    expect(cleanSamples(good).samples).to.equal(good);
    const bad = Float32Array.of(0.5, NaN, 0.25, Infinity, 1e30, ...good);
    const { samples, replaced } = cleanSamples(bad);
    expect([...samples.subarray(0, 5)]).to.deep.equal([0.5, 0.5, 0.25, 0.25, 16]);
    expect(replaced).to.equal(2);
  });

  it('refuses what is mostly no sound', () => {
    expect(() => cleanSamples(new Float32Array(100).fill(NaN))).to.throw('100 of 100 samples');
  });

  it('lifts high frequencies', () => {
    expect([...preEmphasis(Float32Array.of(1, 1, 0.5), 0.5)]).to.deep.equal([1, 0.5, 0]);
    const same = tone(100, 0.1);
    expect(preEmphasis(same, 0)).to.equal(same);
  });
});

describe('normalisation', () => {
  const rows = () => Float32Array.of(1, 2, 3, 4, 10, 10, 20, 20);

  it('removes mean and spread of each row, or of all', () => {
    const byRow = normaliseUtterance(rows(), 2, 'row');
    for (const row of [byRow.subarray(0, 4), byRow.subarray(4)]) {
      expect(mean(row)).to.be.closeTo(0, 1e-6);
      expect(mean(row.map((value) => value * value))).to.be.closeTo(1, 1e-6);
    }
    const all = normaliseUtterance(rows(), 2, 'all');
    expect(mean(all)).to.be.closeTo(0, 1e-6);
    expect(mean(all.subarray(4))).to.be.greaterThan(mean(all.subarray(0, 4)) + 1);
  });

  it('does not blow up what does not move', () => {
    expect([...normaliseUtterance(new Float32Array(4).fill(-100), 1, 'row')]).to.deep.equal([0, 0, 0, 0]); // prettier-ignore
  });

  it('uses fixed numbers, one or one a row', () => {
    expect([...normaliseFixed(rows(), 2, 1, 0.5)].slice(0, 4)).to.deep.equal([0, 2, 4, 6]);
    expect([...normaliseFixed(rows(), 2, [1, 10], [1, 10])]).to.deep.equal([0, 1, 2, 3, 0, 0, 1, 1]); // prettier-ignore
  });

  it('follows a channel without end, counts overlapping frames once, and forgets', () => {
    const frames = noise(1, 1, 3).subarray(0, 4000);
    const channel = (offset: number) => frames.map((value) => offset + 2 * value);
    const running = new RunningNormaliser(1, 500);
    const first = running.apply(channel(5));
    expect(mean(first)).to.be.closeTo(0, 0.1);
    expect(mean(first.map((value) => value * value))).to.be.closeTo(1, 0.1);
    // Half the window is known already: it must not count twice.
    const overlapping = new RunningNormaliser(1, 1e9);
    overlapping.apply(channel(5), 4000);
    overlapping.apply(channel(5), 0);
    const single = new RunningNormaliser(1, 1e9);
    single.apply(channel(5));
    expect(overlapping.apply(channel(7), 0)).to.deep.equal(single.apply(channel(7), 0));
    // Another channel: after a few half-lives it is the only one that counts.
    const other = running.apply(channel(-20));
    expect(mean(other)).to.be.closeTo(0, 0.1);
    running.reset();
    expect(mean(running.apply(channel(100)))).to.be.closeTo(0, 0.1);
  });

  it('gives what the whole has, when it has heard the whole', () => {
    const running = new RunningNormaliser(2, 1e12).apply(rows());
    for (const [i, value] of normaliseUtterance(rows(), 2, 'row').entries()) {
      expect(running[i]).to.be.closeTo(value, 1e-4);
    }
  });
});
