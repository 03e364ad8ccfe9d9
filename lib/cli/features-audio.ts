import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { mfcc } from '../audio/cepstrum';
import { EnergyGate } from '../audio/energy-gate';
import { FrontEnd, type FrontEndOptions } from '../audio/log-mel';
import { summariseLoudness } from '../audio/loudness';
import { AudioPreparer } from '../audio/prepare';
import { cleanSamples, preEmphasis } from '../audio/samples';
import { loadSilero, SileroScorer } from '../audio/silero';
import { SPEECH_FRAME, speechSpans, speechWithin, type SpeechScorer } from '../audio/speech';
import { STATISTICS_VERSION, utteranceStatistics } from '../audio/statistics';
import { EmotionError } from '../emotion/error';
import { decodeWhole } from '../media/decode';
import { audioPreprocessing, type AudioPreprocessing, type Manifest } from '../models/manifest';
import { loadModel } from '../models/model';
import type { FeatureCommand } from './emotion-features';

const USAGE = `emotion-features audio --out DIR [--model DIR | --preprocessing FILE] [options]

Reads JSON lines {"id", "path"}, decodes each file and writes, in the same order, JSON lines
{"id", "seconds", "speech", "loudness", "offsets", "frames", "statistics"} to standard output and
the features as float32 (little-endian, row major) to DIR/FEATURE.f32, one behind the other;
"offsets" counts floats. A file that cannot be read gives {"id", "error", "message"}.

Whole sounds, before normalisation:
  log-mel.f32   [bands, frames], decibels
  mfcc.f32      [coefficients, frames]
  chroma.f32    [12, frames]
With --windows, what the model gets from the nodes, [windows, ...] for each of its inputs
  INPUT.f32     and "windows": [{"start", "end"}, ...]

  --out DIR              where the .f32 files go; created
  --model DIR            takes the settings from DIR/model.yaml
  --preprocessing FILE   takes them from a YAML file with the keys of model.yaml's preprocessing
  --features LIST        of whole sounds: log-mel,mfcc,chroma (default log-mel)
  --speech METHOD        all (default: everything counts as speech) | energy | silero
  --jobs N               files decoded ahead (default 2)
  --windows              see above`;

export const audioFeatures: FeatureCommand = { usage: USAGE, run };

const WHOLE_FEATURES = ['log-mel', 'mfcc', 'chroma'] as const;
type WholeFeature = (typeof WHOLE_FEATURES)[number];

interface Line {
  readonly id: unknown;
  readonly path: string;
}

async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      out: { type: 'string' },
      model: { type: 'string' },
      preprocessing: { type: 'string' },
      features: { type: 'string', default: 'log-mel' },
      speech: { type: 'string', default: 'all' },
      jobs: { type: 'string', default: '2' },
      windows: { type: 'boolean', default: false },
    },
  });
  if (values.out === undefined) throw wrong('--out', 'a folder', 'nothing');
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) throw wrong('--jobs', 'a whole number', values.jobs);
  const wanted = values.features.split(',').map((name) => {
    const feature = WHOLE_FEATURES.find((known) => known === name);
    if (!feature) throw wrong('--features', WHOLE_FEATURES.join(', '), name);
    return feature;
  });
  const manifest = await settings(values);
  const scorer = await scorerOf(values.speech);
  const files = new FloatFiles(values.out);
  await mkdir(values.out, { recursive: true });
  const describe = values.windows
    ? windowsOf(manifest, scorer, files)
    : wholeOf(manifest, scorer, files, wanted);

  try {
    for await (const { line, sound } of decodedAhead(jobs, manifest.sampleRateHz)) {
      let answer: object;
      try {
        answer = await describe((await sound).data);
      } catch (error) {
        if (!(error instanceof EmotionError)) throw error;
        answer = { error: error.code, message: error.message };
      }
      const text = `${JSON.stringify({ id: line.id, ...answer })}\n`;
      if (!process.stdout.write(text)) await once(process.stdout, 'drain');
    }
  } finally {
    await files.close();
  }
}

/** What {@link settings} found: enough of a manifest to prepare with. */
interface Settings {
  readonly sampleRateHz: number;
  readonly preprocessing: AudioPreprocessing;
  readonly manifest: Manifest;
}

async function settings(values: {
  model?: string | undefined;
  preprocessing?: string | undefined;
}): Promise<Settings> {
  if (values.model !== undefined) {
    const { manifest } = await loadModel(path.resolve(values.model));
    const { preprocessing } = manifest;
    if (preprocessing.kind !== 'audio') throw wrong('--model', 'a model for sound', manifest.id);
    return { sampleRateHz: preprocessing.sampleRateHz, preprocessing, manifest };
  }
  const given: unknown =
    values.preprocessing === undefined ? {} : parse(await readFile(values.preprocessing, 'utf8'));
  const parsed = audioPreprocessing.safeParse({
    kind: 'audio',
    frontEnd: 1,
    inputs: { mel: 'log-mel' },
    ...(given as object),
  });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw wrong(`--preprocessing ${issue?.path.join('.') ?? ''}`, issue?.message ?? '', 'another');
  }
  // The preparer reads no more of a manifest than its id and this part.
  const manifest = { id: 'training', modality: 'audio', preprocessing: parsed.data };
  return {
    sampleRateHz: parsed.data.sampleRateHz,
    preprocessing: parsed.data,
    manifest: manifest as unknown as Manifest,
  };
}

