/**
 * Coefficients of the temperatures of the votes and of the product, see `fusedTemperature`: the
 * fused distribution in the order of `EMOTIONS`, its entropy, the modalities' overlap with it, the
 * subset that is present, and the logarithm of the leading score. Fitted on EmotionTalk's development dialogues and written by
 * `python -m training.fusion`; `models/fusion-attention/README.md` says what they were measured to do.
 */
export const POOL_TEMPERATURES = {
  // prettier-ignore
  vote: [0.196, -0.516, -0.044, -0.42, 0.08, 0.681, 0.708, -0.252, -0.32, 0, 0, 0.185, 0, 0.277, 0.3, -0.078, 0.141],
  // prettier-ignore
  product: [0.187, -0.151, 0.224, -0.081, 0.121, 0.855, 0.631, -0.366, 0.249, 0, 0, 0.322, 0, 0.482, 0.451, 0.53, 0.196],
} as const satisfies Readonly<Record<string, readonly number[]>>;
