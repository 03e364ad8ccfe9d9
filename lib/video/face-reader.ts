import { alignedCrop, CROP_SIZE, cropRegion } from './face-crop';
import {
  FINDER_DEFAULTS,
  NetFaceFinder,
  type FaceFinder,
  type FaceFinderOptions,
  type FoundFace,
} from './face-finder';
import { faceQuality, type FaceQuality } from './face-quality';
import { FaceTracker } from './face-tracker';
import { ibug68 } from './ibug68';
import type { Net } from './net';
import type { Picture } from './picture';
import type { Point, Region } from './region';

/** One face of one picture. */
export interface Face extends FoundFace {
  /** Stays the same through a clip; 1 for the first face seen. */
  readonly id: number;
  /** The 68 iBUG points in pixels. */
  readonly landmarks: readonly Point[];
  /** What the emotion models see: `[side, side]` grey values 0–255. */
  readonly crop: Float32Array;
  /** The square that the crop was cut from. */
  readonly region: Region;
  readonly quality: FaceQuality;
}

export interface FaceReaderOptions extends FaceFinderOptions {
  /** Side of the crops in pixels. */
  readonly cropSide: number;
}

export const READER_DEFAULTS: FaceReaderOptions = { ...FINDER_DEFAULTS, cropSide: CROP_SIZE };

/**
 * Picture → faces: mesh, 68 points, aligned crop, quality. Holds what it knows of the last frames of
 * one clip; `reset` forgets it.
 *
 * @example
 * const reader = new FaceReader({ detector, mesh }, { maxFaces: 2 });
 * for (const { time, ...picture } of frames) faces.push(await reader.read(picture, time));
 */
export class FaceReader {
  readonly #finder: FaceFinder;
  readonly #cropSide: number;
  #tracker = new FaceTracker();
  #lastTime = -Infinity;

  constructor(
    finder: FaceFinder | { readonly detector: Net; readonly mesh: Net },
    options: Partial<FaceReaderOptions> = {},
  ) {
    this.#finder = 'find' in finder ? finder : new NetFaceFinder(finder, options);
    this.#cropSide = options.cropSide ?? READER_DEFAULTS.cropSide;
  }

  /** Forgets the clip: the next picture has nothing to do with those before. */
  reset(): void {
    this.#finder.reset();
    this.#tracker = new FaceTracker();
    this.#lastTime = -Infinity;
  }

  /**
   * The faces of one picture that stands alone, the largest first. Keeps no memory of it.
   *
   * @throws EmotionError `input.unusable`, `model.inputs-mismatch`, and what the nets throw
   */
  async readStill(picture: Picture): Promise<Face[]> {
    this.reset();
    const faces = await this.read(picture, 0);
    this.reset();
    return faces;
  }

  /**
   * The faces of the next frame of a clip, the largest first.
   *
   * @param time seconds; a time before the last one starts a new clip
   * @throws EmotionError `input.unusable`, `model.inputs-mismatch`, and what the nets throw
   */
  async read(picture: Picture, time: number): Promise<Face[]> {
    if (time < this.#lastTime) this.reset();
    this.#lastTime = time;
    const found = await this.#finder.find(picture, time);
    const ids = this.#tracker.update(
      found.map(({ box }) => box),
      time,
    );
    return found
      .map((face, index) => this.#describe(picture, face, ids[index]!))
      .sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
  }

  #describe(picture: Picture, found: FoundFace, id: number): Face {
    const { mesh } = found;
    const region = cropRegion(mesh);
    return {
      id,
      ...found,
      landmarks: ibug68(mesh),
      crop: alignedCrop(picture, mesh, this.#cropSide),
      region,
      quality: faceQuality(picture, mesh, region),
    };
  }
}
