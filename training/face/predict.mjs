// Answers JSON lines with {id, scores, label, weights?} through the library that the nodes run.
//
//   node training/face/predict.mjs MODEL_FOLDER [PRECISION] < lines.jsonl
//
//   {"id", "frames": N, "crops": base64 of N × side × side grey bytes}   crops of one face, as they are
//   {"id", "path"}            a picture or clip: frames, faces, crops, clips as the nodes make them
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const lib = fileURLToPath(new URL('../../dist/lib/', import.meta.url));
const { LocalEngine } = require(`${lib}engine/local-engine.js`);
const { interpret } = require(`${lib}engine/interpret.js`);
const { decodeFrames } = require(`${lib}media/frames.js`);
const { loadModel } = require(`${lib}models/model.js`);
const { FaceReader } = require(`${lib}video/face-reader.js`);
const { openFaceNets } = require(`${lib}video/open-face-nets.js`);
const { VideoPreparer } = require(`${lib}video/prepare.js`);

const AT_ONCE = 64;

const [folder, precision] = process.argv.slice(2);
if (folder === undefined) {
  console.error('predict.mjs MODEL_FOLDER [fp32|int8] < lines.jsonl');
  process.exit(2);
}
const model = await loadModel(resolve(folder));
const preparer = new VideoPreparer(model.manifest);
const { side } = preparer.settings.crop;
const engine = new LocalEngine(model, {
  intraOpThreads: 1,
  cacheEntries: 0,
  queueLimit: 4 * AT_ONCE,
  timeoutMs: 600_000,
  ...(precision !== undefined && { precision }),
});
let nets;

/** Crops of one face as the only row of a sample. */
function sampleOfCrops({ frames, crops }) {
  const bytes = Buffer.from(crops, 'base64');
  const { clip, inputs } = preparer.settings;
  const count = clip.fill === 'repeat' ? clip.frames : frames;
  const data = new Float32Array(count * side * side);
  for (let frame = 0; frame < count; frame++) {
    const from = Math.floor((frame * frames) / count) * side * side;
    for (let i = 0; i < side * side; i++) data[frame * side * side + i] = bytes[from + i] / 255;
  }
  const tensor = { type: 'float32', dims: [1, count, 1, side, side], data };
  return {
    modality: 'video',
    model: model.manifest.id,
    tensors: Object.fromEntries(Object.keys(inputs).map((name) => [name, tensor])),
    segments: [{}],
    source: {},
  };
}

async function sampleOfFile(path) {
  nets ??= await openFaceNets();
  const reader = new FaceReader(nets, { maxFaces: 1 });
  const record = preparer.record(nets.runtime);
  for await (const { index, time, ...picture } of decodeFrames(
    { kind: 'file', path },
    { fps: preparer.fps },
  )) {
    const frame = { ...picture, channels: 3 };
    record.add(frame, time, await reader.read(frame, time));
  }
  return record.clips({ file: path }, { faces: 'largest', picture: false });
}

async function answer(line) {
  const { id, path, ...crops } = JSON.parse(line);
  const sample = path === undefined ? sampleOfCrops(crops) : await sampleOfFile(path);
  const { label, scores, segments } = interpret(sample, await engine.infer(sample), model.manifest);
  return JSON.stringify({ id, label, scores, clips: segments?.length ?? 0 });
}

try {
  let pending = [];
  const flush = async () => {
    const lines = await Promise.all(pending);
    pending = [];
    if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
  };
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    const one = answer(line);
    // Files go one after the other: a decoder each would fill the memory.
    if (line.includes('"path"')) await one;
    pending.push(one);
    if (pending.length === AT_ONCE) await flush();
  }
  await flush();
} finally {
  await engine.close();
  await nets?.close();
}
