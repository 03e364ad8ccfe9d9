/**
 * Energy of the twelve pitch classes, C first: each bin of the spectrum counts for the classes near
 * its pitch with a Gaussian weight, and octaves near 5 (about 440 Hz) count most. The construction
 * of `librosa.filters.chroma` with its defaults and tuning 0; scaled so that the largest class of a
 * frame is 1, as `librosa.feature.chroma_stft` does.
 */
export class Chroma {
  static readonly CLASSES = 12;
  /** `[12, bins]`, row major. */
  private readonly weights: Float64Array;
  private readonly bins: number;

  constructor(fftSize: number, sampleRateHz: number) {
    const classes = Chroma.CLASSES;
    this.bins = fftSize / 2 + 1;
    // In pitch classes from C0 on; the constant component gets a place 1.5 octaves below bin 1.
    const pitch = new Float64Array(fftSize);
    for (let bin = 1; bin < fftSize; bin += 1) {
      pitch[bin] = classes * Math.log2((bin * sampleRateHz) / fftSize / (440 / 16));
    }
    pitch[0] = (pitch[1] as number) - 1.5 * classes;
    this.weights = new Float64Array(classes * this.bins);
    const column = new Float64Array(classes);
    for (let bin = 0; bin < this.bins; bin += 1) {
      const here = pitch[bin] as number;
      const width = bin + 1 < fftSize ? Math.max((pitch[bin + 1] as number) - here, 1) : 1;
      let squares = 0;
      for (let c = 0; c < classes; c += 1) {
        const distance = mod(here - c + classes / 2 + 10 * classes, classes) - classes / 2;
        const weight = Math.exp(-0.5 * ((2 * distance) / width) ** 2);
        column[c] = weight;
        squares += weight * weight;
      }
      const octave = Math.exp(-0.5 * ((here / classes - 5) / 2) ** 2);
      for (let c = 0; c < classes; c += 1) {
        // Classes count from A; three steps on stands C.
        const row = (c - 3 + classes) % classes;
        this.weights[row * this.bins + bin] = ((column[c] as number) / Math.sqrt(squares)) * octave;
      }
    }
  }

  /**
   * @param power `[bins]`
   * @param out `[12]` from `at` on, `stride` apart; zeros for silence
   */
  apply(power: Float64Array, out: Float32Array, at = 0, stride = 1): void {
    let largest = 0;
    for (let c = 0; c < Chroma.CLASSES; c += 1) {
      let sum = 0;
      const row = c * this.bins;
      for (let bin = 0; bin < this.bins; bin += 1) {
        sum += (this.weights[row + bin] as number) * (power[bin] as number);
      }
      out[at + c * stride] = sum;
      if (sum > largest) largest = sum;
    }
    for (let c = 0; c < Chroma.CLASSES; c += 1) {
      out[at + c * stride] = largest > 0 ? (out[at + c * stride] as number) / largest : 0;
    }
  }
}

function mod(value: number, by: number): number {
  return ((value % by) + by) % by;
}
