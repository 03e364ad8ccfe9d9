import { EmotionError } from '../emotion/error';
import type {
  FaceFeatures,
  RawPicture,
  SampleSegment,
  VideoFeatures,
  VideoSample,
} from '../emotion/sample';
import type { Source } from '../emotion/source';
import type { Manifest, VideoPreprocessing } from '../models/manifest';
import { drawFaces, encodeJpeg, imageAnnotations } from './annotate';
import { clipTensor, cutClips, mostCrops, type FaceClip } from './clip';
import type { Face } from './face-reader';
import type { Picture } from './picture';

export interface PrepareVideoOptions {
  /** Rows for the face that is largest over its time, or for each. */
  readonly faces: 'largest' | 'all';
  /** Adds `features.annotated` and `features.picture`. */
  readonly picture: boolean;
}

/** What was seen of one face in one picture. */
interface Sighting {
  readonly time: number;
  /** `[side, side]`, rounded: models are trained on crops of whole grey values. */
  readonly crop: Uint8Array;
  readonly face: Omit<Face, 'crop' | 'mesh'>;
}

interface Shown {
  readonly picture: Picture;
  readonly time: number;
}

/**
 * Turns the faces of pictures into the inputs of one model, as its manifest says.
 *
 * @example
 * const preparer = new VideoPreparer(manifest);
 * const record = preparer.record('onnxruntime');
 * for (const { time, ...picture } of frames) {
 *   record.add(picture, time, await reader.read(picture, time));
 * }
 * const sample = record.clips({ file: 'clip.mp4' }, { faces: 'all', picture: false });
 * // sample.tensors.faces.dims → [clips, 16, 1, 48, 48]
 */
export class VideoPreparer {
  readonly model: string;
  readonly settings: VideoPreprocessing;

  /** @throws {EmotionError} `input.wrong-model` when the manifest is not one for faces. */
  constructor(manifest: Manifest) {
    const { preprocessing } = manifest;
    if (preprocessing.kind !== 'video') {
      throw new EmotionError(
        'input.wrong-model',
        `Model "${manifest.id}" takes ${manifest.modality}, not pictures`,
        { model: manifest.id, modality: manifest.modality },
      );
    }
    this.model = manifest.id;
    this.settings = preprocessing;
  }

  /** The rate at which a clip's pictures fill the model's clips. */
  get fps(): number {
    const { frames, seconds } = this.settings.clip;
    return frames / seconds;
  }

  record(engine: VideoFeatures['engine']): FaceRecord {
    return new FaceRecord(this, engine);
  }
}

/** What was seen of all faces in a picture, a clip, or the last seconds of a stream. */
export class FaceRecord {
  readonly #preparer: VideoPreparer;
  readonly #engine: VideoFeatures['engine'];
  readonly #seen = new Map<number, Sighting[]>();
  #frames = 0;
  #framesWithFace = 0;
  #lastTime = 0;
  #last: Shown | undefined;
  #lastWithFace: Shown | undefined;

  constructor(preparer: VideoPreparer, engine: VideoFeatures['engine']) {
    this.#preparer = preparer;
    this.#engine = engine;
  }

  /**
   * @param time seconds, not before that of the picture before
   * @param faces what `FaceReader` found, with crops of the side that the manifest names
   */
  add(picture: Picture, time: number, faces: readonly Face[]): void {
    this.#frames += 1;
    this.#lastTime = time;
    this.#last = { picture, time };
    if (faces.length > 0) {
      this.#framesWithFace += 1;
      this.#lastWithFace = this.#last;
    }
    for (const { crop, id, box, score, landmarks, region, quality } of faces) {
      const sighting = {
        time,
        crop: Uint8Array.from(crop, Math.round),
        face: { id, box, score, landmarks, region, quality },
      };
      const known = this.#seen.get(id);
      if (known) known.push(sighting);
      else this.#seen.set(id, [sighting]);
    }
  }

  /** Leaves only what was seen in the last seconds of a stream, as long as a clip of the model. */
  forgetOld(): void {
    const since = this.#lastTime - this.#preparer.settings.clip.seconds;
    for (const [id, sightings] of this.#seen) {
      const kept = sightings.filter(({ time }) => time >= since);
      if (kept.length > 0) this.#seen.set(id, kept);
      else this.#seen.delete(id);
    }
    if (this.#lastWithFace && this.#lastWithFace.time < since) this.#lastWithFace = undefined;
  }

  /** All clips of the wanted faces: those of one face after those of a larger one. */
  clips(source: Source, options: PrepareVideoOptions): VideoSample {
    const tracks = this.#wanted([...this.#seen.values()], options);
    return this.#sample(tracks, source, options, 'clips');
  }

  /** For a stream: of each wanted face that the last picture shows, the clip that ends with it. */
  latest(source: Source, options: PrepareVideoOptions): VideoSample {
    const present = [...this.#seen.values()].filter(
      (sightings) => sightings.at(-1)!.time === this.#lastTime,
    );
    return this.#sample(this.#wanted(present, options), source, options, 'latest');
  }

  /** The largest first: by the area of its box, summed over all pictures. */
  #wanted(tracks: readonly Sighting[][], { faces }: PrepareVideoOptions): readonly Sighting[][] {
    const area = (sightings: readonly Sighting[]): number =>
      sightings.reduce((sum, { face: { box } }) => sum + box[2] * box[3], 0);
    const sorted = [...tracks].sort((a, b) => area(b) - area(a));
    return faces === 'largest' ? sorted.slice(0, 1) : sorted;
  }

