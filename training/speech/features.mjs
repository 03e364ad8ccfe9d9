// Features of many sounds in one process, computed by the library that the nodes run.
//
//   node training/speech/features.mjs SOUNDS.f32 LENGTHS.json OUT [--statistics]
//
// SOUNDS.f32 holds the sounds one behind the other (float32, mono, 16 kHz), LENGTHS.json their
// lengths in samples. Writes OUT/log-mel.f32, [frames, 128] decibels of each sound one behind the
// other, OUT/frames.json, the number of frames of each, and, when asked, OUT/statistics.f32,
// [sounds, names], NaN where there is nothing to measure.
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const lib = process.env.EMOTION_LIB ?? fileURLToPath(new URL('../../dist/lib/', import.meta.url));
const { FrontEnd } = require(join(lib, 'audio/log-mel.js'));
const { cleanSamples } = require(join(lib, 'audio/samples.js'));
const { utteranceStatistics } = require(join(lib, 'audio/statistics.js'));

const [file, lengthsFile, out, option] = process.argv.slice(2);
if (out === undefined) {
  console.error('features.mjs SOUNDS.f32 LENGTHS.json OUT [--statistics]');
  process.exit(2);
}

const bytes = readFileSync(file);
const sounds = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const lengths = JSON.parse(readFileSync(lengthsFile, 'utf8'));
const frontEnd = new FrontEnd();
const { bands, frameLength } = frontEnd.options;

const pictures = [];
const frameCounts = [];
const statistics = [];
let from = 0;
for (const length of lengths) {
  const { samples } = cleanSamples(sounds.slice(from, from + length));
  from += length;
  const padded = new Float32Array(Math.max(length, frameLength));
  padded.set(samples);
  const { logMel, frames } = frontEnd.analyse(padded);
  const picture = new Float32Array(logMel.length);
  for (let band = 0; band < bands; band += 1) {
    for (let t = 0; t < frames; t += 1) picture[t * bands + band] = logMel[band * frames + t];
  }
  pictures.push(Buffer.from(picture.buffer));
  frameCounts.push(frames);
  if (option === '--statistics') {
    statistics.push(Buffer.from(utteranceStatistics(samples).buffer));
  }
}
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'log-mel.f32'), Buffer.concat(pictures));
writeFileSync(join(out, 'frames.json'), JSON.stringify(frameCounts));
if (option === '--statistics')
  writeFileSync(join(out, 'statistics.f32'), Buffer.concat(statistics));
