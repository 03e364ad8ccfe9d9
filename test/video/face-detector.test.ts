import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { FaceDetector, intersectionOverUnion, suppress } from '../../lib/video/face-detector';
import type { Picture } from '../../lib/video/picture';

const blank = (width: number, height: number): Picture => ({
  width,
  height,
  channels: 3,
  data: new Uint8Array(width * height * 3),
});

/** What the net says when there is one face about the middle of the anchor in a row and column. */
function answer(row: number, column: number, logit: number): Float32Array {
  const rows = new Float32Array(2304 * 17);
  for (let anchor = 0; anchor < 2304; anchor++) rows[anchor * 17] = -20;
  // A box of 48 × 24 pixels of the input, its middle 4 to the right of the anchor's.
  rows.set([logit, 4, 0, 48, 24, -10, -5, 10, -5], (row * 48 + column) * 17);
  return rows;
}

describe('the face detector', () => {
  it('turns the row of an anchor into pixels of a wide picture', async () => {
    const detector = new FaceDetector(() => Promise.resolve({ faces: answer(24, 24, 2) }));
    const [found, ...others] = await detector.detect(blank(1920, 1080));
    expect(others).to.deep.equal([]);
    // One pixel of the input is 10 of the picture; the black bars above and below are 420 high.
    // The anchor's middle is 24.5 / 48 of 1920 = 980.
    expect(found!.score).to.be.closeTo(1 / (1 + Math.exp(-2)), 1e-6);
    const [x, y, width, height] = found!.box;
    expect(x + width / 2).to.be.closeTo(980 + 40, 1e-3);
    expect(y + height / 2).to.be.closeTo(980 - 420, 1e-3);
    expect([width, height]).to.deep.equal([480, 240]);
    expect(found!.points.leftEye[0]).to.be.closeTo(880, 1e-3);
    expect(found!.points.rightEye[1]).to.be.closeTo(510, 1e-3);
  });

  it('shows the net the picture in the middle of a black square', async () => {
    let seen: { input: Float32Array; dims: readonly number[] } | undefined;
    const detector = new FaceDetector((input, dims) => {
      seen = { input: input.slice(), dims };
      return Promise.resolve({ faces: answer(0, 0, -9) });
    });
    const white = blank(400, 200);
    white.data.fill(255);
    expect(await detector.detect(white, { closeUps: false })).to.deep.equal([]);
    expect(seen!.dims).to.deep.equal([1, 192, 192, 3]);
    const rowMean = (row: number): number =>
      seen!.input.slice(row * 576, (row + 1) * 576).reduce((a, b) => a + b, 0) / 576;
    expect(rowMean(47)).to.equal(-1);
    expect(rowMean(49)).to.be.closeTo(1, 1e-6);
    expect(rowMean(142)).to.be.closeTo(1, 1e-6);
    expect(rowMean(145)).to.equal(-1);
  });

  it('leaves out what is under the least score', async () => {
    const detector = new FaceDetector(() => Promise.resolve({ faces: answer(5, 5, 0.2) }));
    expect(await detector.detect(blank(100, 100), { minScore: 0.6 })).to.deep.equal([]);
    expect(await detector.detect(blank(100, 100), { minScore: 0.5 })).to.have.length(1);
  });

  it('looks again from farther away when it sees nobody', async () => {
    let looks = 0;
    const net = (): Promise<{ faces: Float32Array }> =>
      Promise.resolve({ faces: answer(24, 24, ++looks === 2 ? 2 : -9) });
    const [found] = await new FaceDetector(net).detect(blank(192, 192));
    expect(looks).to.equal(2);
    // A pixel of the input is two of the picture, and the middle stays the middle.
    const [x, y, width, height] = found!.box;
    expect([width, height]).to.deep.equal([96, 48]);
    expect(x + width / 2).to.be.closeTo(96 + 4 + 8, 1e-3);
    expect(y + height / 2).to.be.closeTo(96 + 4, 1e-3);
    looks = 0;
    expect(await new FaceDetector(net).detect(blank(192, 192), { closeUps: false })).to.deep.equal(
      [],
    );
    expect(looks).to.equal(1);
  });

  it('says which output is missing', async () => {
    const detector = new FaceDetector(() => Promise.resolve({ boxes: new Float32Array(4) }));
    const error = await detector.detect(blank(10, 10)).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(EmotionError).with.property('code', 'model.inputs-mismatch');
  });

  it('refuses a picture whose bytes do not fit its size', async () => {
    const detector = new FaceDetector(() => Promise.resolve({}));
    const torn = { width: 10, height: 10, channels: 3, data: new Uint8Array(299) } as const;
    const error = await detector.detect(torn).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(EmotionError).with.property('code', 'input.unusable');
  });
});

describe('overlapping boxes', () => {
  it('share what they cover both over what they cover together', () => {
    expect(intersectionOverUnion([0, 0, 10, 10], [5, 0, 10, 10])).to.be.closeTo(1 / 3, 1e-9);
    expect(intersectionOverUnion([0, 0, 10, 10], [10, 0, 10, 10])).to.equal(0);
    expect(intersectionOverUnion([0, 0, 10, 10], [0, 0, 10, 10])).to.equal(1);
  });

  it('are one face: the surest stays', () => {
    const faces = [
      { score: 0.6, box: [0, 0, 10, 10] as const },
      { score: 0.9, box: [1, 0, 10, 10] as const },
      { score: 0.7, box: [50, 0, 10, 10] as const },
    ];
    expect(suppress(faces, 0.3, 9).map(({ score }) => score)).to.deep.equal([0.9, 0.7]);
    expect(suppress(faces, 0.3, 1).map(({ score }) => score)).to.deep.equal([0.9]);
  });
});
