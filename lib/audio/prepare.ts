import { EmotionError } from '../emotion/error';
import type {
  AudioFeatures,
  AudioSample,
  SampleSegment,
  SkippedWindow,
  Tensor,
} from '../emotion/sample';
import type { Source } from '../emotion/source';
import type { AudioFeature, AudioPreprocessing, Manifest } from '../models/manifest';
import { delta, mfcc } from './cepstrum';
import { Chroma } from './chroma';
import { FrontEnd, sampleCount, type FrontEndOptions } from './log-mel';
import { SILENCE_DB, summariseLoudness } from './loudness';
import { normaliseFixed, normaliseUtterance, RunningNormaliser } from './normalise';
import { pitch, summarisePitch } from './pitch';
import { prosody, PROSODY_ROWS } from './prosody';
import { cleanSamples, preEmphasis } from './samples';
import { speechSpans, speechWithin, type SpeechScorer, type SpeechSpan } from './speech';
import { spectrogramPng } from './spectrogram';
import { STATISTICS_NAMES, STATISTICS_VERSION, UtteranceMeasures } from './statistics';

export interface PrepareAudioOptions {
  /** `skip`: windows without speech get no row. `keep`: every window gets one. Default `skip`. */
  readonly silence?: 'skip' | 'keep';
  /**
   * Length of a window, at most the model's own, which is the default. A shorter one is brought to
   * the size of the model's input as a sound that is shorter would be.
   */
  readonly windowMs?: number;
  /** From the start of a window to the start of the next; the manifest's `hopFrames` otherwise. */
  readonly hopMs?: number;
  /** Seconds that the first sample of a whole sound stands for. Default 0. */
  readonly startTime?: number;
  /** Adds a picture to `features.spectrogram`. */
  readonly spectrogram?: boolean | { readonly axes: boolean };
  /** Adds the coefficients over time to `features.mfcc`. */
  readonly mfcc?: boolean;
}

/** Sound whose largest sample is below this is silence. */
const SILENT_PEAK_DB = -60;
/** A window counts as speech from so many seconds of it on, or from this share of a shorter sound. */
const LEAST_SPEECH = 0.25;
const LEAST_SPEECH_SHARE = 0.15;
/** Less than this can neither be heard as speech nor analysed. */
const SHORTEST = 0.1;
/** What is left over at the end gets a window of its own from this share of a hop on. */
const LEAST_REST = 0.25;
/** A stream forgets its channel with this half-life, in seconds. */
const CHANNEL_HALF_LIFE = 20;

/**
 * Turns sound into the inputs of one model, as its manifest says. Keeps tables and buffers: one a
 * worker thread and model.
 *
 * | `preprocessing.inputs` | tensor |
 * |---|---|
 * | `log-mel` | `[windows, 1, bands, frames]` |
 * | `mfcc` | `[windows, coefficients · (1 + deltas), frames]` |
 * | `chroma` | `[windows, 12, frames]` |
 * | `prosody` | `[windows, 4, frames]`, see `prosody` |
 * | `statistics` | `[windows, names]`, see `STATISTICS_NAMES`; what cannot be measured is 0 |
 *
 * @example
 * const preparer = new AudioPreparer(manifest);
 * const sample = await preparer.prepare(samples, scorer, { file: 'hello.wav' });
 * // sample.tensors.mel.dims → [2, 1, 128, 64]
 */
export class AudioPreparer {
  readonly model: string;
  readonly frontEnd: FrontEndOptions;
  private readonly settings: AudioPreprocessing;
  private readonly analyser: FrontEnd;

  /** @throws {EmotionError} `input.wrong-model` when the manifest is not one for sound. */
  constructor(manifest: Manifest) {
    const { preprocessing } = manifest;
    if (preprocessing.kind !== 'audio') {
      throw new EmotionError(
        'input.wrong-model',
        `Model "${manifest.id}" takes ${manifest.modality}, not sound`,
        { model: manifest.id, modality: manifest.modality },
      );
    }
    this.model = manifest.id;
    this.settings = preprocessing;
    this.frontEnd = {
      sampleRateHz: preprocessing.sampleRateHz,
      ...preprocessing.spectrum,
      ...preprocessing.mel,
    };
    this.analyser = new FrontEnd(this.frontEnd);
  }

