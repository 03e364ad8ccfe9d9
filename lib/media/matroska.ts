/** One packet of a captured track. */
export interface Packet {
  readonly kind: 'audio' | 'video';
  /** Seconds on the clock that all tracks share. */
  readonly time: number;
  /** Memory of its own; that of samples starts with them. */
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

const EMPTY = new Uint8Array(0);

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
  /** The first bytes of an element whose size is not known yet. */
  private rest: Uint8Array = EMPTY;
  /** The body of an element that has arrived in part: gathered in one place, copied once. */
  private part: { readonly id: number; readonly body: Buffer; filled: number } | undefined;
  private clusterTime = 0;
  private entry: Track | undefined;
  private readonly tracks = new Map<number, Track>();

  *push(chunk: Uint8Array): Generator<Packet> {
    let bytes = chunk;
    if (this.part) {
      const { id, body, filled } = this.part;
      const more = bytes.subarray(0, body.length - filled);
      body.set(more, filled);
      this.part.filled += more.length;
      if (this.part.filled < body.length) return;
      this.part = undefined;
      const packet = this.element(id, body, true);
      if (packet) yield packet;
      bytes = bytes.subarray(more.length);
    } else if (this.rest.length > 0) {
      bytes = Buffer.concat([this.rest, bytes]);
    }
    this.rest = EMPTY;

    let at = 0;
    while (at < bytes.length) {
      const id = readNumber(bytes, at, true);
      const size = id && readNumber(bytes, at + id.length, false);
      if (!id || !size) {
        this.rest = Uint8Array.from(bytes.subarray(at));
        return;
      }
      const body = at + id.length + size.length;
      if (CONTAINERS.has(id.value)) {
        if (id.value === ID.trackEntry) this.entry = { kind: undefined, width: 0, height: 0 };
        at = body;
        continue;
      }
      const end = body + size.value;
      if (end > bytes.length) {
        const whole = Buffer.allocUnsafeSlow(size.value);
        whole.set(bytes.subarray(body));
        this.part = { id: id.value, body: whole, filled: bytes.length - body };
        return;
      }
      const packet = this.element(id.value, bytes.subarray(body, end), false);
      if (packet) yield packet;
      at = end;
    }
  }

  /** @param owned whether nothing else lies in the memory of `body` */
  private element(id: number, body: Uint8Array, owned: boolean): Packet | undefined {
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
        return this.packet(body, owned);
      default:
        return undefined;
    }
  }

  /** Block: track number, signed 16-bit time against the cluster's, flags, then the frame. */
  private packet(body: Uint8Array, owned: boolean): Packet | undefined {
    const number = readNumber(body, 0, false);
    if (!number || body.length < number.length + 3) return undefined;
    const track = this.tracks.get(number.value);
    if (!track?.kind) return undefined;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const data = body.subarray(number.length + 3);
    return {
      kind: track.kind,
      time: (this.clusterTime + view.getInt16(number.length)) / 1000,
      // Samples start where memory does: numbers of four bytes have to.
      data: owned && track.kind === 'video' ? data : new Uint8Array(data),
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
