import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Ort from 'onnxruntime-common';
import { EmotionError } from '../emotion/error';
import { shippedModels } from '../models/package-root';
import { FrameCollector, SPEECH_FRAME, type SpeechScorer } from './speech';

/** Samples of the frame before that the net sees again. */
const CONTEXT = 64;
const ROW = CONTEXT + SPEECH_FRAME;
const STATE = 2 * 128;
/** Frames of one run, about 16 s: bounds the memory, and how long the thread is busy. */
const FRAMES_PER_RUN = 512;

/**
 * Runs the graph of `models/vad-silero`.
 *
 * @param frames `[n, 576]`
 * @param state `[2, 1, 128]`
 * @returns `speech` `[n]`, 0–1, and the state for what follows
 */
export type SileroModel = (
  frames: Float32Array,
  state: Float32Array,
) => Promise<{ readonly speech: Float32Array; readonly state: Float32Array }>;

/** Speech by the Silero net. The net itself is injected, so this needs no ONNX Runtime. */
export class SileroScorer implements SpeechScorer {
  readonly method = 'silero';
  private readonly frames = new FrameCollector();
  private context = new Float32Array(CONTEXT);
  private state = new Float32Array(STATE);

  constructor(private readonly model: SileroModel) {}

  async score(samples: Float32Array): Promise<Float32Array> {
    const whole = this.frames.push(samples);
    const count = whole.length / SPEECH_FRAME;
    const out = new Float32Array(count);
    for (let first = 0; first < count; first += FRAMES_PER_RUN) {
      const n = Math.min(FRAMES_PER_RUN, count - first);
      const rows = new Float32Array(n * ROW);
      for (let i = 0; i < n; i += 1) {
        const start = (first + i) * SPEECH_FRAME;
        const frame = whole.subarray(start, start + SPEECH_FRAME);
        rows.set(this.context, i * ROW);
        rows.set(frame, i * ROW + CONTEXT);
        this.context = frame.slice(-CONTEXT);
      }
      const { speech, state } = await this.model(rows, this.state);
      this.state = state as Float32Array<ArrayBuffer>;
      out.set(speech, first);
    }
    return out;
  }

  reset(): void {
    this.frames.reset();
    this.context = new Float32Array(CONTEXT);
    this.state = new Float32Array(STATE);
  }
}

/**
 * The Silero net in this very thread, on WebAssembly: unlike the native runtime it may be stopped
 * with its thread at any time. For worker threads, never for Node-RED's own.
 *
 * @throws {EmotionError} `model.load-failed`: the caller goes on with the energy gate.
 */
export async function loadSilero(
  file = join(shippedModels(), 'vad-silero', 'silero-vad-16k.onnx'),
): Promise<SileroModel> {
  try {
    /* eslint-disable @typescript-eslint/no-require-imports -- the runtime may be missing */
    const ort = require('onnxruntime-web/wasm') as typeof Ort;
    const wasm = require.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm');
    /* eslint-enable @typescript-eslint/no-require-imports */
    ort.env.wasm.wasmPaths = `${pathToFileURL(dirname(wasm)).href}/`;
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(await readFile(file), {
      logSeverityLevel: 3,
    });
    return async (frames, state) => {
      const outputs = await session.run({
        frames: new ort.Tensor('float32', frames, [frames.length / ROW, ROW]),
        state: new ort.Tensor('float32', state, [2, 1, 128]),
      });
      return {
        speech: outputs.speech?.data as Float32Array,
        state: outputs.stateN?.data as Float32Array,
      };
    };
  } catch (error) {
    throw new EmotionError(
      'model.load-failed',
      `The speech detector ${file} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      { file },
      { cause: error },
    );
  }
}
