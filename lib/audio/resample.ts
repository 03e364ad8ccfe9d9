/** Zero crossings of the sinc on each side of the centre, at the lower of the two rates. */
const ZERO_CROSSINGS = 32;
/** Shape of the Kaiser window: side lobes under −90 dB. */
const KAISER_BETA = 9;
/** The pass band ends at this share of the lower half rate; the rest is for the transition. */
const PASS_BAND = 0.92;

/**
 * Changes the sample rate by a windowed sinc (Kaiser; Smith, "Digital Audio Resampling"): flat within
 * 0.1 dB up to 0.85 of the lower half rate, what would fold back is at least 80 dB down (measured in
 * the tests). For PCM that comes without a container; files are resampled by FFmpeg.
 *
 * @param samples `[n]`, mono
 * @returns `[round(n · toHz / fromHz)]`, in step with the input: sample i stands at i / toHz seconds
 */
export function resample(samples: Float32Array, fromHz: number, toHz: number): Float32Array {
  if (fromHz === toHz) return samples;
  const divisor = greatestCommonDivisor(fromHz, toHz);
  const up = toHz / divisor;
  const down = fromHz / divisor;
  const out = new Float32Array(Math.round((samples.length * up) / down));
  const cutoff = Math.min(1, toHz / fromHz) * PASS_BAND;
  const reach = Math.ceil(ZERO_CROSSINGS / cutoff);
  const phases = new Map<number, Float64Array>();
  for (let i = 0; i < out.length; i += 1) {
    const position = i * down;
    const whole = Math.floor(position / up);
    const phase = position % up;
    let taps = phases.get(phase);
    if (!taps) {
      taps = kernel(phase / up, reach, cutoff);
      phases.set(phase, taps);
    }
    const first = whole - reach + 1;
    const from = Math.max(0, -first);
    const to = Math.min(taps.length, samples.length - first);
    let sum = 0;
    for (let k = from; k < to; k += 1) sum += (taps[k] as number) * (samples[first + k] as number);
    out[i] = sum;
  }
  return out;
}

/** Weights of the samples around a position that lies `fraction` behind a sample. Their sum is 1. */
function kernel(fraction: number, reach: number, cutoff: number): Float64Array {
  const taps = Float64Array.from({ length: 2 * reach }, (_, k) => {
    const x = k - reach + 1 - fraction;
    const inside = 1 - (x / reach) ** 2;
    const window = inside > 0 ? bessel0(KAISER_BETA * Math.sqrt(inside)) : 0;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
    return window * sinc;
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
}

/** Modified Bessel function of the first kind, order 0, by its power series. */
function bessel0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