  /**
   * Frames of a window.
   *
   * @throws {EmotionError} `input.unusable` for a window that is longer than the model's
   */
  windowFrames(windowMs: number | undefined): number {
    const { frames } = this.settings.window;
    if (windowMs === undefined) return frames;
    const { hopLength, frameLength, sampleRateHz } = this.frontEnd;
    const samples = (windowMs * sampleRateHz) / 1000;
    const wanted = Math.max(1, Math.round((samples - frameLength) / hopLength) + 1);
    if (windowMs > 0 && wanted <= frames) return wanted;
    const most = Math.round((sampleCount(frames, this.frontEnd) * 1000) / sampleRateHz);
    throw new EmotionError(
      'input.unusable',
      `Window: expected more than 0 and at most ${most} ms, the window of model "${this.model}", got ${windowMs}`,
      { setting: 'windowMs', most, got: String(windowMs) },
    );
  }

  /** Samples of a window. */
  windowSamples(windowMs?: number): number {
    return sampleCount(this.windowFrames(windowMs), this.frontEnd);
  }

  /** Frames from window to window; shorter windows overlap by the same share. */
  hopFrames({ hopMs, windowMs }: Pick<PrepareAudioOptions, 'hopMs' | 'windowMs'>): number {
    if (hopMs === undefined) {
      const { frames, hopFrames } = this.settings.window;
      return Math.max(1, Math.round((hopFrames * this.windowFrames(windowMs)) / frames));
    }
    const { hopLength, sampleRateHz } = this.frontEnd;
    if (!(hopMs > 0)) {
      throw new EmotionError('input.unusable', `Hop: expected milliseconds above 0, got ${hopMs}`, {
        setting: 'hopMs',
        got: String(hopMs),
      });
    }
    return Math.max(1, Math.round((hopMs * sampleRateHz) / (1000 * hopLength)));
  }

  /**
   * One sound with a beginning and an end: a row for each window in which somebody speaks.
   *
   * @param samples `[n]`, mono, at the manifest's rate; not changed
   * @param scorer hears this sound from its beginning: it is reset first
   * @throws {EmotionError} `input.unusable` when the samples are mostly not numbers, `media.empty`
   *   when there are none.
   */
  async prepare(
    samples: Float32Array,
    scorer: SpeechScorer,
    source: Source = {},
    options: PrepareAudioOptions = {},
  ): Promise<AudioSample> {
    if (samples.length === 0) {
      throw new EmotionError('media.empty', 'There is not one sample of sound', {});
    }
    const rate = this.frontEnd.sampleRateHz;
    const duration = samples.length / rate;
    const { samples: clean, replaced } = cleanSamples(samples);
    const about: Source = { duration: round(duration), sampleRate: rate, ...source };
    const { startTime = 0 } = options;
    const whole = { start: round(startTime), end: round(startTime + duration) };
    const loudness = summariseLoudness(clean);

    if (loudness.peakDb < SILENT_PEAK_DB || duration < SHORTEST) {
      const reason = loudness.peakDb < SILENT_PEAK_DB ? 'silence' : 'no-speech';
      const features = this.features(voiceOf(clean, loudness.meanDb), { loudness, replaced, spans: [], method: scorer.method, duration }); // prettier-ignore
      return this.empty(reason, [whole], about, features);
    }

    scorer.reset();
    const probabilities = await scorer.score(clean);
    const spans = speechSpans(probabilities, duration);
    const voice = voiceOf(clean, loudness.meanDb);
    const features = this.features(voice, { loudness, replaced, spans, method: scorer.method, duration }); // prettier-ignore

    const padded = this.atLeastOneFrame(preEmphasis(clean, this.settings.preEmphasis));
    const picture = this.analyse(padded, voice, duration, options);
    const extra = this.extras(picture, options);
    const wanted =
      options.silence === 'keep'
        ? picture.windows
        : picture.windows.filter(({ start, end }) => isSpoken(spans, start, end));
    const skipped = picture.windows
      .filter((window) => !wanted.includes(window))
      .map(({ start, end }): SkippedWindow => ({ start: round(start), end: round(end), reason: 'no-speech' })); // prettier-ignore
    const all = { ...features, ...extra, ...(skipped.length > 0 && { skipped }) };
    if (wanted.length === 0) return this.empty('no-speech', [whole], about, all);
    return {
      modality: 'audio',
      model: this.model,
      tensors: this.tensors(picture, wanted, voice),
      segments: wanted.map(({ start, end }): SampleSegment => ({
        start: round(startTime + start),
        end: round(startTime + end),
      })),
      source: about,
      features: all,
    };
  }

