/** A session process on a machine for which onnxruntime-node has no build. */
import Module from 'node:module';

type Load = (request: string, ...rest: unknown[]) => unknown;
const loader = Module as unknown as { _load: Load };
const load = loader._load.bind(Module);
loader._load = (request, ...rest) => {
  if (request === 'onnxruntime-node') throw new Error("Cannot find module 'onnxruntime_binding'");
  return load(request, ...rest);
};

import('../../lib/engine/session-process.js').catch(() => process.exit(1));
