/**
 * Coefficients of the temperatures of the votes and of the product, see `fusedTemperature`: the
 * fused distribution in the order of `EMOTIONS`, its entropy, the modalities' overlap with it, the
 * subset that is present, and the logarithm of the leading score. Fitted on EmotionTalk's development dialogues and written by
 * `python -m training.fusion`; `models/fusion-attention/README.md` says what they were measured to do.
 */
export const POOL_TEMPERATURES = {
  // prettier-ignore
  vote: [0.278, -0.351, 0.175, -0.363, 0.106, 0.918, 0.966, -0.819, -0.423, 0, 0, 0.495, 0, 0.496, 0.533, 0.204, 0],
  // prettier-ignore
  product: [0.224, 0.013, 0.319, -0.034, 0.158, 0.859, 0.857, -0.796, -0.005, 0, 0, 0.506, 0, 0.638, 0.601, 0.65, 0],
} as const satisfies Readonly<Record<string, readonly number[]>>;