  /**
   * One window of a stream, which ends where the samples end.
   *
   * @param samples `[windowSamples]`, or fewer for the last one of a stream
   * @param heard what the stream knows: when the window starts, who speaks in it, its normaliser
   */
  window(
    samples: Float32Array,
    heard: {
      readonly start: number;
      readonly spans: readonly SpeechSpan[];
      readonly method: SpeechScorer['method'];
      readonly normaliser: RunningNormaliser;
      /** Samples at the end of the window that no earlier window held. */
      readonly newSamples: number;
      /** The last sample before the window, for pre-emphasis. */
      readonly before: number;
    },
    source: Source,
    options: PrepareAudioOptions,
  ): AudioSample {
    const rate = this.frontEnd.sampleRateHz;
    const duration = samples.length / rate;
    const { samples: clean, replaced } = cleanSamples(samples);
    const loudness = summariseLoudness(clean);
    const within = heard.spans.map((span) => ({
      start: Math.max(0, span.start - heard.start),
      end: Math.min(duration, span.end - heard.start),
    }));
    const spans = within.filter((span) => span.end > span.start);
    const voice = voiceOf(clean, loudness.meanDb);
    const features = this.features(voice, { loudness, replaced, spans, method: heard.method, duration }); // prettier-ignore
    const about: Source = { duration: round(duration), sampleRate: rate, ...source };

    const emphasised = preEmphasis(clean, this.settings.preEmphasis);
    if (this.settings.preEmphasis > 0 && emphasised.length > 0) {
      emphasised[0] = (emphasised[0] as number) - this.settings.preEmphasis * heard.before;
    }
    const picture = this.analyse(
      this.atLeastOneFrame(emphasised),
      voice,
      duration,
      options,
      (logMel, frames) => {
        const newFrames = Math.ceil(heard.newSamples / this.frontEnd.hopLength);
        return this.settings.normalisation.kind === 'utterance'
          ? heard.normaliser.apply(logMel, Math.min(frames, newFrames))
          : this.normalise(logMel);
      },
    );
    const [window] = picture.windows;
    const all = { ...features, ...this.extras(picture, options) };
    const segment = { start: round(heard.start), end: round(heard.start + duration) };
    const reason =
      loudness.peakDb < SILENT_PEAK_DB
        ? 'silence'
        : isSpoken(spans, 0, duration)
          ? undefined
          : 'no-speech';
    if (window === undefined || (reason !== undefined && options.silence !== 'keep')) {
      return this.empty(reason ?? 'no-speech', [segment], about, all);
    }
    return {
      modality: 'audio',
      model: this.model,
      tensors: this.tensors(picture, [window], voice),
      segments: [segment],
      source: about,
      features: all,
    };
  }

  /** A normaliser for one stream. */
  normaliser(): RunningNormaliser {
    const { hopLength, sampleRateHz, bands } = this.frontEnd;
    return new RunningNormaliser(bands, (CHANNEL_HALF_LIFE * sampleRateHz) / hopLength);
  }

  private empty(
    reason: 'silence' | 'no-speech',
    segments: readonly SampleSegment[],
    source: Source,
    features: AudioFeatures,
  ): AudioSample {
    return {
      modality: 'audio',
      model: this.model,
      tensors: {},
      segments,
      source,
      reason,
      features,
    };
  }

  private features(
    { track, whole }: Voice,
    heard: {
      readonly loudness: AudioFeatures['loudness'];
      readonly replaced: number;
      readonly spans: readonly SpeechSpan[];
      readonly method: SpeechScorer['method'];
      readonly duration: number;
    },
  ): AudioFeatures {
    return {
      loudness: heard.loudness,
      pitch: summarisePitch(track),
      speech: {
        ratio: round(speechWithin(heard.spans, 0, heard.duration) / heard.duration),
        method: heard.method,
        spans: heard.spans.map(({ start, end }) => ({ start: round(start), end: round(end) })),
      },
      statistics: {
        version: STATISTICS_VERSION,
        values: whole,
      },
      ...(heard.replaced > 0 && { replacedSamples: heard.replaced }),
    };
  }

