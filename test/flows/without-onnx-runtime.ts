/**
 * Preloaded (`node --require`): ONNX Runtime cannot be loaded, neither the native one nor
 * WebAssembly, as on a machine with a broken installation. Only the process that looks for faces keeps
 * it, for without the points of a face there is nothing to answer for.
 */
import Module from 'node:module';

type Load = (request: string, ...rest: unknown[]) => unknown;
const loader = Module as unknown as { _load: Load };
const load = loader._load.bind(Module);
const keeps = /face-process\.js$/.test(process.argv[1] ?? '');

if (!keeps || process.env['EMOTION_TEST_NO_FACES'] !== undefined) {
  loader._load = (request, ...rest) => {
    if (/^onnxruntime-(node|web)/.test(request)) {
      throw new Error(`Cannot find module '${request}'`);
    }
    return load(request, ...rest);
  };
}
