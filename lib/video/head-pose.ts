/** Degrees. */
export interface HeadPose {
  /** Positive when the face turns to the right of the picture. */
  readonly yaw: number;
  /** Positive when the face looks up. */
  readonly pitch: number;
  /** Positive when the head leans to the right of the picture (clockwise). */
  readonly roll: number;
}

type Vector = readonly [number, number, number];

/** Vertices of the mesh: the cheeks before the ears, the forehead and the chin. */
const LEFT_CHEEK = 234;
const RIGHT_CHEEK = 454;
const FOREHEAD = 10;
const CHIN = 152;

const degrees = (radians: number): number => (radians * 180) / Math.PI;

function between(points: Float32Array, from: number, to: number): Vector {
  return [0, 1, 2].map((axis) => points[to * 3 + axis]! - points[from * 3 + axis]!) as [
    number,
    number,
    number,
  ];
}

/**
 * The turn of the head from the frame that the cheeks and the line from forehead to chin span.
 * An estimate of a few degrees, enough to know that a face is turned away.
 *
 * @param points mesh `[468, 3]`, depth negative towards the camera
 */
export function headPose(points: Float32Array): HeadPose {
  const across = between(points, LEFT_CHEEK, RIGHT_CHEEK);
  const down = between(points, FOREHEAD, CHIN);
  // Out of the face, towards the camera: down × across.
  const forward: Vector = [
    down[1] * across[2] - down[2] * across[1],
    down[2] * across[0] - down[0] * across[2],
    down[0] * across[1] - down[1] * across[0],
  ];
  return {
    yaw: degrees(Math.atan2(forward[0], -forward[2])),
    pitch: degrees(Math.atan2(-forward[1], Math.hypot(forward[0], forward[2]))),
    roll: degrees(Math.atan2(across[1], across[0])),
  };
}