  private extras(
    { decibels, frames }: Picture,
    { spectrogram, mfcc: wantsMfcc }: PrepareAudioOptions,
  ): Pick<AudioFeatures, 'spectrogram' | 'mfcc'> {
    const { coefficients } = this.settings.mfcc;
    return {
      ...(spectrogram && {
        spectrogram: spectrogramPng(
          { logMel: decibels, frames },
          this.frontEnd,
          typeof spectrogram === 'object' ? spectrogram : {},
        ),
      }),
      ...(wantsMfcc && {
        mfcc: {
          coefficients,
          frames,
          hop: this.frontEnd.hopLength / this.frontEnd.sampleRateHz,
          values: mfcc(decibels, this.frontEnd.bands, coefficients),
        },
      }),
    };
  }

  /** A sound shorter than a frame still has a spectrum, with zeros behind it. */
  private atLeastOneFrame(samples: Float32Array): Float32Array {
    const { frameLength } = this.frontEnd;
    if (samples.length >= frameLength) return samples;
    const padded = new Float32Array(frameLength);
    padded.set(samples);
    return padded;
  }

  private analyse(
    samples: Float32Array,
    voice: Voice,
    duration: number,
    options: PrepareAudioOptions,
    normalise: (logMel: Float32Array, frames: number) => Float32Array = (logMel) =>
      this.normalise(logMel),
  ): Picture {
    const sources = Object.values(this.settings.inputs);
    const { logMel, frames, chroma } = this.analyser.analyse(samples, {
      chroma: sources.includes('chroma'),
    });
    const decibels = logMel.slice();
    const { bands } = this.frontEnd;
    const rows: Partial<Record<AudioFeature, { rows: number; data: Float32Array }>> = {};
    if (sources.includes('mfcc')) rows.mfcc = this.cepstrum(decibels);
    if (chroma) rows.chroma = { rows: Chroma.CLASSES, data: chroma };
    if (sources.includes('prosody')) {
      const data = prosody(voice.samples, voice.track, this.frontEnd, frames);
      rows.prosody = { rows: PROSODY_ROWS, data };
    }
    rows['log-mel'] = { rows: bands, data: normalise(logMel, frames) };
    return { decibels, frames, rows, windows: this.cut(frames, duration, options) };
  }

  private normalise(logMel: Float32Array): Float32Array {
    const { normalisation } = this.settings;
    const { bands } = this.frontEnd;
    switch (normalisation.kind) {
      case 'none':
        return logMel;
      case 'utterance':
        return normaliseUtterance(logMel, bands, normalisation.per);
      case 'fixed':
        return normaliseFixed(logMel, bands, normalisation.mean, normalisation.spread);
    }
  }

  private cepstrum(decibels: Float32Array): { rows: number; data: Float32Array } {
    const { coefficients, deltas } = this.settings.mfcc;
    const plain = mfcc(decibels, this.frontEnd.bands, coefficients);
    const parts = [plain];
    if (deltas >= 1) parts.push(delta(plain, coefficients, 1));
    if (deltas === 2) parts.push(delta(plain, coefficients, 2));
    const data = new Float32Array(plain.length * parts.length);
    for (const [i, part] of parts.entries()) data.set(part, i * plain.length);
    return { rows: coefficients * parts.length, data };
  }

  /** Where the windows lie. The last one ends with the sound, so that nothing said is left out. */
  private cut(frames: number, duration: number, options: PrepareAudioOptions): Window[] {
    const size = this.windowFrames(options.windowMs);
    const hopFrames = this.hopFrames(options);
    const { hopLength, sampleRateHz } = this.frontEnd;
    const windowSeconds = sampleCount(size, this.frontEnd) / sampleRateHz;
    const starts: number[] = [];
    for (let start = 0; start + size <= frames; start += hopFrames) starts.push(start);
    const last = starts.at(-1);
    if (last === undefined) starts.push(0);
    else if (frames - (last + size) >= LEAST_REST * hopFrames) starts.push(frames - size);
    return starts.map((firstFrame) => {
      const start = (firstFrame * hopLength) / sampleRateHz;
      return {
        firstFrame,
        frames: Math.min(size, frames - firstFrame),
        start,
        end: Math.min(duration, start + windowSeconds),
      };
    });
  }

