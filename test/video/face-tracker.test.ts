import { expect } from 'chai';
import { FaceTracker } from '../../lib/video/face-tracker';
import type { Box } from '../../lib/video/region';

const at = (x: number, y = 0): Box => [x, y, 50, 60];

describe('the face tracker', () => {
  it('keeps the ids of faces whatever their order', () => {
    const tracker = new FaceTracker();
    expect(tracker.update([at(0), at(200)], 0)).to.deep.equal([1, 2]);
    expect(tracker.update([at(204), at(3)], 0.1)).to.deep.equal([2, 1]);
  });

  it('follows a fast face to where its speed takes it', () => {
    const tracker = new FaceTracker();
    tracker.update([at(0)], 0);
    tracker.update([at(25)], 0.1);
    // 75 pixels in 0.3 s: no overlap with where it was, full overlap with where it was going.
    expect(tracker.update([at(100)], 0.4)).to.deep.equal([1]);
  });

  it('keeps two faces apart that pass each other', () => {
    const tracker = new FaceTracker();
    const ids = [0, 1, 2, 3, 4, 5, 6].map((step) =>
      tracker.update([at(step * 20), at(120 - step * 20, 10)], step / 10),
    );
    expect(ids).to.deep.equal(Array.from({ length: 7 }, () => [1, 2]));
  });

  it('gives a face that comes back soon its id again, and later a new one', () => {
    const tracker = new FaceTracker({ forgetAfterSeconds: 1 });
    tracker.update([at(0)], 0);
    tracker.update([], 0.5);
    expect(tracker.update([at(5)], 0.9)).to.deep.equal([1]);
    expect(tracker.update([at(5)], 2.5)).to.deep.equal([2]);
  });
});
