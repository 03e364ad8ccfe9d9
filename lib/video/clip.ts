import type { Tensor } from '../emotion/sample';
import { EmotionError } from '../emotion/error';
import { CROP_SIZE } from './face-crop';

/** A crop and when it was seen, in seconds. */
export interface TimedCrop {
  readonly time: number;
  /** `[side, side]` grey values 0–255. */
  readonly crop: ArrayLike<number>;
}

export interface ClipOptions {
  /** Frames a clip. */
  readonly frames: number;
  /** Length of a clip in seconds. */
  readonly seconds: number;
  /** Seconds from the start of one clip to that of the next. */
  readonly stepSeconds: number;
}

export const CLIP_DEFAULTS: ClipOptions = { frames: 16, seconds: 1.6, stepSeconds: 0.8 };

/** One clip of one face: `crops` has exactly the wanted number of frames. */
export interface FaceClip {
  readonly start: number;
  readonly end: number;
  readonly crops: readonly ArrayLike<number>[];
}

/**
 * Cuts what was seen of one face into clips of equal length. Each frame of a clip is the crop that
 * was seen nearest to its time, so gaps, dropped frames and other rates do no harm; the last clip ends
 * with the last crop. One crop (a still) becomes one clip that repeats it.
 *
 * @param crops in the order of time
 * @throws EmotionError `input.unusable` without a crop
 */
export function cutClips(
  crops: readonly TimedCrop[],
  options: Partial<ClipOptions> = {},
): FaceClip[] {
  const { frames, seconds, stepSeconds } = { ...CLIP_DEFAULTS, ...options };
  return spans(crops, seconds, stepSeconds).map(({ start, end }) => ({
    start,
    end,
    crops: nearestCrops(crops, start, end - start, frames),
  }));
}

/**
 * The most crops that one clip of a face has, for models whose clips may have any number of frames.
 *
 * @throws EmotionError `input.unusable` without a crop
 */
export function mostCrops(
  crops: readonly TimedCrop[],
  { seconds, stepSeconds }: Pick<ClipOptions, 'seconds' | 'stepSeconds'>,
): number {
  return Math.max(
    ...spans(crops, seconds, stepSeconds).map(
      ({ start, end }) =>
        crops.filter(({ time }) => time >= start - TOLERANCE && time <= end + TOLERANCE).length,
    ),
  );
}

/** Seconds by which rounding may move a time. */
const TOLERANCE = 1e-6;

function spans(
  crops: readonly TimedCrop[],
  seconds: number,
  stepSeconds: number,
): { start: number; end: number }[] {
  const [first, last] = [crops[0], crops.at(-1)];
  if (!first || !last) throw new EmotionError('input.unusable', 'A clip needs at least one crop');
  const length = Math.min(seconds, last.time - first.time);
  const lastStart = last.time - length;
  const starts: number[] = [];
  // The tolerance keeps rounding from adding a clip that differs from the one before by nothing.
  for (let start = first.time; start < lastStart - TOLERANCE; start += stepSeconds) {
    starts.push(start);
  }
  starts.push(lastStart);
  return starts.map((start) => ({ start, end: start + length }));
}

function nearestCrops(
  crops: readonly TimedCrop[],
  start: number,
  length: number,
  frames: number,
): ArrayLike<number>[] {
  let at = 0;
  return Array.from({ length: frames }, (_, frame) => {
    const wanted = start + (frames > 1 ? (length * frame) / (frames - 1) : 0);
    while (
      at + 1 < crops.length &&
      Math.abs(crops[at + 1]!.time - wanted) <= Math.abs(crops[at]!.time - wanted)
    ) {
      at++;
    }
    return crops[at]!.crop;
  });
}

/**
 * Stacks clips into the tensor that a clip model takes: `[batch, frames, 1, side, side]`, grey 0–1.
 *
 * @throws EmotionError `input.unusable` without a clip, or with clips of unequal length
 */
export function clipTensor(clips: readonly FaceClip[], side: number = CROP_SIZE): Tensor {
  const frames = clips[0]?.crops.length;
  if (frames === undefined || clips.some(({ crops }) => crops.length !== frames)) {
    throw new EmotionError('input.unusable', 'Clips of one batch need the same number of frames');
  }
  const pixels = side * side;
  const data = new Float32Array(clips.length * frames * pixels);
  clips.forEach(({ crops }, row) => {
    crops.forEach((crop, frame) => {
      const offset = (row * frames + frame) * pixels;
      for (let i = 0; i < pixels; i++) data[offset + i] = crop[i]! / 255;
    });
  });
  return { type: 'float32', dims: [clips.length, frames, 1, side, side], data };
}
