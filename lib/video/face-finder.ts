import { type DetectorOptions, DETECTOR_DEFAULTS, FaceDetector, suppress } from './face-detector';
import { boxOfMesh, FaceMesh, regionOfDetection, regionOfMesh } from './face-mesh';
import type { Net } from './net';
import type { Picture } from './picture';
import type { Box, Region } from './region';

/** A face and its mesh. */
export interface FoundFace {
  /** `[468, 3]`, see `Mesh`. */
  readonly mesh: Float32Array;
  /** Around the points of the mesh, in pixels. */
  readonly box: Box;
  /** Probability that this is a face, 0–1. */
  readonly score: number;
}

/** Finds the faces of a picture: what the engines for faces have in common. */
export interface FaceFinder {
  /** Forgets the clip: the next picture has nothing to do with those before. */
  reset(): void;
  /**
   * The faces of the next picture of a clip, in any order.
   *
   * @param time seconds; never before that of the picture before
   * @throws EmotionError `input.unusable`, `model.inputs-mismatch`, and what the nets throw
   */
  find(picture: Picture, time: number): Promise<readonly FoundFace[]>;
}

export interface FaceFinderOptions extends DetectorOptions {
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

export const FINDER_DEFAULTS: FaceFinderOptions = {
  ...DETECTOR_DEFAULTS,
  minSize: 20,
  minPresence: 0.5,
  detectEverySeconds: 0.5,
};

/** Detector, then mesh; in a clip, the mesh of one frame is where the next begins. */
export class NetFaceFinder implements FaceFinder {
  readonly #detector: FaceDetector;
  readonly #mesh: FaceMesh;
  readonly #options: FaceFinderOptions;
  #followed: readonly FoundFace[] = [];
  #detectedAt = -Infinity;

  constructor(
    nets: { readonly detector: Net; readonly mesh: Net },
    options: Partial<FaceFinderOptions> = {},
  ) {
    this.#detector = new FaceDetector(nets.detector);
    this.#mesh = new FaceMesh(nets.mesh);
    this.#options = { ...FINDER_DEFAULTS, ...options };
  }

  reset(): void {
    this.#followed = [];
    this.#detectedAt = -Infinity;
  }

  async find(picture: Picture, time: number): Promise<readonly FoundFace[]> {
    const followed = await this.#fitAll(
      picture,
      this.#followed.map(({ mesh }) => regionOfMesh(mesh)),
      this.#followed.map(({ score }) => score),
    );
    const lost = followed.length < this.#followed.length || followed.length === 0;
    const due = time - this.#detectedAt >= this.#options.detectEverySeconds;
    let found: readonly FoundFace[] = followed;
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
    return found;
  }

  async #fitAll(
    picture: Picture,
    regions: readonly Region[],
    scores: readonly number[],
  ): Promise<FoundFace[]> {
    const found: FoundFace[] = [];
    for (const [index, region] of regions.entries()) {
      const { points, present } = await this.#mesh.fit(picture, region);
      const box = boxOfMesh(points);
      if (present < this.#options.minPresence || box[2] < this.#options.minSize) continue;
      found.push({ mesh: points, box, score: scores[index]! });
    }
    return found;
  }
}
