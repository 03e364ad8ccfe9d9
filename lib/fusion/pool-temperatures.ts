/**
 * Coefficients of the temperatures of the votes and of the product, see `fusedTemperature`: the
 * fused distribution in the order of `EMOTIONS`, its entropy, the modalities' overlap with it, the
 * subset that is present, and the logarithm of the leading score. Fitted on EmotionTalk's development dialogues and written by
 * `python -m training.fusion`; `models/fusion-attention/README.md` says what they were measured to do.
 */
export const POOL_TEMPERATURES = {
  // prettier-ignore
  vote: [0.193, -0.532, -0.036, -0.432, 0.107, 0.662, 0.707, -0.24, -0.307, 0, 0, 0.187, 0, 0.288, 0.273, -0.079, 0.158],
  // prettier-ignore
  product: [0.176, -0.159, 0.215, -0.094, 0.134, 0.877, 0.634, -0.381, 0.277, 0, 0, 0.328, 0, 0.476, 0.446, 0.533, 0.2],
} as const satisfies Readonly<Record<string, readonly number[]>>;
