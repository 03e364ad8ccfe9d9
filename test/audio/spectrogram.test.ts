import { expect } from 'chai';
import { PNG } from 'pngjs';
import { DEFAULT_FRONT_END, FrontEnd } from '../../lib/audio/log-mel';
import { bandCentreHz, spectrogramPng } from '../../lib/audio/spectrogram';
import { join, silence, tone } from './signal';

const frontEnd = new FrontEnd();

function brightness(png: PNG, x: number, y: number): number {
  const at = (y * png.width + x) * 4;
  return (png.data[at] ?? 0) + (png.data[at + 1] ?? 0) + (png.data[at + 2] ?? 0);
}

describe('the spectrogram picture', () => {
  it('shows a tone as a bright line at its pitch, while it sounds', () => {
    const picture = frontEnd.analyse(join(tone(1000, 1), silence(1)));
    const png = PNG.sync.read(spectrogramPng(picture, DEFAULT_FRONT_END));
    expect(png.height).to.equal(256);
    const quarter = Math.floor(png.width / 4);
    const column = Array.from({ length: 256 }, (_, y) => brightness(png, quarter, y));
    const brightest = column.indexOf(Math.max(...column));
    expect(bandCentreHz(127 - Math.floor(brightest / 2), DEFAULT_FRONT_END)).to.be.closeTo(
      1000,
      40,
    );
    expect(Math.max(...column)).to.be.greaterThan(600);
    expect(brightness(png, 3 * quarter, brightest)).to.be.lessThan(20);
  });

  it('has scales around it on request, and none otherwise', () => {
    const picture = frontEnd.analyse(tone(500, 2));
    const plain = PNG.sync.read(spectrogramPng(picture, DEFAULT_FRONT_END));
    const scaled = PNG.sync.read(spectrogramPng(picture, DEFAULT_FRONT_END, { axes: true }));
    expect([scaled.width - plain.width, scaled.height - plain.height]).to.deep.equal([56, 30]);
    const inMargin = Array.from({ length: scaled.width }, (_, x) => brightness(scaled, x, scaled.height - 10)); // prettier-ignore
    expect(
      inMargin.some((value) => value < 200),
      'labels below',
    ).to.equal(true);
    for (let y = 0; y < plain.height; y += 17) {
      expect(brightness(scaled, 44 + 50, 8 + y)).to.equal(brightness(plain, 50, y));
    }
  });

  it('bounds the width of a long sound, and draws silence and nothing too', () => {
    const long = { frames: 15_000, logMel: new Float32Array(128 * 15_000).fill(-50) };
    expect(PNG.sync.read(spectrogramPng(long, DEFAULT_FRONT_END)).width).to.be.at.most(2000);
    for (const sound of [silence(1), silence(0)]) {
      const png = PNG.sync.read(spectrogramPng(frontEnd.analyse(sound), DEFAULT_FRONT_END, { axes: true })); // prettier-ignore
      expect(png.width).to.be.greaterThan(0);
    }
  });
});
