import { murmurHash3 } from '../resilience/murmur-hash3';
import { wordUnitTable } from './fold';

/** Characters of a shingle of scripts without blanks; those of others are two words. */
const CHARACTERS = 3;
/** UTF-16 units of a shingle that are looked at: words without end are no words. */
const LONGEST = 1000;
const BLANK = 0x20;

/**
 * Hashes of the shingles of texts: three characters where words have no blanks between them, two words
 * elsewhere. A word of an alphabet and a single character of another script are one unit each, and a
 * shingle that begins with a character is the three units from there on.
 *
 * The text is encoded once, and most shingles are hashed where they lie in it, so that few strings are
 * made of a text.
 */
export class Shingler {
  readonly #words = wordUnitTable();
  /** UTF-8 of the units; between two words stands a blank, between other units nothing. */
  #bytes = new Uint8Array(1024);
  /** Of each unit: where it begins and ends in the bytes and in the text. */
  #byteStarts = new Uint32Array(256);
  #byteEnds = new Uint32Array(256);
  #starts = new Uint32Array(256);
  #ends = new Uint32Array(256);
  /** 1 where a unit is a word. */
  #isWord = new Uint8Array(256);
  #hashes = new Uint32Array(256);

  /**
   * @param text letters, digits and pictographs with single blanks between runs of them
   * @param most at most so many: the smallest
   * @returns different hashes in rising order; none for an empty text
   */
  hashes(text: string, most: number): Uint32Array {
    this.#reserve(text.length);
    const units = this.#encode(text);
    const hashes = this.#hashes;
    let count = 0;
    for (let at = 0; at < units; at += 1) {
      if (this.#isWord[at] === 1) {
        if (at > 0 && this.#isWord[at - 1] === 1) {
          hashes[count++] = this.#hash(text, at - 1, at);
        }
      } else if (at + CHARACTERS <= units) {
        hashes[count++] = this.#hash(text, at, at + CHARACTERS - 1);
      }
    }
    // A text that is shorter than a shingle is one itself.
    if (count === 0 && units > 0)
      hashes[count++] = hashOf(this.#units(text, 0, units - 1).join(' '));
    return smallest(hashes.subarray(0, count), most);
  }

  #reserve(length: number): void {
    if (this.#hashes.length >= length) return;
    const size = 2 * length;
    // Two words have a blank between them, so units and blanks are no more than the text's.
    this.#bytes = new Uint8Array(3 * size);
    this.#byteStarts = new Uint32Array(size);
    this.#byteEnds = new Uint32Array(size);
    this.#starts = new Uint32Array(size);
    this.#ends = new Uint32Array(size);
    this.#isWord = new Uint8Array(size);
    this.#hashes = new Uint32Array(size);
  }

  /** @returns the number of units */
  #encode(text: string): number {
    const bytes = this.#bytes;
    let units = 0;
    let to = 0;
    let inWord = false;
    for (let at = 0; at < text.length; at += 1) {
      let code = text.charCodeAt(at);
      const isWord = this.#words[code] === 1;
      if (inWord && !isWord) {
        this.#byteEnds[units] = to;
        this.#ends[units] = at;
        units += 1;
        inWord = false;
      }
      if (code === BLANK) continue;
      if (!inWord) {
        if (isWord && units > 0 && this.#isWord[units - 1] === 1) bytes[to++] = BLANK;
        this.#isWord[units] = isWord ? 1 : 0;
        this.#byteStarts[units] = to;
        this.#starts[units] = at;
        inWord = isWord;
      }
      if (code >= 0xd800 && code <= 0xdfff) {
        code = text.codePointAt(at)!;
        if (code > 0xffff) at += 1;
        else code = 0xfffd;
      }
      to = putUtf8(bytes, to, code);
      if (!isWord) {
        this.#byteEnds[units] = to;
        this.#ends[units] = at + 1;
        units += 1;
      }
    }
    if (inWord) {
      this.#byteEnds[units] = to;
      this.#ends[units] = text.length;
      units += 1;
    }
    return units;
  }

  /** The hash of the units of one shingle. */
  #hash(text: string, first: number, last: number): number {
    const isWords = this.#isWord[first] === 1;
    // A shingle of characters has no blanks, even where two words stand in it.
    const blankInside = !isWords && this.#isWord[last - 1] === 1 && this.#isWord[last] === 1;
    if (blankInside || this.#ends[last]! - this.#starts[first]! > LONGEST) {
      return hashOf(this.#units(text, first, last).join(isWords ? ' ' : ''));
    }
    return murmurHash3(this.#bytes, this.#byteStarts[first]!, this.#byteEnds[last]!);
  }

  #units(text: string, first: number, last: number): string[] {
    const units: string[] = [];
    for (let at = first; at <= last; at += 1) {
      units.push(text.slice(this.#starts[at], this.#ends[at]));
    }
    return units;
  }
}

function hashOf(shingle: string): number {
  const bytes = Buffer.from(shingle.slice(0, LONGEST));
  return murmurHash3(bytes, 0, bytes.length);
}

function putUtf8(bytes: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    bytes[at++] = code;
    return at;
  }
  if (code < 0x800) {
    bytes[at++] = 0xc0 | (code >> 6);
  } else {
    if (code < 0x10000) {
      bytes[at++] = 0xe0 | (code >> 12);
    } else {
      bytes[at++] = 0xf0 | (code >> 18);
      bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
    }
    bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
  }
  bytes[at++] = 0x80 | (code & 0x3f);
  return at;
}

/** The smallest different ones of some hashes, in rising order. Changes the order of what it is given. */
function smallest(hashes: Uint32Array, most: number): Uint32Array {
  hashes.sort();
  let kept = 0;
  for (let at = 0; at < hashes.length && kept < most; at += 1) {
    if (kept === 0 || hashes[at] !== hashes[kept - 1]) hashes[kept++] = hashes[at]!;
  }
  return hashes.slice(0, kept);
}
