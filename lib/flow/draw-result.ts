import type { Result } from '../emotion/result';
import type { Sample } from '../emotion/sample';
import type { EngineOutput } from '../engine/engine';
import { saliencyOf } from '../engine/interpret';
import type { Manifest } from '../models/manifest';
import type { Marked } from '../video/annotate';
import type { Picture } from '../video/picture';

/** What a picture of a result shows: nothing, labels, or also where the network looked. */
export const RESULT_PICTURES = ['none', 'labels', 'saliency'] as const;
export type ResultPicture = (typeof RESULT_PICTURES)[number];

/**
 * What is to be drawn of a result: its faces on the picture that the sample carries. Of a film, that
 * is the last picture with a face, and a face bears what its last clip gave.
 *
 * @returns undefined when nothing is wanted, or the sample carries no picture
 */
export function drawingOf(
  wanted: ResultPicture,
  sample: Sample,
  output: EngineOutput,
  result: Result,
  manifest: Manifest,
): { picture: Picture; faces: Marked[] } | undefined {
  if (wanted === 'none' || sample.modality !== 'video') return undefined;
  const { picture, faces = [], annotations = [] } = sample.features ?? {};
  if (picture === undefined) return undefined;
  const shown = new Set(annotations.map(({ bbox }) => bbox.join()));
  const marked = faces
    .filter(({ box }) => shown.has(box.join()))
    .map(({ id, box, landmarks, region }): Marked => {
      const row = sample.segments.findLastIndex(({ face }) => face === id);
      const segment = result.segments?.[row];
      const map = wanted === 'saliency' ? saliencyOf(output, row, manifest) : undefined;
      return {
        box,
        landmarks,
        ...(segment?.label && { text: `${segment.label} ${Math.round(segment.score * 100)}%` }),
        ...(map && { saliency: { region, ...map } }),
      };
    });
  return { picture, faces: marked };
}
