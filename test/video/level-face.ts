import type { Point } from '../../lib/video/region';

/** A drawn face: symmetric about x = 0, eyes level at y = 0, one unit from eye to eye. */
export function levelFace(change: Readonly<Record<number, Point>> = {}): Point[] {
  const half: Record<number, Point> = {
    ...Object.fromEntries(
      Array.from({ length: 9 }, (_, i) => {
        const angle = (Math.PI / 2) * (i / 8);
        return [i, [-Math.cos(angle), 0.1 + 1.2 * Math.sin(angle)] as Point];
      }),
    ),
    ...Object.fromEntries(
      Array.from({ length: 5 }, (_, i) => [17 + i, [-0.75 + 0.14 * i, -0.3] as Point]),
    ),
    ...{ 27: [0, 0], 28: [0, 0.1], 29: [0, 0.2], 30: [0, 0.3] },
    ...{ 31: [-0.15, 0.4], 32: [-0.07, 0.42], 33: [0, 0.44] },
    ...{ 36: [-0.7, 0], 37: [-0.57, -0.06], 38: [-0.43, -0.06] },
    ...{ 39: [-0.3, 0], 40: [-0.43, 0.06], 41: [-0.57, 0.06] },
    ...{ 48: [-0.35, 0.75], 49: [-0.2, 0.7], 50: [-0.08, 0.67], 51: [0, 0.68] },
    ...{ 59: [-0.2, 0.82], 58: [-0.08, 0.85], 57: [0, 0.86] },
    ...{ 60: [-0.28, 0.75], 61: [-0.08, 0.74], 62: [0, 0.74], 67: [-0.08, 0.77], 66: [0, 0.77] },
  };
  const mirror: Record<number, number> = {
    ...Object.fromEntries(Array.from({ length: 9 }, (_, i) => [16 - i, i])),
    ...Object.fromEntries(Array.from({ length: 5 }, (_, i) => [26 - i, 17 + i])),
    ...{ 35: 31, 34: 32, 45: 36, 44: 37, 43: 38, 42: 39, 47: 40, 46: 41 },
    ...{ 54: 48, 53: 49, 52: 50, 55: 59, 56: 58, 64: 60, 63: 61, 65: 67 },
  };
  return Array.from({ length: 68 }, (_, index) => {
    if (change[index]) return change[index];
    if (half[index]) return half[index];
    const [x, y] = half[mirror[index]!]!;
    return [-x, y];
  });
}
