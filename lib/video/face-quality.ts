import { faceSize } from './face-crop';
import { headPose, type HeadPose } from './head-pose';
import type { Picture } from './picture';
import { cropGrey, type Region } from './region';

/** Why the emotion of a face should not be trusted. */
export type QualityFlaw = 'small' | 'blurred' | 'turned' | 'dark' | 'bright' | 'cut';

export interface FaceQuality {
  /** Distance of the outer eye corners or its like for a turned head, in pixels; see `faceSize`. */
  readonly size: number;
  /** Mean grey of the face, 0–1. */
  readonly brightness: number;
  /** Standard deviation of the grey, 0–1. */
  readonly contrast: number;
  /**
   * Energy of the Laplacian over that of the grey, in a crop of 64 × 64 pixels: does not depend on
   * light or contrast. About 0.05 for an enlarged or unsharp face, over 0.2 for a sharp one.
   */
  readonly sharpness: number;
  readonly pose: HeadPose;
  /** Share of the face's square that lies inside the picture, 0–1. */
  readonly inside: number;
  readonly flaws: readonly QualityFlaw[];
}

export interface QualityLimits {
  readonly minSize: number;
  readonly minSharpness: number;
  readonly maxYaw: number;
  readonly maxPitch: number;
  readonly minBrightness: number;
  readonly maxBrightness: number;
  readonly minInside: number;
}

/** Beyond these the emotion models have hardly seen a face. */
export const QUALITY_LIMITS: QualityLimits = {
  minSize: 14,
  minSharpness: 0.01,
  maxYaw: 50,
  maxPitch: 40,
  minBrightness: 0.06,
  maxBrightness: 0.95,
  minInside: 0.75,
};

/** Side of the crop that light and sharpness are measured on. */
const SIDE = 64;

/**
 * Measures how well a face can be read.
 *
 * @param points mesh `[468, 3]`
 * @param region the square that the emotion models see, see `cropRegion`
 */
export function faceQuality(
  picture: Picture,
  points: Float32Array,
  region: Region,
  limits: QualityLimits = QUALITY_LIMITS,
): FaceQuality {
  // The middle of the crop: the face without hair and background.
  const grey = cropGrey(picture, { ...region, side: region.side * 0.7 }, SIDE);
  const mean = grey.reduce((sum, value) => sum + value, 0) / grey.length;
  const variance = grey.reduce((sum, value) => sum + (value - mean) ** 2, 0) / grey.length;
  const size = faceSize(points);
  const measured = {
    size,
    brightness: mean / 255,
    contrast: Math.sqrt(variance) / 255,
    sharpness: variance > 0 ? laplacianEnergy(grey) / variance : 0,
    pose: headPose(points),
    inside: shareInside(picture, region),
  };
  return { ...measured, flaws: flawsOf(measured, limits) };
}

function laplacianEnergy(grey: Float32Array): number {
  let sum = 0;
  for (let y = 1; y < SIDE - 1; y++) {
    for (let x = 1; x < SIDE - 1; x++) {
      const at = y * SIDE + x;
      const value =
        grey[at - 1]! + grey[at + 1]! + grey[at - SIDE]! + grey[at + SIDE]! - 4 * grey[at]!;
      sum += value * value;
    }
  }
  return sum / (SIDE - 2) ** 2;
}

/** Share of the upright square about a region's middle that the picture covers. */
function shareInside({ width, height }: Picture, { x, y, side }: Region): number {
  const across = Math.min(width, x + side / 2) - Math.max(0, x - side / 2);
  const down = Math.min(height, y + side / 2) - Math.max(0, y - side / 2);
  return (Math.max(0, across) * Math.max(0, down)) / side ** 2;
}

function flawsOf(quality: Omit<FaceQuality, 'flaws'>, limits: QualityLimits): QualityFlaw[] {
  const { size, sharpness, pose, brightness, inside } = quality;
  const checks: readonly [QualityFlaw, boolean][] = [
    ['small', size < limits.minSize],
    ['blurred', sharpness < limits.minSharpness],
    ['turned', Math.abs(pose.yaw) > limits.maxYaw || Math.abs(pose.pitch) > limits.maxPitch],
    ['dark', brightness < limits.minBrightness],
    ['bright', brightness > limits.maxBrightness],
    ['cut', inside < limits.minInside],
  ];
  return checks.filter(([, holds]) => holds).map(([flaw]) => flaw);
}
