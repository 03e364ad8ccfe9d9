import { PNG } from 'pngjs';
import { hzToMel, melToHz } from './mel';
import { sampleCount, type FrontEndOptions, type TimeFrequency } from './log-mel';

export interface SpectrogramOptions {
  /** Draws time and frequency scales around the picture. */
  readonly axes?: boolean;
  /** What lies so far below the loudest value is black. Default 80 dB. */
  readonly rangeDb?: number;
  /** Seconds that the first frame stands for. Default 0. */
  readonly start?: number;
}

/** Longer sounds are drawn with several frames a column, the loudest of them. */
const MOST_COLUMNS = 2000;
const FEWEST_COLUMNS = 320;
const ROW_HEIGHT = 2;
/** The brightest colour stands for this at least, so that silence is black. */
const QUIETEST_REFERENCE_DB = -40;
const MARGIN = { left: 44, right: 12, top: 8, bottom: 22 } as const;

type Colour = readonly [number, number, number];

/** From black over violet and orange to pale yellow: grows steadily in lightness. */
const STOPS: readonly Colour[] = [
  [0, 0, 4],
  [40, 17, 89],
  [101, 26, 128],
  [159, 47, 127],
  [212, 72, 109],
  [245, 125, 96],
  [254, 187, 129],
  [252, 253, 191],
];
const PAPER: Colour = [255, 255, 255];
const INK: Colour = [60, 60, 60];

/** A 3 × 5 letter shape a character, one row an octal digit from the top. */
const GLYPHS: Readonly<Record<string, string>> = {
  '0': '75557',
  '1': '26227',
  '2': '71747',
  '3': '71717',
  '4': '55711',
  '5': '74717',
  '6': '74757',
  '7': '71122',
  '8': '75757',
  '9': '75717',
  '.': '00002',
  k: '45655',
  H: '55755',
  z: '07247',
  s: '07471',
};
const GLYPH_SCALE = 2;
const GLYPH_WIDTH = 4 * GLYPH_SCALE;
const GLYPH_HEIGHT = 5 * GLYPH_SCALE;

function colourOf(share: number): Colour {
  const position = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const index = Math.min(STOPS.length - 2, Math.floor(position));
  const [from, to] = [STOPS[index] ?? PAPER, STOPS[index + 1] ?? PAPER];
  const mix = (channel: 0 | 1 | 2) =>
    Math.round(from[channel] + (to[channel] - from[channel]) * (position - index));
  return [mix(0), mix(1), mix(2)];
}

class Canvas {
  private readonly png: PNG;

  constructor(width: number, height: number, background: Colour) {
    this.png = new PNG({ width, height, colorType: 2 });
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) this.set(x, y, background);
    }
  }

  set(x: number, y: number, [red, green, blue]: Colour): void {
    if (x < 0 || y < 0 || x >= this.png.width || y >= this.png.height) return;
    const at = (y * this.png.width + x) * 4;
    this.png.data[at] = red;
    this.png.data[at + 1] = green;
    this.png.data[at + 2] = blue;
    this.png.data[at + 3] = 255;
  }

  /** @param x left edge @param y top edge */
  text(label: string, x: number, y: number): void {
    for (const [i, letter] of [...label].entries()) {
      const glyph = GLYPHS[letter] ?? '';
      for (let row = 0; row < 5 * GLYPH_SCALE; row += 1) {
        const bits = Number(glyph[Math.floor(row / GLYPH_SCALE)] ?? 0);
        for (let column = 0; column < 3 * GLYPH_SCALE; column += 1) {
          if (bits & (4 >> Math.floor(column / GLYPH_SCALE))) {
            this.set(x + i * GLYPH_WIDTH + column, y + row, INK);
          }
        }
      }
    }
  }

  encode(): Buffer {
    return PNG.sync.write(this.png, { colorType: 2 });
  }
}

/**
 * A log-mel spectrogram as a picture: time to the right, low frequencies at the bottom, loud is
 * bright.
 *
 * @param picture as `FrontEnd.analyse` gives it
 * @returns a PNG file
 * @example
 * await writeFile('voice.png', spectrogramPng(frontEnd.analyse(samples), frontEnd.options, { axes: true }));
 */
