/** Where a sample came from. Durations in seconds, sizes in pixels. */
export interface Source {
  readonly text?: string;
  readonly language?: string;
  readonly file?: string;
  readonly device?: string;
  readonly duration?: number;
  readonly sampleRate?: number;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
}
