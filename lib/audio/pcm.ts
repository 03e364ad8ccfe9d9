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

/**
 * A plain array of numbers to float32 at one rate. Numbers beyond ±16 are taken for 16-bit integers.
 *
 * @throws {EmotionError} `media.empty`; `input.wrong-type` when an element is not a number.
 */
export function decodeNumbers(
  numbers: readonly unknown[] | Float32Array | Float64Array | Int16Array,
  sampleRateHz: number,
  toHz = 16_000,
): Float32Array {
  const bytes = new Uint8Array(4);
  requirePcm({ bytes, format: 'f32le', sampleRateHz, channels: 1 });
  if (numbers.length === 0) throw new EmotionError('media.empty', 'The array has no samples', {});
  const samples = new Float32Array(numbers.length);
  let largest = 0;
  for (let i = 0; i < numbers.length; i += 1) {
    const value = numbers[i];
    if (typeof value !== 'number') {
      throw new EmotionError(
        'input.wrong-type',
        `samples[${i}]: expected a number, got ${value === null ? 'null' : typeof value}`,
        { index: i },
      );
    }
    samples[i] = value;
    if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  }
  const isInteger = numbers instanceof Int16Array || (largest > 16 && largest <= 32_768);
  return resample(isInteger ? samples.map((value) => value / 32_768) : samples, sampleRateHz, toHz);
}
