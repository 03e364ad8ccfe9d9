import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Meyda from 'meyda';
import { EnergyGate } from '../lib/audio/energy-gate';
import { FrontEnd, type FrontEndOptions } from '../lib/audio/log-mel';
import { AudioPreparer } from '../lib/audio/prepare';
import { loadSilero, SileroScorer } from '../lib/audio/silero';
import { decodeWhole } from '../lib/media/decode';
import type { Manifest } from '../lib/models/manifest';
import { loadModel } from '../lib/models/model';
import { shippedModels } from '../lib/models/package-root';
import { AudioPool } from '../lib/workers/audio-pool';
import { loopGap } from './loop-gap';
import { figure, median, type BenchRow, type RowGroup } from './row';

const SECONDS = 30;
const ROUNDS = 3;

/** A file to decode: a tone that moves, with noise, as MP3 at 44.1 kHz. */
function makeFile(folder: string): string {
  const path = join(folder, 'bench.mp3');
  const source = `aevalsrc=0.3*sin(2*PI*(150+40*sin(t))*t)*(1+sin(25*t))/2+0.02*random(0):d=${SECONDS}:s=44100`;
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', source, path]);
  return path;
}

/** As the shipped network wants it. */
async function shipped(): Promise<{
  manifest: Manifest;
  front: AudioPreparer;
  frontEnd: FrontEnd;
}> {
  const { manifest } = await loadModel(join(shippedModels(), 'speech-crnn'));
  const front = new AudioPreparer(manifest);
  return { manifest, front, frontEnd: new FrontEnd(front.frontEnd) };
}

/** File → windows of 128 × 64, on one core, as seconds of sound a second. */
export const audio: RowGroup = {
  id: 'audio',
  title: `${SECONDS} s of MP3 → features, one thread`,
  async measure(): Promise<BenchRow[]> {
    const folder = mkdtempSync(join(tmpdir(), 'emotion-bench-'));
    try {
      const path = makeFile(folder);
      // Another name a round: nothing may be kept from one to the next.
      const copies = Array.from({ length: ROUNDS + 1 }, (_, round) => {
        const copy = join(folder, `${round}.mp3`);
        writeFileSync(copy, readFileSync(path));
        return copy;
      });
      const { front, frontEnd } = await shipped();
      const model = await loadSilero();
      const { data } = await decodeWhole({ kind: 'file', path });

      const time = async (work: (round: number) => unknown): Promise<number> => {
        await work(0);
        const times: number[] = [];
        for (let round = 1; round <= ROUNDS; round += 1) {
          const startedAt = performance.now();
          await work(round);
          times.push(performance.now() - startedAt);
        }
        return median(times);
      };
      const decoded = async (round: number) =>
        (await decodeWhole({ kind: 'file', path: copies[round] ?? path })).data;

      const whole = await time(async (round) => frontEnd.analyse(await decoded(round)));
      const rows: [string, number][] = [
        ['decoding and 128 log-mel bands', whole],
        ['all inputs of speech-crnn, loudness, pitch, energy gate', await time(async (round) => front.prepare(await decoded(round), new EnergyGate()))],
        ['the same with the Silero net', await time(async (round) => front.prepare(await decoded(round), new SileroScorer(model)))],
        ['128 log-mel bands alone', await time(() => frontEnd.analyse(data))],
        ["Meyda's own melBands alone, 128", await time(() => meydaMelBands(data, frontEnd.options))],
        ['Silero net alone', await time(() => new SileroScorer(model).score(data))],
      ]; // prettier-ignore
      return rows.map(([name, ms]) => ({
        name,
        columns: {
          'x real time': figure((SECONDS * 1000) / ms),
          'ms/s': figure(ms / SECONDS),
          ratio: figure(ms / whole),
        },
      }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const FILES = 10;

/** How long Node-RED's event loop would be held up while files are decoded and prepared. */
export const audioLoop: RowGroup = {
  id: 'audio-loop',
  title: `event-loop gap in ms, ${FILES} files of ${SECONDS} s in flight`,
  async measure(): Promise<BenchRow[]> {
    const folder = mkdtempSync(join(tmpdir(), 'emotion-bench-'));
    const pool = new AudioPool();
    try {
      const path = makeFile(folder);
      const { manifest } = await shipped();
      const front = await pool.open(manifest);
      const all = () =>
        Promise.all(Array.from({ length: FILES }, () => front.prepare({ kind: 'file', path })));
      await all();
      const gap = await loopGap(all);
      const idle = await loopGap(() => new Promise((resolve) => setTimeout(resolve, 1_000)));
      await front.close();
      return [
        { name: 'ten files, decoded and prepared', gap },
        { name: 'nothing at all, for 1 s', gap: idle },
      ].map(({ name, gap: { p99, max, probeMax } }) => ({
        name,
        columns: { p99: figure(p99), max: figure(max), 'max by own probe': figure(probeMax) },
      }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** What a flow that uses Meyda directly would do: its dense bank, the same frames. */
function meydaMelBands(samples: Float32Array, options: FrontEndOptions): number {
  const { fftSize, hopLength, sampleRateHz, bands } = options;
  Meyda.bufferSize = fftSize;
  Meyda.sampleRate = sampleRateHz;
  Meyda.melBands = bands;
  Meyda.windowingFunction = 'hanning';
  let frames = 0;
  for (let at = 0; at + fftSize <= samples.length; at += hopLength) {
    Meyda.extract('melBands', samples.subarray(at, at + fftSize));
    frames += 1;
  }
  return frames;
}
