/**
 * The first coefficients of the orthonormal discrete cosine transform (type II) of each frame: MFCC
 * when the input is a log-mel spectrogram in decibels. Same numbers as `librosa.feature.mfcc(S=…)`.
 *
 * @param logMel `[bands, frames]`, row major
 * @returns `[coefficients, frames]`, row major
 */
export function mfcc(logMel: Float32Array, bands: number, coefficients: number): Float32Array {
  const frames = logMel.length / bands;
  const basis = cosineBasis(bands, coefficients);
  const out = new Float32Array(coefficients * frames);
  const sums = new Float64Array(frames);
  for (let c = 0; c < coefficients; c += 1) {
    sums.fill(0);
    for (let band = 0; band < bands; band += 1) {
      const weight = basis[c * bands + band] as number;
      const row = band * frames;
      for (let t = 0; t < frames; t += 1) {
        sums[t] = (sums[t] as number) + weight * (logMel[row + t] as number);
      }
    }
    out.set(sums, c * frames);
  }
  return out;
}

const bases = new Map<string, Float64Array>();

function cosineBasis(bands: number, coefficients: number): Float64Array {
  const key = `${bands},${coefficients}`;
  let basis = bases.get(key);
  if (!basis) {
    basis = new Float64Array(coefficients * bands);
    for (let c = 0; c < coefficients; c += 1) {
      const scale = Math.sqrt((c === 0 ? 1 : 2) / bands);
      for (let band = 0; band < bands; band += 1) {
        basis[c * bands + band] = scale * Math.cos((Math.PI * c * (band + 0.5)) / bands);
      }
    }
    bases.set(key, basis);
  }
  return basis;
}

/**
 * How the rows change in time: the first or second derivative of a polynomial of that degree,
 * fitted by least squares around each frame (Savitzky and Golay 1964); near the ends that of the
 * outermost full fit. Same numbers as `librosa.feature.delta`.
 *
 * @param features `[rows, frames]`, row major
 * @param width frames of a fit, odd; the largest odd number of frames there are, if fewer
 * @returns `[rows, frames]`; zeros when there are fewer than 3 frames
 */
export function delta(
  features: Float32Array,
  rows: number,
  order: 1 | 2 = 1,
  width = 9,
): Float32Array {
  const frames = features.length / rows;
  const out = new Float32Array(features.length);
  const size = Math.min(width, frames % 2 === 1 ? frames : frames - 1);
  if (size < 3) return out;
  const half = (size - 1) / 2;
  // Power sums of the positions −half … half; odd ones vanish.
  let squares = 0;
  let fourths = 0;
  for (let k = -half; k <= half; k += 1) {
    squares += k * k;
    fourths += k ** 4;
  }
  const curvature = fourths * size - squares * squares;
  for (let row = 0; row < rows; row += 1) {
    const base = row * frames;
    for (let centre = half; centre < frames - half; centre += 1) {
      let plain = 0;
      let linear = 0;
      let quadratic = 0;
      for (let k = -half; k <= half; k += 1) {
        const value = features[base + centre + k] as number;
        plain += value;
        linear += k * value;
        quadratic += k * k * value;
      }
      const slope = linear / squares;
      // y ≈ a + b·k + c·k²; the second derivative is 2c.
      const second = (2 * (quadratic * size - squares * plain)) / curvature;
      const isFirst = centre === half;
      const isLast = centre === frames - half - 1;
      const from = isFirst ? 0 : centre;
      const to = isLast ? frames - 1 : centre;
      for (let t = from; t <= to; t += 1) out[base + t] = order === 1 ? slope : second;
    }
  }
  return out;
}
