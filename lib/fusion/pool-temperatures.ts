/**
 * Coefficients of the temperatures of the votes and of the product, see `fusedTemperature`: the
 * fused distribution in the order of `EMOTIONS`, its entropy, the modalities' overlap with it, the
 * subset that is present, and the logarithm of the leading score. Fitted on EmotionTalk's development dialogues and written by
 * `python -m training.fusion`; `models/fusion-attention/README.md` says what they were measured to do.
 */
export const POOL_TEMPERATURES = {
  // prettier-ignore
  vote: [0.174, -0.508, 0.06, -0.417, 0.174, 0.538, 0.704, -0.195, -0.355, 0, 0, 0.205, 0, 0.271, 0.321, -0.072, 0.168],
  // prettier-ignore
  product: [0.178, -0.134, 0.295, -0.078, 0.171, 0.768, 0.641, -0.403, 0.245, 0, 0, 0.339, 0, 0.493, 0.467, 0.543, 0.163],
} as const satisfies Readonly<Record<string, readonly number[]>>;
