import { intersectionOverUnion } from './face-detector';
import type { Box } from './region';

export interface TrackerOptions {
  /** A face that was not seen for longer is forgotten; when it comes back it gets a new id. */
  readonly forgetAfterSeconds: number;
  /** Least overlap (intersection over union) of a face with where it was expected. */
  readonly minOverlap: number;
}

export const TRACKER_DEFAULTS: TrackerOptions = { forgetAfterSeconds: 1, minOverlap: 0.2 };

interface Track {
  readonly id: number;
  box: Box;
  /** Pixels a second of the box's centre. */
  speed: readonly [number, number];
  seen: number;
}

/**
 * Gives each face of a clip a number that stays with it. A face belongs to the track whose box,
 * moved on at its last speed, it overlaps most; pairs are made from the best overlap down.
 *
 * @example
 * const tracker = new FaceTracker();
 * tracker.update([[10, 10, 50, 50]], 0); // → [1]
 * tracker.update([[200, 10, 50, 50], [14, 10, 50, 50]], 0.1); // → [2, 1]
 */
export class FaceTracker {
  #tracks: Track[] = [];
  #next = 1;
  readonly #options: TrackerOptions;

  constructor(options: Partial<TrackerOptions> = {}) {
    this.#options = { ...TRACKER_DEFAULTS, ...options };
  }

  /**
   * @param boxes faces of one frame
   * @param time of the frame in seconds; not before that of the frame before
   * @returns the id of each face, in the order of the boxes
   */
  update(boxes: readonly Box[], time: number): number[] {
    this.#tracks = this.#tracks.filter((t) => time - t.seen <= this.#options.forgetAfterSeconds);
    const pairs = boxes
      .flatMap((box, index) =>
        this.#tracks.map((track) => ({
          index,
          track,
          overlap: intersectionOverUnion(box, expected(track, time)),
        })),
      )
      .filter((pair) => pair.overlap >= this.#options.minOverlap)
      .sort((a, b) => b.overlap - a.overlap);
    const ids = new Map<number, number>();
    const taken = new Set<Track>();
    for (const { index, track } of pairs) {
      if (ids.has(index) || taken.has(track)) continue;
      ids.set(index, track.id);
      taken.add(track);
      move(track, boxes[index]!, time);
    }
    return boxes.map((box, index) => {
      const known = ids.get(index);
      if (known !== undefined) return known;
      const track: Track = { id: this.#next++, box, speed: [0, 0], seen: time };
      this.#tracks.push(track);
      return track.id;
    });
  }
}

function expected({ box, speed, seen }: Track, time: number): Box {
  const elapsed = time - seen;
  return [box[0] + speed[0] * elapsed, box[1] + speed[1] * elapsed, box[2], box[3]];
}

function move(track: Track, box: Box, time: number): void {
  const elapsed = time - track.seen;
  if (elapsed > 0) {
    track.speed = [0, 1].map((axis) => {
      const centre = (b: Box): number => b[axis]! + b[axis + 2]! / 2;
      return (centre(box) - centre(track.box)) / elapsed;
    }) as [number, number];
  }
  track.box = box;
  track.seen = time;
}
