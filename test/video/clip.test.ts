import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { clipTensor, cutClips, mostCrops, type TimedCrop } from '../../lib/video/clip';

/** Crops a tenth of a second apart; each is filled with its number. */
const crops = (count: number): TimedCrop[] =>
  Array.from({ length: count }, (_, i) => ({ time: i / 10, crop: new Float32Array(2304).fill(i) }));

const numbers = (clip: { crops: readonly ArrayLike<number>[] }): number[] =>
  clip.crops.map((crop) => crop[0]!);

describe('clips of a face', () => {
  it('take the crop nearest to each time', () => {
    const [clip, ...others] = cutClips(crops(4), { frames: 8, seconds: 9 });
    expect(others).to.deep.equal([]);
    expect(numbers(clip!)).to.deep.equal([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(clip!.start).to.equal(0);
    expect(clip!.end).to.be.closeTo(0.3, 1e-9);
  });

  it('of one still repeat it', () => {
    const clips = cutClips(crops(1), { frames: 16 });
    expect(clips).to.have.length(1);
    expect(numbers(clips[0]!)).to.deep.equal(Array(16).fill(0));
  });

  it('overlap, cover everything and end with the last crop', () => {
    const clips = cutClips(crops(26), { frames: 2, seconds: 1, stepSeconds: 0.6 });
    expect(clips.map(({ start }) => start)).to.deep.equal([0, 0.6, 1.2, 1.5]);
    expect(clips.map(numbers)).to.deep.equal([
      [0, 10],
      [6, 16],
      [12, 22],
      [15, 25],
    ]);
  });

  it('bridge gaps with what was seen last or next', () => {
    const gap = crops(11).filter(({ time }) => time < 0.25 || time > 0.75);
    const [clip] = cutClips(gap, { frames: 6, seconds: 1 });
    expect(numbers(clip!)).to.deep.equal([0, 2, 2, 8, 8, 10]);
  });

  it('have at most as many different crops as were seen in their time', () => {
    const length = { seconds: 1, stepSeconds: 0.6 };
    expect(mostCrops(crops(1), length)).to.equal(1);
    expect(mostCrops(crops(7), length)).to.equal(7);
    expect(mostCrops(crops(26), length)).to.equal(11);
  });

  it('become a tensor of grey values from 0 to 1', () => {
    const bright = [{ time: 0, crop: new Float32Array(2304).fill(255) }];
    const clips = [...cutClips(crops(2), { frames: 2 }), ...cutClips(bright, { frames: 2 })];
    const { type, dims, data } = clipTensor(clips);
    expect(type).to.equal('float32');
    expect(dims).to.deep.equal([2, 2, 1, 48, 48]);
    expect(data[0]).to.equal(0);
    expect(data[2304]).to.be.closeTo(1 / 255, 1e-7);
    expect(data.at(-1)).to.equal(1);
  });

  it('need a crop, and one length a batch', () => {
    expect(() => cutClips([])).to.throw(EmotionError, /at least one crop/);
    const clips = [...cutClips(crops(1), { frames: 2 }), ...cutClips(crops(1), { frames: 3 })];
    expect(() => clipTensor(clips)).to.throw(EmotionError, /same number/);
    expect(() => clipTensor([])).to.throw(EmotionError);
  });
});
