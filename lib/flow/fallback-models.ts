import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EmotionError } from '../emotion/error';
import { EMOTIONS, type Emotion, type Scores } from '../emotion/labels';
import type { Result } from '../emotion/result';
import type { AudioSample, Modality, Sample, TextSample, VideoSample } from '../emotion/sample';
import { STATISTICS_NAMES } from '../audio/statistics';
import type { ModelRegistry } from '../models/registry';
import { LogisticRegression } from '../resilience/logistic-regression';
import { logisticResult } from '../resilience/logistic-result';
import { detectLanguage } from '../text/language';
import { GEOMETRY_NAMES, landmarkGeometry } from '../video/landmark-geometry';

/** How a fallback model came to answer. */
export interface FallbackReason {
  readonly reason: string;
  readonly attempts: number;
}

/**
 * The logistic-regression models of the three modalities. They are read from their files once and
 * need nothing else: no ONNX Runtime, no child process, no FFmpeg.
 *
 * What they look at is what preparation has left in a sample: the source's text, the statistics of
 * the sound, the 68 points of each face.
 */
export class FallbackModels {
  readonly #loaded = new Map<Modality, Promise<LogisticRegression>>();

  /** @param ids of the models, by modality; an empty one is no model */
  constructor(
    private readonly registry: Pick<ModelRegistry, 'resolve'>,
    private readonly ids: Readonly<Record<Modality, string>>,
  ) {}

  /** Reads the models before they are needed, as far as they are there. */
  async preload(): Promise<void> {
    const wanted = (Object.keys(this.ids) as Modality[]).filter((modality) => this.ids[modality]);
    await Promise.allSettled(wanted.map((modality) => this.#model(modality)));
  }

  /**
   * The Result for a sample, or for a text that was not even prepared.
   *
   * @throws EmotionError `model.*` when the model of the modality is missing or broken,
   *   `input.unusable` when the sample lacks what it looks at
   */
  async answer(
    input: Sample | string,
    fallback: FallbackReason,
    threshold: number,
  ): Promise<Result> {
    const began = performance.now();
    const sample: Sample =
      typeof input === 'string'
        ? { modality: 'text', model: '', tensors: {}, segments: [], source: { text: input } }
        : input;
    const { modality, source, reason } = sample;
    const model = await this.#model(modality);
    const scores = reason === undefined ? scoresOf(model, sample) : null;
    return logisticResult({
      modality,
      model: model.specification.id,
      scores,
      ...(scores === null && { reason: reason ?? 'empty-text' }),
      fallback,
      source,
      latencyMs: Math.round((performance.now() - began) * 1000) / 1000,
      threshold,
    });
  }

  #model(modality: Modality): Promise<LogisticRegression> {
    const known = this.#loaded.get(modality);
    if (known !== undefined) return known;
    const loading = this.#load(modality);
    this.#loaded.set(modality, loading);
    // A model that could not be read is looked for again the next time.
    loading.catch(() => this.#loaded.delete(modality));
    return loading;
  }

  async #load(modality: Modality): Promise<LogisticRegression> {
    const id = this.ids[modality];
    if (id === '') {
      throw new EmotionError(
        'model.not-configured',
        `No fallback model is chosen for ${modality}`,
        {
          modality,
        },
      );
    }
    const { manifest, folder } = await this.registry.resolve(id);
    const { weights } = manifest;
    if (weights === undefined || manifest.modality !== modality) {
      throw new EmotionError(
        'model.inputs-mismatch',
        `Model "${id}" is no fallback model for ${modality}, but ${manifest.architecture} for ${manifest.modality}`,
        { model: id, expected: modality, got: manifest.modality },
      );
    }
    const file = join(folder, weights.path);
    return new LogisticRegression(await readFile(file), file);
  }
}

function scoresOf(model: LogisticRegression, sample: Sample): Scores | null {
  switch (sample.modality) {
    case 'text':
      return textScores(model, sample);
    case 'audio':
      return audioScores(model, sample);
    case 'video':
      return videoScores(model, sample);
  }
}

function textScores(model: LogisticRegression, { source, segments }: TextSample): Scores | null {
  const text = source.text ?? segments.map(({ text }) => text ?? '').join(' ');
  return model.classifyText(text, source.language ?? detectLanguage(text));
}

function audioScores(model: LogisticRegression, { features, source }: AudioSample): Scores {
  const values = features?.statistics.values;
  if (values === undefined) {
    throw lacking('audio', 'the statistics of the sound (features.statistics)');
  }
  return model.classifyFeatures(inOrder(model, STATISTICS_NAMES, values), source.language);
}

/** The mean over the faces of the clip, each by its 68 points. */
function videoScores(model: LogisticRegression, { segments }: VideoSample): Scores {
  const faces = segments.flatMap(({ landmarks }) =>
    landmarks?.length === 68
      ? [model.classifyFeatures(inOrder(model, GEOMETRY_NAMES, landmarkGeometry(landmarks)))]
      : [],
  );
  if (faces.length === 0) throw lacking('video', 'a face with 68 points (segments[].landmarks)');
  const mean: Partial<Record<Emotion, number>> = {};
  for (const label of EMOTIONS) {
    if (faces[0]?.[label] === undefined) continue;
    mean[label] = faces.reduce((sum, scores) => sum + (scores[label] ?? 0), 0) / faces.length;
  }
  return mean;
}

/** Features in the order of the model's own; one that was not measured is NaN, which says nothing. */
function inOrder(
  { specification: { id, input } }: LogisticRegression,
  names: readonly string[],
  values: ArrayLike<number>,
): number[] {
  if (input.kind !== 'dense') {
    throw new EmotionError('model.inputs-mismatch', `Model "${id}" reads texts`, { model: id });
  }
  const at = new Map(names.map((name, index) => [name, index]));
  return input.features.map((name) => values[at.get(name) ?? -1] ?? NaN);
}

function lacking(modality: Modality, what: string): EmotionError {
  return new EmotionError('input.unusable', `The ${modality} sample has not ${what}`, { modality });
}
