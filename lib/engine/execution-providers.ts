/** Execution providers that a person can choose; each but `cpu` needs its hardware. */
export const EXECUTION_PROVIDERS = ['cpu', 'cuda', 'tensorrt', 'dml', 'coreml', 'webgpu'] as const;

export type ExecutionProvider = (typeof EXECUTION_PROVIDERS)[number];

/**
 * What onnxruntime-node is built with for a machine (the table in its README, version 1.30). CUDA
 * and TensorRT also need their libraries, WebGPU a graphics adapter.
 *
 * @example executionProvidersFor('linux', 'arm64'); // → ['cpu']
 */
export function executionProvidersFor(
  platform: NodeJS.Platform,
  arch: NodeJS.Architecture,
): readonly ExecutionProvider[] {
  switch (platform) {
    case 'linux':
      return arch === 'x64' ? ['cpu', 'cuda', 'tensorrt', 'webgpu'] : ['cpu'];
    case 'win32':
      return ['cpu', 'dml', 'webgpu'];
    case 'darwin':
      return ['cpu', 'coreml', 'webgpu'];
    default:
      return ['cpu'];
  }
}
