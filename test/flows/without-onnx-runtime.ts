/**
 * Preloaded (`node --require`): ONNX Runtime cannot be loaded, neither the native one nor
 * WebAssembly, as on a machine with a broken installation. What stands for TensorFlow.js in the
 * tests keeps it: its faces are real ones.
 */
import Module from 'node:module';

type Load = (request: string, ...rest: unknown[]) => unknown;
const loader = Module as unknown as { _load: Load };
const load = loader._load.bind(Module);
const standIn = /stand-in-tensorflow\.[jt]s/;

loader._load = (request, ...rest) => {
  if (/^onnxruntime-(node|web)/.test(request) && !standIn.test(new Error().stack ?? '')) {
    throw new Error(`Cannot find module '${request}'`);
  }
  return load(request, ...rest);
};