  #sample(
    tracks: readonly Sighting[][],
    source: Source,
    options: PrepareVideoOptions,
    which: 'clips' | 'latest',
  ): VideoSample {
    const { model, settings } = this.#preparer;
    const shown = this.#lastWithFace ?? this.#last;
    const about: Source = {
      ...source,
      ...(shown && { width: shown.picture.width, height: shown.picture.height }),
    };
    const common = { modality: 'video', model, source: about } as const;
    const features = this.#features(tracks, shown, options, which);
    if (tracks.length === 0) {
      return { ...common, tensors: {}, segments: [], reason: 'no-face', features };
    }
    const { seconds, stepSeconds, frames: most, fill } = settings.clip;
    const frames =
      fill === 'repeat'
        ? most
        : Math.min(most, Math.max(...tracks.map((track) => mostCrops(track, settings.clip))));
    const rows = tracks.flatMap((track) => {
      const clips = cutClips(track, { frames, seconds, stepSeconds });
      return (which === 'latest' ? clips.slice(-1) : clips).map((clip) => ({ track, clip }));
    });
    const tensor = clipTensor(
      rows.map(({ clip }) => clip),
      settings.crop.side,
    );
    return {
      ...common,
      tensors: Object.fromEntries(Object.keys(settings.inputs).map((name) => [name, tensor])),
      // One picture has no time of its own; one of a stream has.
      segments: rows.map(({ track, clip }) => ({
        ...((this.#frames > 1 || which === 'latest') && this.#span(clip)),
        ...describeClip(track, clip),
      })),
      features,
    };
  }

  /** A picture stands for the time to the next, so that a face seen once has a duration. */
  #span({ start, end }: FaceClip): { start: number; end: number } {
    return { start: round(start), end: round(end + 1 / this.#preparer.fps) };
  }

  #features(
    tracks: readonly Sighting[][],
    shown: Shown | undefined,
    { picture: withPicture }: PrepareVideoOptions,
    which: 'clips' | 'latest',
  ): VideoFeatures {
    const faces = tracks.map((track) => describe(track));
    const marked = faces.filter(({ end }) => shown && end === round(shown.time));
    return {
      engine: this.#engine,
      frames: which === 'latest' ? 1 : this.#frames,
      framesWithFace: which === 'latest' ? Math.min(1, tracks.length) : this.#framesWithFace,
      faces,
      annotations: imageAnnotations(marked),
      ...(withPicture &&
        shown && {
          annotated: encodeJpeg(drawFaces(shown.picture, marked)),
          picture: rawPicture(shown.picture),
        }),
    };
  }
}

function describeClip(track: readonly Sighting[], { start, end }: FaceClip): SampleSegment {
  const within = track.filter(({ time }) => time >= start - 1e-6 && time <= end + 1e-6);
  const { face } = within.at(-1) ?? track.at(-1)!;
  const flaws = mostlyTrue(within.map((sighting) => sighting.face.quality.flaws));
  return {
    box: rounded(face.box),
    landmarks: face.landmarks.map(([x, y]) => [round(x), round(y)] as const),
    face: face.id,
    ...(flaws.length > 0 && { flaws }),
  };
}

/** Flaws of more than half of the pictures. */
function mostlyTrue(lists: readonly (readonly string[])[]): string[] {
  const all = [...new Set(lists.flat())];
  return all.filter((flaw) => 2 * lists.filter((l) => l.includes(flaw)).length > lists.length);
}

function describe(track: readonly Sighting[]): FaceFeatures {
  const { face, time } = track.at(-1)!;
  const { box, score, landmarks, region, quality, id } = face;
  const { pose, flaws, ...numbers } = quality;
  return {
    id,
    start: round(track[0]!.time),
    end: round(time),
    frames: track.length,
    box: rounded(box),
    score: round(score),
    landmarks: landmarks.map(([x, y]) => [round(x), round(y)] as const),
    region: {
      x: round(region.x),
      y: round(region.y),
      side: round(region.side),
      angle: round(region.angle),
    },
    quality: {
      size: round(numbers.size),
      brightness: round(numbers.brightness),
      contrast: round(numbers.contrast),
      sharpness: round(numbers.sharpness),
      inside: round(numbers.inside),
      pose: { yaw: round(pose.yaw), pitch: round(pose.pitch), roll: round(pose.roll) },
      flaws,
    },
  };
}

/** RGB, whatever the source's channels; in a Buffer, which Node-RED copies without looking at each byte. */
function rawPicture(picture: Picture): RawPicture {
  const { width, height, data } = drawFaces(picture, []);
  return { width, height, channels: 3, data: Buffer.from(data.buffer) };
}

function rounded([x, y, width, height]: Face['box']): [number, number, number, number] {
  return [round(x), round(y), round(width), round(height)];
}

/** Thousandths are finer than any of these numbers is exact. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
