const ascii = (bytes: Uint8Array, at: number, length: number) =>
  String.fromCharCode(...bytes.subarray(at, at + length));

/** First bytes of containers and codec streams, by where they stand. */
const SIGNATURES: readonly (readonly [number, string])[] = [
  [0, 'RIFF'],
  [0, 'RIFX'],
  [0, 'RF64'],
  [0, 'FORM'],
  [0, 'OggS'],
  [0, 'fLaC'],
  [0, 'ID3'],
  [0, 'caff'],
  [0, '.snd'],
  [0, '#!AMR'],
  [0, 'wvpk'],
  [0, 'TTA1'],
  [0, 'MAC '],
  [0, 'FLV\x01'],
  [0, '\x1a\x45\xdf\xa3'],
  [0, '\x30\x26\xb2\x75'],
  [4, 'ftyp'],
  [4, 'moov'],
  [4, 'mdat'],
];

/**
 * Whether bytes begin like a sound or film in a container, or like MP3 or AAC frames: what carries its
 * own sample rate. `false` for raw samples, and for everything else.
 */
export function isContainer(bytes: Uint8Array): boolean {
  if (SIGNATURES.some(([at, text]) => ascii(bytes, at, text.length) === text)) return true;
  return isMpegFrame(bytes);
}

/** A header of MPEG audio (ISO/IEC 11172-3, layer II or III) or ADTS (ISO/IEC 13818-7). */
function isMpegFrame(bytes: Uint8Array): boolean {
  const [first = 0, second = 0, third = 0] = bytes;
  if (first !== 0xff || (second & 0xe0) !== 0xe0) return false;
  const version = (second >> 3) & 3;
  const layer = (second >> 1) & 3;
  if (layer === 0) return version >= 2 && ((third >> 2) & 15) < 13;
  const bitrate = third >> 4;
  return version !== 1 && layer !== 3 && bitrate > 0 && bitrate < 15 && ((third >> 2) & 3) !== 3;
}

/** Brands of ISO/IEC 23008-12 for pictures coded as in H.265. */
const HEIC_BRANDS: ReadonlySet<string> = new Set(['heic', 'heix', 'heim', 'heis', 'mif1', 'mif2']);

/**
 * Whether bytes begin like a single picture in a film's container: AVIF, or HEIC as telephones make
 * it. `undefined` for films, series of pictures, and everything else.
 */
export function containedPicture(bytes: Uint8Array): 'avif' | 'heic' | undefined {
  if (ascii(bytes, 4, 4) !== 'ftyp') return undefined;
  const end = Math.min(bytes.length, ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0), 128);
  const brands = [ascii(bytes, 8, 4)];
  for (let at = 16; at + 4 <= end; at += 4) brands.push(ascii(bytes, at, 4));
  if (!brands.some((brand) => brand === 'avif' || HEIC_BRANDS.has(brand))) return undefined;
  const [major] = brands;
  if (major === 'avif' || (major === 'mif1' && brands.includes('avif'))) return 'avif';
  return HEIC_BRANDS.has(major!) ? 'heic' : undefined;
}
