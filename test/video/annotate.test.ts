import { expect } from 'chai';
import { PNG } from 'pngjs';
import { drawFaces, encodeJpeg, encodePng, imageAnnotations } from '../../lib/video/annotate';
import { glyph } from '../../lib/video/glyphs';
import type { Picture } from '../../lib/video/picture';

const plain = (channels: 1 | 3 | 4 = 3): Picture => ({
  width: 100,
  height: 60,
  channels,
  data: new Uint8Array(100 * 60 * channels).fill(40),
});

const pixel = ({ width, data }: Picture, x: number, y: number): number[] => [
  ...data.slice((y * width + x) * 3, (y * width + x) * 3 + 3),
];

describe('annotated pictures', () => {
  it('show a frame around the face and leave the rest, and the source, alone', () => {
    const source = plain();
    const drawn = drawFaces(source, [{ box: [20, 20, 30, 30], colour: [1, 2, 3] }]);
    expect(pixel(drawn, 20, 35)).to.deep.equal([1, 2, 3]);
    expect(pixel(drawn, 49, 35)).to.deep.equal([1, 2, 3]);
    expect(pixel(drawn, 35, 35)).to.deep.equal([40, 40, 40]);
    expect(source.data.every((value) => value === 40)).to.equal(true);
  });

  it('show text above the box, as the letters are drawn', () => {
    const drawn = drawFaces(plain(), [{ box: [20, 20, 60, 30], text: 'T', colour: [1, 2, 3] }]);
    // The label is 11 pixels high; the letter starts 2 pixels inside it.
    glyph('t').forEach((bits, row) => {
      for (let column = 0; column < 5; column++) {
        const ink = (bits >> (4 - column)) & 1;
        const wanted = ink ? [255, 255, 255] : [1, 2, 3];
        expect(pixel(drawn, 22 + column, 11 + row)).to.deep.equal(wanted);
      }
    });
  });

  it('keep text inside the picture', () => {
    const drawn = drawFaces(plain(), [
      { box: [90, -5, 30, 30], text: 'surprise 97%', colour: [1, 2, 3] },
    ]);
    expect(pixel(drawn, 99, 0)).to.deep.equal([1, 2, 3]);
    expect(pixel(drawn, 30, 0)).to.deep.equal([1, 2, 3]);
  });

  it('connect the landmarks of each part, and close eyes and lips', () => {
    const landmarks = Array.from({ length: 68 }, () => [-50, -50] as [number, number]);
    // The left eye as a hexagon whose last edge goes back up.
    [
      [20, 20],
      [30, 15],
      [40, 15],
      [50, 20],
      [40, 40],
      [20, 40],
    ].forEach(([x, y], i) => {
      landmarks[36 + i] = [x!, y!];
    });
    const drawn = drawFaces(plain(), [{ box: [0, 0, 100, 60], landmarks }]);
    expect(pixel(drawn, 20, 30)).to.deep.equal([255, 255, 255]);
    expect(pixel(drawn, 35, 15)).to.deep.equal([255, 255, 255]);
    expect(pixel(drawn, 35, 30)).to.deep.equal([40, 40, 40]);
  });

  it('of grey and RGBA sources come out in colour', () => {
    for (const channels of [1, 4] as const) {
      const drawn = drawFaces(plain(channels), []);
      expect(drawn.channels).to.equal(3);
      expect(drawn.data).to.have.length(100 * 60 * 3);
      expect(drawn.data.every((value) => value === 40)).to.equal(true);
    }
  });

  it('are PNG files that a decoder reads back', () => {
    const drawn = drawFaces(plain(), [{ box: [20, 20, 30, 30], colour: [200, 100, 50] }]);
    const { width, height, data } = PNG.sync.read(encodePng(drawn));
    expect([width, height]).to.deep.equal([100, 60]);
    expect([...data.subarray((35 * 100 + 20) * 4, (35 * 100 + 20) * 4 + 4)]).to.deep.equal([
      200, 100, 50, 255,
    ]);
  });

  it('can be left to annotate-image', () => {
    expect(
      imageAnnotations([{ box: [1, 2, 3, 4], text: 'sad', colour: [255, 0, 16] }]),
    ).to.deep.equal([
      { type: 'rect', bbox: [1, 2, 3, 4], label: 'sad', stroke: '#ff0010', labelLocation: 'top' },
    ]);
  });

  it('shows where a network looked, in the square that it saw and nowhere else', () => {
    const grey: Picture = {
      width: 60,
      height: 60,
      channels: 1,
      data: new Uint8Array(3600).fill(100),
    };
    const region = { x: 30, y: 30, side: 20, angle: Math.PI / 4 };
    const saliency = { region, width: 2, height: 2, values: [1, 0, 0, 0] };
    const { data } = drawFaces(grey, [{ box: [0, 0, 1, 1], saliency }]);
    const red = (x: number, y: number): number => data[(y * 60 + x) * 3]!;
    // Turned by an eighth, the first cell stands at the top.
    expect(red(30, 20)).to.be.closeTo(100 + 0.6 * 155, 8);
    expect(red(30, 40)).to.equal(100);
    expect(red(22, 22)).to.equal(100);
    const nothing = { ...saliency, values: [0, 0, 0, 0] };
    const plain = drawFaces(grey, [{ box: [0, 0, 1, 1], saliency: nothing }]).data;
    expect(plain[(20 * 60 + 30) * 3]).to.equal(100);
  });

  it('becomes a JPEG file', () => {
    const grey: Picture = { width: 9, height: 7, channels: 1, data: new Uint8Array(63).fill(100) };
    const jpeg = encodeJpeg(grey);
    expect(jpeg.subarray(0, 3).toString('hex')).to.equal('ffd8ff');
    expect(jpeg.length).to.be.above(100);
  });
});