export function spectrogramPng(
  picture: Pick<TimeFrequency, 'logMel' | 'frames'>,
  frontEnd: FrontEndOptions,
  options: SpectrogramOptions = {},
): Buffer {
  const { logMel, frames } = picture;
  const { bands } = frontEnd;
  const framesPerColumn = Math.max(1, Math.ceil(frames / MOST_COLUMNS));
  const columnWidth = Math.max(1, Math.floor(FEWEST_COLUMNS / Math.max(1, frames)));
  const columns = Math.max(1, Math.ceil(frames / framesPerColumn));
  const width = columns * columnWidth;
  const height = bands * ROW_HEIGHT;
  const margin = options.axes ? MARGIN : { left: 0, right: 0, top: 0, bottom: 0 };
  const canvas = new Canvas(
    width + margin.left + margin.right,
    height + margin.top + margin.bottom,
    options.axes ? PAPER : (STOPS[0] ?? PAPER),
  );

  let loudest = QUIETEST_REFERENCE_DB;
  for (const value of logMel) loudest = Math.max(loudest, value);
  const range = options.rangeDb ?? 80;
  for (let column = 0; column < columns; column += 1) {
    for (let band = 0; band < bands; band += 1) {
      let value = -1000;
      const first = band * frames + column * framesPerColumn;
      const last = Math.min(first + framesPerColumn, (band + 1) * frames);
      for (let i = first; i < last; i += 1) value = Math.max(value, logMel[i] as number);
      const colour = colourOf((value - loudest + range) / range);
      for (let dy = 0; dy < ROW_HEIGHT; dy += 1) {
        const y = margin.top + (bands - 1 - band) * ROW_HEIGHT + dy;
        for (let dx = 0; dx < columnWidth; dx += 1) {
          canvas.set(margin.left + column * columnWidth + dx, y, colour);
        }
      }
    }
  }
  if (options.axes)
    drawAxes(canvas, frontEnd, { width, height, frames, start: options.start ?? 0 });
  return canvas.encode();
}

function drawAxes(
  canvas: Canvas,
  frontEnd: FrontEndOptions,
  picture: { width: number; height: number; frames: number; start: number },
): void {
  const { left, top } = MARGIN;
  const { width, height, frames, start } = picture;
  const low = hzToMel(frontEnd.minHz, frontEnd.scale);
  const high = hzToMel(frontEnd.maxHz, frontEnd.scale);
  let lastY = Infinity;
  for (const hz of frequencyTicks(frontEnd)) {
    const y = Math.round(
      top + height - 1 - ((hzToMel(hz, frontEnd.scale) - low) / (high - low)) * (height - 1),
    );
    for (let x = left - 4; x < left; x += 1) canvas.set(x, y, INK);
    if (lastY - y < GLYPH_HEIGHT + 4) continue;
    lastY = y;
    const label = hz >= 1000 ? `${hz / 1000}k` : String(hz);
    const labelTop = Math.max(0, y - GLYPH_HEIGHT / 2);
    canvas.text(label, left - 6 - label.length * GLYPH_WIDTH, labelTop);
  }
  canvas.text('Hz', 2, top + height + 8);

  const seconds = sampleCount(frames, frontEnd) / frontEnd.sampleRateHz;
  const step = timeStep(seconds, width);
  for (let tick = Math.ceil(start / step); tick * step <= start + seconds; tick += 1) {
    const x = Math.round(left + ((tick * step - start) / seconds) * (width - 1));
    for (let y = 0; y < 4; y += 1) canvas.set(x, top + height + y, INK);
    const label = `${Number((tick * step).toFixed(2))}s`;
    canvas.text(label, x - (label.length * GLYPH_WIDTH) / 2, top + height + 8);
  }
}

function frequencyTicks({ minHz, maxHz }: FrontEndOptions): number[] {
  return [100, 250, 500, 1000, 2000, 4000, 8000].filter((hz) => hz >= minHz && hz <= maxHz);
}

/** The shortest round step whose labels do not touch. */
function timeStep(seconds: number, width: number): number {
  const labels = Math.max(1, Math.floor(width / (7 * GLYPH_WIDTH)));
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];
  return steps.find((step) => seconds / step <= labels) ?? 3600;
}

/** Hertz at the middle of a band, for captions and tests. */
export function bandCentreHz(band: number, frontEnd: FrontEndOptions): number {
  const low = hzToMel(frontEnd.minHz, frontEnd.scale);
  const high = hzToMel(frontEnd.maxHz, frontEnd.scale);
  return melToHz(low + ((high - low) * (band + 1)) / (frontEnd.bands + 1), frontEnd.scale);
}