async function scorerOf(method: string): Promise<SpeechScorer> {
  switch (method) {
    case 'all':
      return EVERYTHING;
    case 'energy':
      return new EnergyGate();
    case 'silero':
      return new SileroScorer(await loadSilero());
    default:
      throw wrong('--speech', 'all, energy or silero', method);
  }
}

/** For corpora of cut utterances, in which every file is speech. */
const EVERYTHING: SpeechScorer = {
  method: 'energy',
  score: (samples) =>
    Promise.resolve(new Float32Array(Math.ceil(samples.length / SPEECH_FRAME)).fill(1)),
  reset: () => undefined,
};

type Describe = (samples: Float32Array) => Promise<object>;

function wholeOf(
  { preprocessing }: Settings,
  scorer: SpeechScorer,
  files: FloatFiles,
  wanted: readonly WholeFeature[],
): Describe {
  const { spectrum, mel, sampleRateHz, mfcc: cepstrum } = preprocessing;
  const options: FrontEndOptions = { sampleRateHz, ...spectrum, ...mel };
  const frontEnd = new FrontEnd(options);
  return async (decoded) => {
    const { samples } = cleanSamples(decoded);
    const seconds = samples.length / sampleRateHz;
    scorer.reset();
    const spans = speechSpans(await scorer.score(samples), seconds);
    const emphasised = preEmphasis(samples, preprocessing.preEmphasis);
    const found = frontEnd.analyse(emphasised, { chroma: wanted.includes('chroma') });
    const offsets: Record<string, number> = {};
    for (const feature of wanted) {
      const data = {
        'log-mel': () => found.logMel,
        mfcc: () => mfcc(found.logMel, mel.bands, cepstrum.coefficients),
        chroma: () => found.chroma ?? new Float32Array(0),
      }[feature]();
      offsets[feature] = await files.append(feature, data);
    }
    return {
      seconds,
      speech: speechWithin(spans, 0, seconds) / seconds,
      loudness: summariseLoudness(samples),
      frames: found.frames,
      offsets,
      statistics: statisticsOf(utteranceStatistics(samples)),
    };
  };
}

function windowsOf({ manifest }: Settings, scorer: SpeechScorer, files: FloatFiles): Describe {
  const preparer = new AudioPreparer(manifest);
  return async (samples) => {
    const { tensors, segments, features, reason, source } = await preparer.prepare(samples, scorer);
    const offsets: Record<string, number> = {};
    const dims: Record<string, readonly number[]> = {};
    for (const [name, tensor] of Object.entries(tensors)) {
      offsets[name] = await files.append(name, tensor.data as Float32Array);
      dims[name] = tensor.dims;
    }
    return {
      seconds: source.duration,
      speech: features?.speech.ratio,
      loudness: features?.loudness,
      offsets,
      dims,
      windows: segments,
      ...(reason && { reason }),
      ...(features && { statistics: statisticsOf(features.statistics.values) }),
    };
  };
}

/** JSON has no NaN: what could not be measured is null. */
function statisticsOf(values: Float32Array): { version: number; values: (number | null)[] } {
  return {
    version: STATISTICS_VERSION,
    values: Array.from(values, (value) => (Number.isFinite(value) ? value : null)),
  };
}

/** The lines of standard input, each with its sound, some of which are already being decoded. */
async function* decodedAhead(
  jobs: number,
  sampleRateHz: number,
): AsyncGenerator<{ line: Line; sound: ReturnType<typeof decodeWhole> }> {
  const ahead: { line: Line; sound: ReturnType<typeof decodeWhole> }[] = [];
  let number = 0;
  for await (const text of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    number += 1;
    if (text.trim() === '') continue;
    const line = parseLine(text, number);
    const sound = decodeWhole({ kind: 'file', path: path.resolve(line.path) }, { sampleRateHz });
    // Looked at when its turn comes.
    sound.catch(() => undefined);
    ahead.push({ line, sound });
    if (ahead.length > jobs) yield ahead.shift()!;
  }
  yield* ahead;
}

function parseLine(text: string, number: number): Line {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new EmotionError(
      'input.wrong-type',
      `line ${number}: not JSON`,
      { line: number },
      { cause },
    );
  }
  const { id, path: file } = (value ?? {}) as Record<string, unknown>;
  if (typeof file !== 'string') {
    throw new EmotionError(
      'input.wrong-type',
      `line ${number}: "path" must be a string, got ${typeof file}`,
      { line: number },
    );
  }
  return { id, path: file };
}

/** One growing file of floats a feature. */
class FloatFiles {
  readonly #files = new Map<string, { stream: WriteStream; floats: number }>();

  constructor(private readonly folder: string) {}

  /** @returns where the data begins, in floats */
  async append(name: string, data: Float32Array): Promise<number> {
    let file = this.#files.get(name);
    if (!file) {
      file = { stream: createWriteStream(path.join(this.folder, `${name}.f32`)), floats: 0 };
      this.#files.set(name, file);
    }
    const offset = file.floats;
    file.floats += data.length;
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (!file.stream.write(bytes)) await once(file.stream, 'drain');
    return offset;
  }

  async close(): Promise<void> {
    for (const { stream } of this.#files.values()) {
      stream.end();
      await once(stream, 'close');
    }
  }
}

function wrong(option: string, expected: string, got: string): EmotionError {
  return new EmotionError(
    'input.wrong-type',
    `${option.trim()}: expected ${expected}, got ${got}`,
    {
      option,
      expected,
      got,
    },
  );
}