  private tensors(
    picture: Picture,
    windows: readonly Window[],
    voice: Voice,
  ): Record<string, Tensor> {
    const { frames: size, fill } = this.settings.window;
    const { sampleRateHz } = this.frontEnd;
    const tensors: Record<string, Tensor> = {};
    for (const [name, source] of Object.entries(this.settings.inputs)) {
      if (source === 'statistics') {
        const width = STATISTICS_NAMES.length;
        const data = new Float32Array(windows.length * width);
        for (const [row, { start, end }] of windows.entries()) {
          const from = Math.round(start * sampleRateHz);
          const to = Math.round(end * sampleRateHz);
          const values =
            from === 0 && to === voice.samples.length
              ? voice.whole
              : voice.measures.statistics(from, to);
          data.set(values.map((value) => (Number.isFinite(value) ? value : 0)), row * width); // prettier-ignore
        }
        tensors[name] = { type: 'float32', dims: [windows.length, width], data };
        continue;
      }
      const feature = picture.rows[source];
      if (!feature) continue;
      const { rows, data: all } = feature;
      const data = new Float32Array(windows.length * rows * size);
      for (const [i, window] of windows.entries()) {
        for (let row = 0; row < rows; row += 1) {
          const from = row * picture.frames;
          const to = (i * rows + row) * size;
          fillRow(data, to, size, all, from, window, picture.frames, fill);
        }
      }
      const dims = source === 'log-mel' ? [windows.length, 1, rows, size] : [windows.length, rows, size]; // prettier-ignore
      tensors[name] = { type: 'float32', dims, data };
    }
    return tensors;
  }
}

/** What is measured once of a sound and used by its features and by every window. */
interface Voice {
  readonly samples: Float32Array;
  /** Pitch, hertz, every 20 ms; empty for digital silence. */
  readonly track: Float32Array;
  readonly measures: UtteranceMeasures;
  /** Statistics of the whole sound. */
  readonly whole: Float32Array;
}

function voiceOf(samples: Float32Array, meanDb: number): Voice {
  const track = meanDb > SILENCE_DB ? pitch(samples) : new Float32Array(0);
  const measures = new UtteranceMeasures(samples, track);
  return { samples, track, measures, whole: measures.statistics() };
}

interface Window {
  readonly firstFrame: number;
  /** Fewer than the model's input has: the rest is filled. */
  readonly frames: number;
  /** Seconds. */
  readonly start: number;
  readonly end: number;
}

interface Picture {
  /** `[bands, frames]`, not normalised. */
  readonly decibels: Float32Array;
  readonly frames: number;
  readonly rows: Partial<Record<AudioFeature, { rows: number; data: Float32Array }>>;
  readonly windows: readonly Window[];
}

/** Copies one row of a window; behind its last frame the window begins again, or there is silence. */
function fillRow(
  out: Float32Array,
  to: number,
  size: number,
  all: Float32Array,
  from: number,
  window: Window,
  frames: number,
  fill: 'repeat' | 'silence',
): void {
  const first = from + window.firstFrame;
  out.set(all.subarray(first, first + window.frames), to);
  if (window.frames === size) return;
  let lowest = Infinity;
  if (fill === 'silence') for (let t = 0; t < frames; t += 1) lowest = Math.min(lowest, all[from + t] as number); // prettier-ignore
  for (let t = window.frames; t < size; t += 1) {
    out[to + t] = fill === 'repeat' ? (all[first + (t % window.frames)] as number) : lowest;
  }
}

function isSpoken(spans: readonly SpeechSpan[], start: number, end: number): boolean {
  const spoken = speechWithin(spans, start, end);
  return spoken > 0 && spoken >= Math.min(LEAST_SPEECH, LEAST_SPEECH_SHARE * (end - start));
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
