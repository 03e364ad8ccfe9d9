/** Sound made by arithmetic: the same on every machine. */

/** The signal of `make-librosa-reference.py`: two tones, a rising one and noise. */
export function referenceSignal(samples = 8000, rate = 16_000): Float32Array {
  let state = 12_345;
  return Float32Array.from({ length: samples }, (_, n) => {
    const t = n / rate;
    // 1103515245 · state passes 2^53: multiply in two parts.
    state = Number((BigInt(state) * 1_103_515_245n + 12_345n) % 2_147_483_648n);
    const noise = state / 1_073_741_824 - 1;
    const tones =
      0.3 * Math.sin(2 * Math.PI * 220 * t) + 0.1 * Math.sin(2 * Math.PI * 1830 * t + 0.5);
    const chirp = 0.2 * Math.sin(2 * Math.PI * (300 * t + 2500 * t * t));
    return tones + chirp + 0.02 * noise;
  });
}

export function tone(hz: number, seconds: number, amplitude = 0.3, rate = 16_000): Float32Array {
  return Float32Array.from(
    { length: Math.round(seconds * rate) },
    (_, n) => amplitude * Math.sin((2 * Math.PI * hz * n) / rate),
  );
}

/** White noise by a linear congruential generator. */
export function noise(seconds: number, amplitude = 0.1, seed = 1, rate = 16_000): Float32Array {
  let state = seed;
  return Float32Array.from({ length: Math.round(seconds * rate) }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return amplitude * (state / 2_147_483_648 - 1);
  });
}

export function silence(seconds: number, rate = 16_000): Float32Array {
  return new Float32Array(Math.round(seconds * rate));
}

export function join(...parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Formants in hertz of a few vowels (Peterson and Barney 1952, men). */
const VOWELS: readonly (readonly [number, number, number])[] = [
  [730, 1090, 2440],
  [270, 2290, 3010],
  [530, 1840, 2480],
  [300, 870, 2240],
  [570, 840, 2410],
];

/**
 * Something that a speech detector takes for speech: pulses of a gliding voice through the formants
 * of changing vowels, syllable after syllable, with unvoiced onsets.
 */
export function babble(
  seconds: number,
  options: { hz?: number; amplitude?: number } = {},
): Float32Array {
  const rate = 16_000;
  const out = new Float32Array(Math.round(seconds * rate));
  const hiss = noise(seconds, 1, 7);
  const syllable = 0.22;
  let phase = 0;
  // Two-pole resonators, one a formant.
  const state = [0, 0, 0, 0, 0, 0];
  for (let n = 0; n < out.length; n += 1) {
    const t = n / rate;
    const index = Math.floor(t / syllable);
    const within = (t % syllable) / syllable;
    const f0 = (options.hz ?? 120) * (1 + 0.15 * Math.sin(2 * Math.PI * 0.6 * t) + 0.1 * within);
    phase += f0 / rate;
    let source = 0;
    if (phase >= 1) {
      phase -= 1;
      source = 1;
    }
    const here = VOWELS[index % VOWELS.length] ?? VOWELS[0];
    const next = VOWELS[(index + 1) % VOWELS.length] ?? VOWELS[0];
    const envelope = within < 0.12 ? 0.25 : Math.sin(Math.PI * Math.min(1, (within - 0.12) / 0.88));
    const excitation = within < 0.12 ? 0.15 * (hiss[n] ?? 0) : source + 0.01 * (hiss[n] ?? 0);
    let sum = 0;
    for (let f = 0; f < 3; f += 1) {
      const hz = (here?.[f] ?? 500) * (1 - within) + (next?.[f] ?? 500) * within;
      const r = Math.exp((-Math.PI * (60 + 40 * f)) / rate);
      const y =
        excitation + 2 * r * Math.cos((2 * Math.PI * hz) / rate) * (state[2 * f] ?? 0) - r * r * (state[2 * f + 1] ?? 0); // prettier-ignore
      state[2 * f + 1] = state[2 * f] ?? 0;
      state[2 * f] = y;
      sum += y / (f + 1);
    }
    out[n] = sum * envelope;
  }
  const peak = out.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return out.map((value) => (value / peak) * (options.amplitude ?? 0.4));
}
