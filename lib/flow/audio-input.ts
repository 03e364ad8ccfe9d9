import { EmotionError } from '../emotion/error';
import type { Source } from '../emotion/source';
import { openNamed, type MediaAccess } from '../media/access';
import type { PcmFormat } from '../media/input';
import { isContainer } from '../media/sniff';
import type { AudioInput } from '../workers/audio-pool';
import { describeValue } from './describe';

/** What a node takes sound for that does not say what it is. */
export interface AudioInputSettings {
  /** What names of files and addresses may refer to. */
  readonly access: MediaAccess;
  /** Bytes are raw samples, whatever they look like. */
  readonly isPcm: boolean;
  readonly format: PcmFormat;
  readonly sampleRateHz: number;
  readonly channels: number;
}

/** One sound of a message. */
export interface Sound {
  readonly input: AudioInput;
  readonly source: Source;
  /** Seconds that its beginning stands for. */
  readonly startTime?: number;
}

/** The sounds of one message, and whether the answer is a list as well. */
export interface SoundInput {
  readonly sounds: readonly Sound[];
  readonly many: boolean;
}

/** What a message says of raw samples; see {@link readSounds}. */
export interface Declared {
  readonly sampleRate?: unknown;
  readonly channels?: unknown;
  readonly format?: unknown;
}

/** Base64 beyond this would stop the event loop: 75 MB of sound. */
const LONGEST_TEXT = 100_000_000;
const EXPECTED =
  'a buffer, a path, base64 or a data URL, an array of numbers, { samples, sampleRate } or { pcm, sampleRate }';

/**
 * A sound, or an array of sounds, out of what a message carries:
 *
 * - a Buffer: a file of any container; raw samples where the settings say so, or the message has a
 *   `sampleRate` and the bytes do not begin like a container;
 * - a string: base64, a data URL, a path or an address, the last two as far as they are allowed;
 * - an array of numbers, Float32Array, Float64Array, Int16Array: samples;
 * - `{ samples, sampleRate?, channels?, start?, device? }`, as `emotion-capture` gives it;
 *   `{ pcm, format?, sampleRate?, channels? }`; `{ file }`; `{ url }`.
 *
 * Rate, channels and format come from the object, else from the message, else from the settings.
 *
 * @throws EmotionError `input.wrong-type`, `input.too-large`, `input.unusable`, `media.refused`,
 *   `media.not-found`, `media.empty`
 */
export async function readSounds(
  value: unknown,
  declared: Declared,
  settings: AudioInputSettings,
): Promise<SoundInput> {
  if (Array.isArray(value) && value.length > 0 && value.every(isSound)) {
    const sounds = [];
    for (const item of value) sounds.push(await readSound(item, declared, settings));
    return { sounds, many: true };
  }
  return { sounds: [await readSound(value, declared, settings)], many: false };
}

/** What can stand in an array of sounds, as opposed to samples. */
function isSound(value: unknown): boolean {
  return typeof value === 'string' || (typeof value === 'object' && value !== null);
}

async function readSound(
  value: unknown,
  declared: Declared,
  settings: AudioInputSettings,
): Promise<Sound> {
  if (typeof value === 'string') return readText(value, declared, settings);
  if (value instanceof Uint8Array)
    return { input: bytesInput(value, declared, settings), source: {} };
  if (value instanceof ArrayBuffer) return readSound(new Uint8Array(value), declared, settings);
  if (isNumbers(value)) return { input: numbersInput(value, declared, settings), source: {} };
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    return readObject(value as Record<string, unknown>, declared, settings);
  }
  throw wrongType(value);
}

