import type { Result } from '../emotion/result';

/** Numbers, labels and names of one Result or segment, roughly. */
const FIXED_BYTES = 512;

/**
 * About how much memory a Result holds, in bytes: its texts at two bytes a UTF-16 unit and a fixed
 * share for the rest. A sender decides how long texts are, so the aligners count them. A Result
 * from outside may hold anything where a text should be; what is no string is not counted.
 */
export function resultBytes({ source, segments }: Result): number {
  let bytes = FIXED_BYTES;
  for (const member of Object.values(source) as unknown[]) bytes += textBytes(member);
  if (!Array.isArray(segments)) return bytes;
  for (const segment of segments as readonly Record<string, unknown>[]) {
    bytes += FIXED_BYTES + textBytes(segment?.['text']);
    const tokens = segment?.['tokens'];
    if (Array.isArray(tokens)) bytes += tokens.length * 64;
  }
  return bytes;
}

function textBytes(value: unknown): number {
  return typeof value === 'string' ? 2 * value.length : 0;
}
