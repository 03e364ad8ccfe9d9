/**
 * Coefficients of the temperatures of the votes and of the product, see `fusedTemperature`: the
 * fused distribution in the order of `EMOTIONS`, its entropy, the modalities' overlap with it, and
 * the subset that is present. Fitted on EmotionTalk's development dialogues and written by
 * `python -m training.fusion.train`; `models/fusion-attention/README.md` says what they were measured to do.
 */
export const POOL_TEMPERATURES = {
  // prettier-ignore
  vote: [0.048, -0.369, 0.076, -0.718, 0.334, 0.606, 0.657, -0.614, -0.02, 0, 0, 0.231, 0, 0.231, 0.258, -0.087],
  // prettier-ignore
  product: [0.162, 0.029, 0.428, -0.143, 0.271, 0.309, 0.59, -0.597, 0.298, 0, 0, 0.371, 0, 0.422, 0.369, 0.485],
} as const satisfies Readonly<Record<string, readonly number[]>>;
