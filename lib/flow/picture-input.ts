import { EmotionError } from '../emotion/error';
import type { Source } from '../emotion/source';
import { openNamed, printable, type MediaAccess } from '../media/access';
import type { MediaInput } from '../media/input';
import type { FaceInput, FacePicture, TimedPicture } from '../workers/face-protocol';
import { describeValue } from './describe';
import type { FlowMessage } from './message';

type PictureMedia = Exclude<MediaInput, { kind: 'pcm' }>;

/** The pictures of one message and where they came from. */
export interface PictureInput {
  readonly input: FaceInput;
  readonly source: Source;
}

/** Most pictures of an array. */
const MOST_PICTURES = 10_000;

/** Base64 of anything that is a picture is longer than most names. */
const BASE64 = /^[A-Za-z0-9+/\r\n]{64,}={0,2}$/;
const DATA_URL = /^data:[^,]{0,200},/i;

/**
 * Pictures out of what a message carries: a Buffer with a picture or a film, a path or address, base64
 * or a data URL, pixels as `{ width, height, data }`, or an array of these, which is one film.
 * Pictures with `msg.parts` but without its `count` are those of a live source.
 *
 * @param owner what sets the live sources of one node apart from those of others
 * @throws EmotionError `input.wrong-type`, `input.unusable`, and of a name what `openNamed` throws
 */
export async function readPictures(
  value: unknown,
  message: FlowMessage,
  access: MediaAccess,
  owner: string,
): Promise<PictureInput> {
  if (Array.isArray(value)) {
    if (value.length === 0 || value.length > MOST_PICTURES) {
      throw new EmotionError(
        'input.unusable',
        `Expected an array of 1 to ${MOST_PICTURES} pictures, got ${value.length}`,
        { expected: `1 to ${MOST_PICTURES}`, got: value.length },
      );
    }
    const pictures: TimedPicture[] = [];
    for (const [index, item] of value.entries()) {
      pictures.push(await timedPicture(item, access, `, item ${index} of the array`));
    }
    return { input: { kind: 'series', pictures }, source: {} };
  }
  const next = await timedPicture(value, access, '');
  const { picture } = next;
  const source = { ...sourceOf(picture), ...deviceOf(value) };
  const stream = streamOf(message);
  if (stream !== undefined) {
    return { input: { kind: 'stream', stream: `${owner}\n${stream}`, next }, source };
  }
  return {
    input: isMedia(picture)
      ? { kind: 'media', media: picture }
      : { kind: 'series', pictures: [next] },
    source,
  };
}

function isMedia(picture: FacePicture): picture is PictureMedia {
  return 'kind' in picture;
}

/** A live source numbers its messages without knowing how many will come. */
function streamOf({ parts }: FlowMessage): string | undefined {
  const { id, count } = (parts ?? {}) as { id?: unknown; count?: unknown };
  const isNamed = typeof id === 'string' || typeof id === 'number';
  return isNamed && count === undefined ? String(id) : undefined;
}

function sourceOf(picture: FacePicture): Source {
  if (!isMedia(picture)) return {};
  if (picture.kind === 'file') return { file: picture.path };
  return picture.kind === 'url' ? { file: printable(picture.url) } : {};
}

/** What `emotion-capture` says of the camera. */
function deviceOf(value: unknown): Source {
  const { device } = (value ?? {}) as { device?: unknown };
  return typeof device === 'string' ? { device } : {};
}

async function timedPicture(
  value: unknown,
  access: MediaAccess,
  where: string,
): Promise<TimedPicture> {
  if (value instanceof Uint8Array) return { picture: { kind: 'bytes', bytes: value } };
  if (typeof value === 'string') return { picture: await textPicture(value, access, where) };
  const { width, height, data, channels, time, picture } = (value ?? {}) as Record<string, unknown>;
  const at = typeof time === 'number' && Number.isFinite(time) && time >= 0 ? { time } : {};
  if (picture !== undefined) {
    const inner = await timedPicture(picture, access, where);
    return { ...inner, ...at };
  }
  const isPixels = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  if (typeof width === 'number' && typeof height === 'number' && isPixels) {
    const found = channels ?? data.length / (width * height);
    if (found !== 1 && found !== 3 && found !== 4) {
      throw new EmotionError(
        'input.unusable',
        `Expected 1, 3 or 4 bytes a pixel, got ${data.length} bytes for ${width} × ${height}${where}`,
        { expected: '1, 3 or 4', got: data.length },
      );
    }
    return { picture: { width, height, channels: found, data }, ...at };
  }
  throw new EmotionError(
    'input.wrong-type',
    `Expected a buffer, a path, base64, pixels { width, height, data } or an array of these, got ${describeValue(value)}${where}`,
    { expected: 'picture', got: describeValue(value) },
  );
}

async function textPicture(
  text: string,
  access: MediaAccess,
  where: string,
): Promise<PictureMedia> {
  const prefix = DATA_URL.exec(text)?.[0];
  if (prefix === undefined && !BASE64.test(text.trim())) {
    if (text.trim() === '') {
      throw new EmotionError('input.unusable', `Expected a path or base64, got no text${where}`);
    }
    const media = await openNamed(text, access);
    if (media.kind !== 'pcm') return media;
  }
  const body = text.slice(prefix?.length ?? 0);
  const isBase64 = prefix === undefined || /;base64,$/i.test(prefix);
  const bytes = isBase64 ? Buffer.from(body, 'base64') : Buffer.from(percentDecoded(body, where));
  return { kind: 'bytes', bytes };
}

function percentDecoded(body: string, where: string): string {
  try {
    return decodeURIComponent(body);
  } catch (cause) {
    throw new EmotionError('input.unusable', `The data URL is damaged${where}`, {}, { cause });
  }
}
