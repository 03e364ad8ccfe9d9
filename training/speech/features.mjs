// Features of many sounds in one process, computed by the library that the nodes run.
//
//   node training/speech/features.mjs SOUNDS.f32 LENGTHS.json PREPROCESSING.json OUT
//
// SOUNDS.f32 holds the sounds one behind the other (float32, mono, 16 kHz), LENGTHS.json their
// lengths in samples, PREPROCESSING.json the keys of model.yaml's preprocessing. Writes into OUT, all
// float32, sounds one behind the other:
//
//   rows.f32         [frames, bands + 12 + 4]: log-mel in decibels, chroma, prosody
//   frames.json      the number of frames of each sound
//   statistics.f32   [sounds, names] of whole sounds, NaN where there is nothing to measure
//   windows.f32      [windows, names] of the windows that the nodes cut
//   windows.json     the number of windows of each sound
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const lib = process.env.EMOTION_LIB ?? fileURLToPath(new URL('../../dist/lib/', import.meta.url));
const { FrontEnd } = require(join(lib, 'audio/log-mel.js'));
const { AudioPreparer } = require(join(lib, 'audio/prepare.js'));
const { pitch } = require(join(lib, 'audio/pitch.js'));
const { prosody } = require(join(lib, 'audio/prosody.js'));
const { cleanSamples } = require(join(lib, 'audio/samples.js'));
const { audioPreprocessing } = require(join(lib, 'models/manifest.js'));

const [file, lengthsFile, settingsFile, out] = process.argv.slice(2);
if (out === undefined) {
  console.error('features.mjs SOUNDS.f32 LENGTHS.json PREPROCESSING.json OUT');
  process.exit(2);
}

const bytes = readFileSync(file);
const sounds = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const lengths = JSON.parse(readFileSync(lengthsFile, 'utf8'));
const preprocessing = audioPreprocessing.parse({
  ...JSON.parse(readFileSync(settingsFile, 'utf8')),
  inputs: { statistics: 'statistics' },
});
const { spectrum, mel, sampleRateHz } = preprocessing;
const frontEnd = new FrontEnd({ sampleRateHz, ...spectrum, ...mel });
const preparer = new AudioPreparer({ id: 'training', modality: 'audio', preprocessing });
/** Every window of a corpus is speech. */
const scorer = {
  method: 'energy',
  score: async (samples) => new Float32Array(Math.ceil(samples.length / 512)).fill(1),
  reset: () => undefined,
};

const rows = [];
const frameCounts = [];
const statistics = [];
const windows = [];
const windowCounts = [];
let from = 0;
for (const length of lengths) {
  const { samples } = cleanSamples(sounds.slice(from, from + length));
  from += length;
  const padded = new Float32Array(Math.max(length, spectrum.frameLength));
  padded.set(samples);
  const { logMel, chroma, frames } = frontEnd.analyse(padded, { chroma: true });
  const features = [logMel, chroma, prosody(samples, pitch(samples), spectrum, frames)];
  const width = features.reduce((sum, feature) => sum + feature.length / frames, 0);
  const joined = new Float32Array(width * frames);
  let column = 0;
  for (const feature of features) {
    for (let row = 0; row < feature.length / frames; row += 1, column += 1) {
      for (let t = 0; t < frames; t += 1) joined[t * width + column] = feature[row * frames + t];
    }
  }
  rows.push(Buffer.from(joined.buffer));
  frameCounts.push(frames);
  const sample = await preparer.prepare(samples, scorer, {}, { silence: 'keep' });
  const tensor = sample.tensors.statistics;
  const { values } = sample.features.statistics;
  statistics.push(Buffer.from(values.slice().buffer));
  // Digital silence has no windows: the network gets what the nodes would give for it.
  const data = tensor?.data ?? values.map((value) => (Number.isFinite(value) ? value : 0));
  windows.push(Buffer.from(data.slice().buffer));
  windowCounts.push(tensor?.dims[0] ?? 1);
}
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'rows.f32'), Buffer.concat(rows));
writeFileSync(join(out, 'frames.json'), JSON.stringify(frameCounts));
writeFileSync(join(out, 'statistics.f32'), Buffer.concat(statistics));
writeFileSync(join(out, 'windows.f32'), Buffer.concat(windows));
writeFileSync(join(out, 'windows.json'), JSON.stringify(windowCounts));
