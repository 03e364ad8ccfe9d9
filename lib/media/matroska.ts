/** One packet of a captured track. */
export interface Packet {
  readonly kind: 'audio' | 'video';
  /** Seconds on the clock that all tracks share. */
  readonly time: number;
  /** Memory of its own. */
  readonly data: Uint8Array;
  /** Pixels; 0 for sound. */
  readonly width: number;
  readonly height: number;
}

const ID = {
  segment: 0x18538067,
  cluster: 0x1f43b675,
  blockGroup: 0xa0,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  video: 0xe0,
  trackNumber: 0xd7,
  trackType: 0x83,
  pixelWidth: 0xb0,
  pixelHeight: 0xba,
  clusterTime: 0xe7,
  simpleBlock: 0xa3,
  block: 0xa1,
} as const;

/** Elements whose content is read as elements again; the sizes of live ones are unknown. */
const CONTAINERS: ReadonlySet<number> = new Set([
  ID.segment,
  ID.cluster,
  ID.blockGroup,
  ID.tracks,
  ID.trackEntry,
  ID.video,
]);

interface Track {
  kind: 'audio' | 'video' | undefined;
  width: number;
  height: number;
}

/**
 * Reads the stream in which FFmpeg sends raw sound and raw pictures through one pipe: Matroska
 * (RFC 9559) as its muxer writes it, with millisecond timestamps, one frame a block, no lacing. One
 * pipe carries both kinds, so they share a clock and end together.
 */
export class MatroskaReader {
  private chunks: Uint8Array[] = [];
  private length = 0;
  /** Parse again when so many bytes are there; keeps a large picture from being copied per chunk. */
  private needed = 1;
  private clusterTime = 0;
  private entry: Track | undefined;
  private readonly tracks = new Map<number, Track>();

  *push(chunk: Uint8Array): Generator<Packet> {
    this.chunks.push(chunk);
    this.length += chunk.length;
    if (this.length < this.needed) return;

    const bytes = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    let at = 0;
    for (;;) {
      const id = readNumber(bytes, at, true);
      const size = id && readNumber(bytes, at + id.length, false);
      if (!id || !size) {
        this.needed = bytes.length - at + 1;
        break;
      }
      const body = at + id.length + size.length;
      if (CONTAINERS.has(id.value)) {
        if (id.value === ID.trackEntry) this.entry = { kind: undefined, width: 0, height: 0 };
        at = body;
        continue;
      }
      const end = body + size.value;
      if (end > bytes.length) {
        this.needed = end - at;
        break;
      }
      const packet = this.element(id.value, bytes.subarray(body, end));
      if (packet) yield packet;
      at = end;
    }
    this.chunks = at < bytes.length ? [bytes.subarray(at)] : [];
    this.length = bytes.length - at;
  }

  private element(id: number, body: Uint8Array): Packet | undefined {
    switch (id) {
      case ID.trackNumber:
        if (this.entry) this.tracks.set(unsigned(body), this.entry);
        return undefined;
      case ID.trackType:
        if (this.entry) this.entry.kind = unsigned(body) === 1 ? 'video' : 'audio';
        return undefined;
      case ID.pixelWidth:
        if (this.entry) this.entry.width = unsigned(body);
        return undefined;
      case ID.pixelHeight:
        if (this.entry) this.entry.height = unsigned(body);
        return undefined;
      case ID.clusterTime:
        this.clusterTime = unsigned(body);
        return undefined;
      case ID.simpleBlock:
      case ID.block:
        return this.packet(body);
      default:
        return undefined;
    }
  }

  /** Block: track number, signed 16-bit time against the cluster's, flags, then the frame. */
  private packet(body: Uint8Array): Packet | undefined {
    const number = readNumber(body, 0, false);
    if (!number || body.length < number.length + 3) return undefined;
    const track = this.tracks.get(number.value);
    if (!track?.kind) return undefined;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    return {
      kind: track.kind,
      time: (this.clusterTime + view.getInt16(number.length)) / 1000,
      data: new Uint8Array(body.subarray(number.length + 3)),
      width: track.width,
      height: track.height,
    };
  }
}

/** EBML's number of variable length (RFC 8794, section 4); identifiers keep their length marker. */
function readNumber(
  bytes: Uint8Array,
  at: number,
  keepMarker: boolean,
): { value: number; length: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  const length = Math.clz32(first) - 23;
  if (length > 8 || at + length > bytes.length) return undefined;
  let value = keepMarker ? first : first & ((1 << (8 - length)) - 1);
  for (let i = 1; i < length; i += 1) value = value * 256 + (bytes[at + i] ?? 0);
  return { value, length };
}

function unsigned(body: Uint8Array): number {
  let value = 0;
  for (const byte of body) value = value * 256 + byte;
  return value;
}
