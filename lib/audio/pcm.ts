import { EmotionError } from '../emotion/error';
import { requirePcm, type PcmFormat } from '../media/input';
import { resample } from './resample';

export interface PcmInput {
  readonly bytes: Uint8Array;
  readonly format: PcmFormat;
  readonly sampleRateHz: number;
  readonly channels: number;
}

type Reader = (view: DataView, at: number) => number;

/** Bytes a sample, and how to read one as a number within ±1. */
const READERS: Readonly<Record<PcmFormat, readonly [number, Reader]>> = {
  u8: [1, (view, at) => (view.getUint8(at) - 128) / 128],
  s16le: [2, (view, at) => view.getInt16(at, true) / 32_768],
  s24le: [3, (view, at) => (view.getInt8(at + 2) * 65_536 + view.getUint16(at, true)) / 8_388_608],
  s32le: [4, (view, at) => view.getInt32(at, true) / 2_147_483_648],
  f32le: [4, (view, at) => view.getFloat32(at, true)],
  f64le: [8, (view, at) => view.getFloat64(at, true)],
  alaw: [1, (view, at) => fromALaw(view.getUint8(at))],
  mulaw: [1, (view, at) => fromMuLaw(view.getUint8(at))],
};

/** Bytes of one sample of one channel. */
export function bytesPerSample(format: PcmFormat): number {
  return READERS[format][0];
}

/** ITU-T G.711, A-law. */
function fromALaw(code: number): number {
  const bits = code ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const mantissa = ((bits & 15) << 4) + 8;
  const size = exponent === 0 ? mantissa : (mantissa + 256) << (exponent - 1);
  return (bits & 0x80 ? size : -size) / 32_768;
}

/** ITU-T G.711, µ-law. */
function fromMuLaw(code: number): number {
  const bits = ~code & 0xff;
  const size = ((((bits & 15) << 3) + 132) << ((bits >> 4) & 7)) - 132;
  return (bits & 0x80 ? -size : size) / 32_768;
}

/**
 * Raw samples to mono float32 at one rate, without FFmpeg. Channels are averaged; an incomplete
 * sample at the end is left out.
 *
 * @throws {EmotionError} `input.unusable` for an impossible declaration, `media.empty` without one
 *   whole sample.
 */
export function decodePcm(pcm: PcmInput, toHz = 16_000): Float32Array {
  requirePcm(pcm);
  const [width, read] = READERS[pcm.format];
  const step = width * pcm.channels;
  const count = Math.floor(pcm.bytes.length / step);
  if (count === 0) {
    throw new EmotionError(
      'media.empty',
      `${pcm.bytes.length} bytes are less than one sample of ${pcm.format} with ${pcm.channels} channels`,
      { bytes: pcm.bytes.length, format: pcm.format },
    );
  }
  const view = new DataView(pcm.bytes.buffer, pcm.bytes.byteOffset, pcm.bytes.byteLength);
  const samples = new Float32Array(count);
  for (let i = 0; i < count; i += 1) {
    let sum = 0;
    for (let channel = 0; channel < pcm.channels; channel += 1) {
      sum += read(view, i * step + channel * width);
    }
    samples[i] = sum / pcm.channels;
  }
  return resample(samples, pcm.sampleRateHz, toHz);
}

export type Numbers = readonly unknown[] | Float32Array | Float64Array | Int16Array;

/**
 * Numbers to mono float32 at one rate: channels, which are interleaved, are averaged. Numbers beyond
 * ±16 are taken for 16-bit integers.
 *
 * @throws {EmotionError} `media.empty`; `input.wrong-type` when an element is not a number;
 *   `input.unusable` for an impossible rate or number of channels.
 */
export function decodeNumbers(
  numbers: Numbers,
  sampleRateHz: number,
  toHz = 16_000,
  channels = 1,
): Float32Array {
  requirePcm({ bytes: new Uint8Array(4), format: 'f32le', sampleRateHz, channels });
  const count = Math.floor(numbers.length / channels);
  if (count === 0) throw new EmotionError('media.empty', 'The array has no samples', {});
  const samples = new Float32Array(count);
  let largest = 0;
  for (let i = 0; i < count * channels; i += 1) {
    const value = requireNumber(numbers[i], i);
    samples[Math.floor(i / channels)]! += value / channels;
    if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  }
  const isInteger = numbers instanceof Int16Array || (largest > 16 && largest <= 32_768);
  return resample(isInteger ? samples.map((value) => value / 32_768) : samples, sampleRateHz, toHz);
}

function requireNumber(value: unknown, index: number): number {
  if (typeof value === 'number') return value;
  throw new EmotionError(
    'input.wrong-type',
    `samples[${index}]: expected a number, got ${value === null ? 'null' : typeof value}`,
    { index },
  );
}

/** So many elements are copied without a pause: a millisecond or two. */
const NUMBERS_PER_TURN = 1 << 18;

/**
 * A plain array as a typed one, which changes threads by a copy of memory. Long arrays are copied in
 * turns of the event loop.
 *
 * @throws {EmotionError} `input.wrong-type` when an element is not a number
 */
export async function packNumbers(numbers: readonly unknown[]): Promise<Float32Array> {
  const packed = new Float32Array(numbers.length);
  for (let i = 0; i < numbers.length; i += 1) {
    packed[i] = requireNumber(numbers[i], i);
    if (i % NUMBERS_PER_TURN === NUMBERS_PER_TURN - 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return packed;
}