async function readObject(
  value: Record<string, unknown>,
  declared: Declared,
  settings: AudioInputSettings,
): Promise<Sound> {
  const { samples, pcm, file, url, start, device } = value;
  const own: Declared = {
    sampleRate: value.sampleRate ?? declared.sampleRate,
    channels: value.channels ?? declared.channels,
    format: value.format ?? declared.format,
  };
  const about = {
    source: typeof device === 'string' ? { device } : {},
    ...(typeof start === 'number' && Number.isFinite(start) && { startTime: start }),
  };
  if (isNumbers(samples)) return { input: numbersInput(samples, own, settings), ...about };
  if (samples instanceof Uint8Array) return { input: pcmInput(samples, own, settings), ...about };
  if (pcm instanceof Uint8Array) return { input: pcmInput(pcm, own, settings), ...about };
  if (typeof pcm === 'string')
    return { input: pcmInput(decodeBase64(pcm), own, settings), ...about };
  const name = file ?? url;
  if (typeof name === 'string') return { input: await openNamed(name, settings.access), ...about };
  throw wrongType(value);
}

async function readText(
  text: string,
  declared: Declared,
  settings: AudioInputSettings,
): Promise<Sound> {
  if (text.length > LONGEST_TEXT) {
    throw new EmotionError(
      'input.too-large',
      `${text.length} characters of text; at most ${LONGEST_TEXT} are read as sound: send a buffer or a path`,
      { size: text.length, limit: LONGEST_TEXT },
    );
  }
  const [prefix] = /^data:[^,]{0,200},/i.exec(text) ?? [];
  if (prefix !== undefined) {
    if (!/;base64,$/i.test(prefix)) throw unusable('a data URL in base64', prefix);
    const bytes = decodeBase64(text.slice(prefix.length));
    return { input: bytesInput(bytes, declared, settings), source: {} };
  }
  if (settings.isPcm || isBase64OfMedia(text)) {
    return { input: bytesInput(decodeBase64(text), declared, settings), source: {} };
  }
  return { input: await openNamed(text.trim(), settings.access), source: {} };
}

/** A path may look like base64; then it does not decode to the head of a container. */
function isBase64OfMedia(text: string): boolean {
  const head = text.slice(0, 80).replace(/\s/g, '');
  if (head.length < 24 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(head)) return false;
  return isContainer(Buffer.from(head, 'base64'));
}

function decodeBase64(text: string): Buffer {
  if (!/^[A-Za-z0-9+/_\-\s]*={0,2}\s*$/.test(text)) throw unusable('base64', describeValue(text));
  return Buffer.from(text, 'base64');
}

function bytesInput(
  bytes: Uint8Array,
  declared: Declared,
  settings: AudioInputSettings,
): AudioInput {
  const isRaw = settings.isPcm || (declared.sampleRate !== undefined && !isContainer(bytes));
  return isRaw ? pcmInput(bytes, declared, settings) : { kind: 'bytes', bytes };
}

function pcmInput(bytes: Uint8Array, declared: Declared, settings: AudioInputSettings): AudioInput {
  return {
    kind: 'pcm',
    bytes,
    // Checked, like the numbers, where it is decoded.
    format: (declared.format ?? settings.format) as PcmFormat,
    ...rateAndChannels(declared, settings),
  };
}

function numbersInput(
  numbers: Extract<AudioInput, { kind: 'numbers' }>['numbers'],
  declared: Declared,
  settings: AudioInputSettings,
): AudioInput {
  return { kind: 'numbers', numbers, ...rateAndChannels(declared, settings) };
}

function rateAndChannels(
  { sampleRate, channels }: Declared,
  settings: AudioInputSettings,
): { sampleRateHz: number; channels: number } {
  return {
    sampleRateHz: sampleRate === undefined ? settings.sampleRateHz : Number(sampleRate),
    channels: channels === undefined ? settings.channels : Number(channels),
  };
}

function isNumbers(value: unknown): value is Extract<AudioInput, { kind: 'numbers' }>['numbers'] {
  return (
    (Array.isArray(value) && (value.length === 0 || !value.every(isSound))) ||
    value instanceof Float32Array ||
    value instanceof Float64Array ||
    value instanceof Int16Array
  );
}

function wrongType(value: unknown): EmotionError {
  const got = describeValue(value);
  return new EmotionError('input.wrong-type', `Expected ${EXPECTED}, got ${got}`, {
    expected: EXPECTED,
    got,
  });
}

function unusable(expected: string, got: string): EmotionError {
  return new EmotionError('input.unusable', `Expected ${expected}, got ${got}`, { expected, got });
}
