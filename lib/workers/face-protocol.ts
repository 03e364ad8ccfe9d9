import type { VideoSample } from '../emotion/sample';
import type { Source } from '../emotion/source';
import type { SoundTrack } from '../media/frames';
import type { MediaInput } from '../media/input';
import type { Marked } from '../video/annotate';
import type { FaceEngine } from '../video/open-faces';
import type { Picture } from '../video/picture';
import type { PrepareVideoOptions } from '../video/prepare';
import type { PlainError } from './answer';

/** What the pool for faces and its process say to each other. */

/** A picture as it is stored in a file, or its pixels. */
export type FacePicture = Picture | Exclude<MediaInput, { kind: 'pcm' }>;

/** A picture of a series and when it was taken, in seconds; by the rate of the series otherwise. */
export interface TimedPicture {
  readonly picture: FacePicture;
  readonly time?: number;
}

export type FaceInput =
  /** A picture, or a film of any length. */
  | { readonly kind: 'media'; readonly media: Exclude<MediaInput, { kind: 'pcm' }> }
  /** The pictures of a film, one by one. */
  | { readonly kind: 'series'; readonly pictures: readonly TimedPicture[] }
  /** The next picture of a live source. */
  | { readonly kind: 'stream'; readonly stream: string; readonly next: TimedPicture };

export interface FaceOptions extends PrepareVideoOptions {
  /** Pictures a second of a film. */
  readonly fps: number;
  /** Most faces to look for. */
  readonly maxFaces: number;
  /** Narrower faces are left out, in pixels. */
  readonly minSize: number;
  /** A longer film is refused. */
  readonly maxSeconds: number;
  /** Where the sound of a film goes. */
  readonly sound?: SoundTrack;
}

export interface ReadTask {
  readonly task: 'read';
  /** Identifies the manifest; a process keeps what it made of it. */
  readonly key: string;
  /** JSON of the manifest. */
  readonly manifest: string;
  readonly input: FaceInput;
  readonly options: FaceOptions;
  readonly source: Source;
}

export interface FaceLoadRequest {
  readonly kind: 'load';
  readonly title: string;
  readonly engine: FaceEngine;
  readonly threads: number;
}

/** Draws faces on a picture and makes a JPEG file of it. */
export interface DrawTask {
  readonly task: 'draw';
  readonly picture: Picture;
  readonly faces: readonly Marked[];
}

export type FaceTask = ReadTask | DrawTask;

export type FaceRequest =
  | { readonly kind: 'run'; readonly id: number; readonly task: FaceTask }
  | { readonly kind: 'cancel'; readonly id: number };

export type FaceReply =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'load-failed'; readonly error: PlainError }
  /** The process is at work: it is not stuck. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'done'; readonly id: number; readonly value: VideoSample | Uint8Array }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PlainError };
