import { alignedCrop, cropRegion } from './face-crop';
import { type DetectorOptions, DETECTOR_DEFAULTS, FaceDetector, suppress } from './face-detector';
import { boxOfMesh, FaceMesh, regionOfDetection, regionOfMesh } from './face-mesh';
import { faceQuality, type FaceQuality } from './face-quality';
import { FaceTracker } from './face-tracker';
import { ibug68 } from './ibug68';
import type { Net } from './net';
import type { Picture } from './picture';
import type { Box, Point, Region } from './region';

/** One face of one picture. */
export interface Face {
  /** Stays the same through a clip; 1 for the first face seen. */
  readonly id: number;
  /** Around the points of the mesh, in pixels. */
  readonly box: Box;
  /** Probability that this is a face, 0–1. */
  readonly score: number;
  /** `[468, 3]`, see `Mesh`. */
  readonly mesh: Float32Array;
  /** The 68 iBUG points in pixels. */
  readonly landmarks: readonly Point[];
  /** What the emotion models see: `[48, 48]` grey values 0–255. */
  readonly crop: Float32Array;
  readonly quality: FaceQuality;
}

export interface FaceReaderOptions extends DetectorOptions {
  /** Faces whose box is narrower are left out, in pixels. */
  readonly minSize: number;
  /** Least probability of the mesh net that it looks at a face. */
  readonly minPresence: number;
  /**
   * In a clip, faces are followed from frame to frame and the detector, which costs more, looks for
   * new ones after so many seconds, or at once when a face was lost.
   */
  readonly detectEverySeconds: number;
}

export const READER_DEFAULTS: FaceReaderOptions = {
  ...DETECTOR_DEFAULTS,
  minSize: 20,
  minPresence: 0.5,
  detectEverySeconds: 0.5,
};

interface Found {
  readonly mesh: Float32Array;
  readonly box: Box;
  readonly score: number;
}

/**
 * Picture → faces: detector, mesh, 68 points, aligned crop, quality. Holds what it knows of the last
 * frames of one clip; `reset` forgets it.
 *
 * @example
 * const reader = new FaceReader({ detector, mesh }, { maxFaces: 2 });
 * for (const { time, ...picture } of frames) faces.push(await reader.read(picture, time));
 */
export class FaceReader {
  readonly #detector: FaceDetector;
  readonly #mesh: FaceMesh;
  readonly #options: FaceReaderOptions;
  #tracker = new FaceTracker();
  #followed: readonly Found[] = [];
  #detectedAt = -Infinity;
  #lastTime = -Infinity;

  constructor(
    nets: { readonly detector: Net; readonly mesh: Net },
    options: Partial<FaceReaderOptions> = {},
  ) {
    this.#detector = new FaceDetector(nets.detector);
    this.#mesh = new FaceMesh(nets.mesh);
    this.#options = { ...READER_DEFAULTS, ...options };
  }

  /** Forgets the clip: the next picture has nothing to do with those before. */
  reset(): void {
    this.#tracker = new FaceTracker();
    this.#followed = [];
    this.#detectedAt = -Infinity;
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
    const followed = await this.#fitAll(
      picture,
      this.#followed.map(({ mesh }) => regionOfMesh(mesh)),
      this.#followed.map(({ score }) => score),
    );
    const lost = followed.length < this.#followed.length || followed.length === 0;
    const due = time - this.#detectedAt >= this.#options.detectEverySeconds;
    let found = followed;
    if (lost || (due && followed.length < this.#options.maxFaces)) {
      this.#detectedAt = time;
      const detections = await this.#detector.detect(picture, this.#options);
      const fresh = await this.#fitAll(
        picture,
        detections.map(regionOfDetection),
        detections.map(({ score }) => score),
      );
      // A face that is followed already wins: its place in the list is the surer one.
      found = suppress(
        [...followed.map((f) => ({ ...f, score: 1 + f.score })), ...fresh],
        this.#options.maxOverlap,
        this.#options.maxFaces,
      ).map((f) => (f.score > 1 ? { ...f, score: f.score - 1 } : f));
    }
    this.#followed = found;
    const ids = this.#tracker.update(
      found.map(({ box }) => box),
      time,
    );
    return found
      .map((face, index) => describe(picture, face, ids[index]!))
      .sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
  }

  async #fitAll(
    picture: Picture,
    regions: readonly Region[],
    scores: readonly number[],
  ): Promise<Found[]> {
    const found: Found[] = [];
    for (const [index, region] of regions.entries()) {
      const { points, present } = await this.#mesh.fit(picture, region);
      const box = boxOfMesh(points);
      if (present < this.#options.minPresence || box[2] < this.#options.minSize) continue;
      found.push({ mesh: points, box, score: scores[index]! });
    }
    return found;
  }
}

function describe(picture: Picture, { mesh, box, score }: Found, id: number): Face {
  return {
    id,
    box,
    score,
    mesh,
    landmarks: ibug68(mesh),
    crop: alignedCrop(picture, mesh),
    quality: faceQuality(picture, mesh, cropRegion(mesh)),
  };
}
