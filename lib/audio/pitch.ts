export interface PitchOptions {
  readonly sampleRateHz: number;
  readonly minHz: number;
  readonly maxHz: number;
  /** Seconds from one estimate to the next. */
  readonly hop: number;
  /** How far the difference must fall for a period to count: lower is stricter. */
  readonly threshold: number;
}

export const DEFAULT_PITCH: PitchOptions = {
  sampleRateHz: 16_000,
  minHz: 65,
  maxHz: 500,
  hop: 0.02,
  threshold: 0.15,
};

/** Pitch is sought at half the rate: what is above 4 kHz says nothing about it and costs four times. */
const DECIMATION = 2;
/** Half-band low pass (Hamming, 23 taps) before every second sample is left out. */
const LOW_PASS = Float64Array.from({ length: 23 }, (_, i) => {
  const x = i - 11;
  const ideal = x === 0 ? 0.5 : Math.sin((Math.PI * x) / 2) / (Math.PI * x);
  return ideal * (0.54 + 0.46 * Math.cos((Math.PI * x) / 11));
});

/** Below this root mean square (−60 dBFS) nobody speaks. */
const QUIET = 1e-3;

/**
 * The pitch of a voice over time by YIN (de Cheveigné and Kawahara 2002, steps 2 to 5): the first
 * dip of the cumulative mean normalised difference, refined by a parabola.
 *
 * @param samples `[n]`, mono
 * @returns one estimate every `hop` seconds in hertz, 0 where the sound has no pitch
 */
export function pitch(samples: Float32Array, options: Partial<PitchOptions> = {}): Float32Array {
  const settings = { ...DEFAULT_PITCH, ...options };
  const rate = settings.sampleRateHz / DECIMATION;
  const low = decimate(samples);
  const longest = Math.ceil(rate / settings.minHz);
  const shortest = Math.max(2, Math.floor(rate / settings.maxHz));
  // The integration window holds one longest period; the lag another.
  const window = longest;
  const hop = Math.round(settings.hop * rate);
  const count = Math.max(0, 1 + Math.floor((low.length - window - longest - 1) / hop));
  const out = new Float32Array(count);
  const difference = new Float64Array(longest + 2);
  for (let frame = 0; frame < count; frame += 1) {
    const start = frame * hop;
    let energy = 0;
    for (let i = start; i < start + window; i += 1) energy += (low[i] as number) ** 2;
    if (energy < QUIET * QUIET * window) continue;
    out[frame] = pitchOfFrame(low, start, window, shortest, longest, difference, settings, rate);
  }
  return out;
}

function pitchOfFrame(
  low: Float64Array,
  start: number,
  window: number,
  shortest: number,
  longest: number,
  difference: Float64Array,
  settings: PitchOptions,
  rate: number,
): number {
  const sums = new Float64Array(LAGS);
  let running = 0;
  let dip = 0;
  for (let lag = 1; lag <= longest; lag += 1) {
    const ahead = (lag - 1) % LAGS;
    if (ahead === 0) squaredDifferences(low, start, lag, window, sums);
    const sum = sums[ahead] as number;
    running += sum;
    const normalised = running === 0 ? 1 : (sum * lag) / running;
    difference[lag] = normalised;
    // The dip has ended when the difference rises again.
    const before = lag - 1;
    if (
      before >= shortest &&
      (difference[before] as number) < settings.threshold &&
      normalised >= (difference[before] as number)
    ) {
      dip = before;
      break;
    }
  }
  if (dip === 0) return 0;
  const left = difference[dip - 1] as number;
  const middle = difference[dip] as number;
  const right = difference[dip + 1] as number;
  const bend = left - 2 * middle + right;
  const offset = bend > 0 ? (left - right) / (2 * bend) : 0;
  const hz = rate / (dip + Math.max(-0.5, Math.min(0.5, offset)));
  return hz <= settings.maxHz ? hz : 0;
}

/** Lags whose differences are summed at once: each sample is read for all of them. */
const LAGS = 4;

/**
 * Step 2 of YIN, for {@link LAGS} lags from one on.
 *
 * @param out `[LAGS]`: Σ (x[i] − x[i + lag])² over the window
 */
function squaredDifferences(
  low: Float64Array,
  start: number,
  lag: number,
  window: number,
  out: Float64Array,
): void {
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  let at0 = low[start + lag] as number;
  let at1 = low[start + lag + 1] as number;
  let at2 = low[start + lag + 2] as number;
  for (let i = start; i < start + window; i += 1) {
    const here = low[i] as number;
    const at3 = low[i + lag + 3] as number;
    sum0 += (here - at0) * (here - at0);
    sum1 += (here - at1) * (here - at1);
    sum2 += (here - at2) * (here - at2);
    sum3 += (here - at3) * (here - at3);
    at0 = at1;
    at1 = at2;
    at2 = at3;
  }
  out[0] = sum0;
  out[1] = sum1;
  out[2] = sum2;
  out[3] = sum3;
}

function decimate(samples: Float32Array): Float64Array {
  const out = new Float64Array(Math.floor(samples.length / DECIMATION));
  const half = (LOW_PASS.length - 1) / 2;
  const last = samples.length - 1;
  for (let i = 0; i < out.length; i += 1) {
    const centre = i * DECIMATION;
    const isInside = centre >= half && centre + half <= last;
    // Of a half-band filter every second tap is zero, but for the one in the middle.
    let sum = (LOW_PASS[half] as number) * (samples[centre] as number);
    for (let k = 0; k < LOW_PASS.length; k += 2) {
      const at = centre - half + k;
      const sample = isInside ? (samples[at] as number) : (samples[at] ?? 0);
      sum += (LOW_PASS[k] as number) * sample;
    }
    out[i] = sum;
  }
  return out;
}

export interface PitchSummary {
  /** Middle of the voiced frames; null without any. */
  readonly medianHz: number | null;
  /** From the 10th to the 90th percentile. */
  readonly rangeSemitones: number;
  /** Share of the frames that have a pitch. */
  readonly voiced: number;
}

export function summarisePitch(track: Float32Array): PitchSummary {
  const voiced = track.filter((hz) => hz > 0).sort();
  if (voiced.length === 0) return { medianHz: null, rangeSemitones: 0, voiced: 0 };
  const at = (share: number) => voiced[Math.round(share * (voiced.length - 1))] as number;
  return {
    medianHz: Math.round(at(0.5) * 10) / 10,
    rangeSemitones: Math.round(120 * Math.log2(at(0.9) / at(0.1))) / 10,
    voiced: Math.round((1000 * voiced.length) / track.length) / 1000,
  };
}
