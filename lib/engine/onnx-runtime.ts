import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Ort from 'onnxruntime-common';
import type { LocalEngineOptions } from './engine';
import type { SessionRuntime } from './protocol';

export type OrtModule = typeof Ort;

/**
 * Loads ONNX Runtime into this process, which must not be Node-RED's own: a run blocks it.
 *
 * From 1.29 on the native library tells Microsoft about the machine and the models that it runs, keeps
 * an id of the device in the user's cache folder and opens a log in the temporary folder
 * (onnxruntime/core/platform/posix/telemetry.cc). It is switched off here before the library is
 * loaded, whatever the environment says. On Windows the library hands such events to the system's own
 * tracing instead, which decides by its privacy settings; WebAssembly has none.
 *
 * @param backend `auto`: WebAssembly where the native library cannot be loaded
 * @param threads of WebAssembly; a native session is told when it is created
 * @returns `passedOver`: why `auto` did not take the native library
 * @throws Error of `require`, when the runtime that was asked for cannot be loaded
 */
/* eslint-disable @typescript-eslint/no-require-imports -- a runtime may be missing */
export function loadOnnxRuntime(
  backend: LocalEngineOptions['backend'],
  threads: number,
): { ort: OrtModule; runtime: SessionRuntime; passedOver?: string } {
  let passedOver: string | undefined;
  if (backend !== 'onnxruntime-web') {
    process.env['ORT_DISABLE_TELEMETRY'] = '1';
    try {
      return { ort: require('onnxruntime-node') as OrtModule, runtime: 'onnxruntime' };
    } catch (error) {
      if (backend === 'onnxruntime') throw error;
      passedOver = error instanceof Error ? error.message : String(error);
    }
  }
  const ort = require('onnxruntime-web/wasm') as OrtModule;
  const wasm = require.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm');
  ort.env.wasm.wasmPaths = `${pathToFileURL(dirname(wasm)).href}/`;
  ort.env.wasm.numThreads = Math.max(1, threads);
  return { ort, runtime: 'onnxruntime-web', ...(passedOver !== undefined && { passedOver }) };
}
/* eslint-enable @typescript-eslint/no-require-imports */
