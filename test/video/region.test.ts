import { expect } from 'chai';
import type { Picture } from '../../lib/video/picture';
import { cropColour, cropGrey, fromRegion, toRegion } from '../../lib/video/region';

/** A picture whose pixel at (x, y) is (10 x, 20 y, 7). */
const ramp: Picture = (() => {
  const data = new Uint8Array(8 * 6 * 3);
  for (let y = 0; y < 6; y++) {
    for (let x = 0; x < 8; x++) data.set([10 * x, 20 * y, 7], (y * 8 + x) * 3);
  }
  return { width: 8, height: 6, channels: 3, data };
})();

describe('regions of a picture', () => {
  it('turn clockwise and go back to where they came from', () => {
    const region = { x: 50, y: 40, side: 20, angle: Math.PI / 2 };
    const [x, y] = fromRegion(region, 1, 0.5);
    expect(x).to.be.closeTo(50, 1e-9);
    expect(y).to.be.closeTo(50, 1e-9);
    const turned = { x: 3, y: 4, side: 7, angle: 0.7 };
    const back = toRegion(turned, fromRegion(turned, 0.2, 0.9));
    expect(back[0]).to.be.closeTo(0.2, 1e-9);
    expect(back[1]).to.be.closeTo(0.9, 1e-9);
  });

  it('give the very pixels when nothing is turned or scaled', () => {
    const crop = cropColour(ramp, { x: 4, y: 3, side: 4, angle: 0 }, 4, [0, 255], 'black');
    for (let y = 0; y < 4; y++) {
      for (let x = 0; x < 4; x++) {
        const at = (y * 4 + x) * 3;
        expect(crop[at]).to.be.closeTo(10 * (x + 2), 1e-4);
        expect(crop[at + 1]).to.be.closeTo(20 * (y + 1), 1e-4);
        expect(crop[at + 2]).to.be.closeTo(7, 1e-4);
      }
    }
  });

  it('turned by a quarter, the right of the crop is the bottom of the picture', () => {
    const region = { x: 4, y: 3, side: 4, angle: Math.PI / 2 };
    const crop = cropColour(ramp, region, 4, [0, 255], 'black');
    // The crop's columns run down the picture, its rows run to the left.
    for (let y = 0; y < 4; y++) {
      for (let x = 0; x < 4; x++) {
        const at = (y * 4 + x) * 3;
        expect(crop[at]).to.be.closeTo(10 * (5 - y), 1e-3);
        expect(crop[at + 1]).to.be.closeTo(20 * (x + 1), 1e-3);
      }
    }
  });

  it('outside the picture are black, or repeat the border', () => {
    const region = { x: 0, y: 3, side: 4, angle: 0 };
    const black = cropColour(ramp, region, 4, [-1, 1], 'black');
    expect([...black.slice(0, 3)]).to.deep.equal([-1, -1, -1]);
    const border = cropColour(ramp, region, 4, [0, 255], 'border');
    expect(border[0]).to.be.closeTo(0, 1e-4);
    expect(border[1]).to.be.closeTo(20, 1e-4);
  });

  it('read grey and RGBA pictures as well', () => {
    const grey: Picture = {
      width: 2,
      height: 2,
      channels: 1,
      data: Uint8Array.of(0, 50, 100, 150),
    };
    const region = { x: 1, y: 1, side: 2, angle: 0 };
    const colour = cropColour(grey, region, 2, [0, 255], 'border');
    expect(colour[9]).to.be.closeTo(150, 1e-4);
    expect(colour[11]).to.be.closeTo(150, 1e-4);
    const rgba: Picture = {
      width: 1,
      height: 1,
      channels: 4,
      data: Uint8Array.of(200, 100, 50, 9),
    };
    const [value] = cropGrey(rgba, { x: 0.5, y: 0.5, side: 1, angle: 0 }, 1);
    expect(value).to.be.closeTo(200 * 0.299 + 100 * 0.587 + 50 * 0.114, 1e-3);
  });

  it('made smaller as grey, are the mean of what they cover', () => {
    const data = Uint8Array.from({ length: 64 * 64 }, (_, i) => ((i + (i >> 6)) % 2) * 200);
    const chequers: Picture = { width: 64, height: 64, channels: 1, data };
    const crop = cropGrey(chequers, { x: 32, y: 32, side: 64, angle: 0 }, 8);
    for (const value of crop) expect(value).to.be.closeTo(100, 1e-3);
  });
});
