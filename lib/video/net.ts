/**
 * A neural network as `lib/video` sees it: one float32 tensor in, named tensors out. Whoever owns the
 * runtime (ONNX Runtime in a child process, a remote server, a test) passes such a function.
 */
export type Net = (
  input: Float32Array,
  dims: readonly number[],
) => Promise<Readonly<Record<string, Float32Array>>>;
