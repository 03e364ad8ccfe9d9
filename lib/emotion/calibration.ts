/** One temperature for everything, or one per language. */
export type Temperature = number | Readonly<Record<string, number>>;

/**
 * The temperature that holds for a language. With one temperature per language, a language that
 * has none (or is not known) gets the highest of them: the most cautious answer.
 *
 * @example temperatureFor({ zh: 1.2, en: 1.6 }, 'zh'); // → 1.2
 * @example temperatureFor({ zh: 1.2, en: 1.6 }, 'fr'); // → 1.6
 */
export function temperatureFor(temperature: Temperature, language?: string): number {
  if (typeof temperature === 'number') return temperature;
  const own = language === undefined ? undefined : temperature[language];
  return own ?? Math.max(...Object.values(temperature));
}

/**
 * Softmax of logits divided by a temperature (temperature scaling, Guo et al. 2017, "On
 * Calibration of Modern Neural Networks", section 4.2). The largest logit is subtracted first, so
 * logits of any size neither overflow nor vanish together.
 *
 * @param logits [labels]; `-Infinity` is a label that is ruled out
 * @returns [labels], sum 1
 * @throws RangeError when a logit is NaN or +Infinity, all of them are -Infinity, or the
 * temperature is not a positive number
 *
 * @example softmax([0, Math.log(3)]); // → [0.25, 0.75]
 */
export function softmax(logits: ArrayLike<number>, temperature = 1): number[] {
  if (!(temperature > 0) || !Number.isFinite(temperature)) {
    throw new RangeError(`temperature must be a positive number, got ${temperature}`);
  }
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i += 1) {
    const logit = logits[i] as number;
    if (Number.isNaN(logit) || logit === Infinity) {
      throw new RangeError(`logit ${i} must be a number under infinity, got ${logit}`);
    }
    if (logit > largest) largest = logit;
  }
  if (largest === -Infinity) throw new RangeError('softmax needs at least one finite logit');

  const powers: number[] = [];
  let sum = 0;
  for (let i = 0; i < logits.length; i += 1) {
    const power = Math.exp(((logits[i] as number) - largest) / temperature);
    powers.push(power);
    sum += power;
  }
  return powers.map((power) => power / sum);
}

/** One prediction of a test set: the probability of the predicted label, and whether it was right. */
export interface Prediction {
  readonly confidence: number;
  readonly correct: boolean;
}

/** One bar of a reliability diagram. */
export interface ReliabilityBin {
  /** Confidences in (from, to]; the first bin also holds 0. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Mean confidence and share of right answers; 0 when the bin is empty. */
  readonly confidence: number;
  readonly accuracy: number;
}

/** Equal-width bins over [0, 1] (Guo et al. 2017, section 2). */
export function reliability(predictions: Iterable<Prediction>, bins = 15): ReliabilityBin[] {
  const counts = new Array<number>(bins).fill(0);
  const confidences = new Array<number>(bins).fill(0);
  const hits = new Array<number>(bins).fill(0);
  for (const { confidence, correct } of predictions) {
    if (!(confidence >= 0 && confidence <= 1)) {
      throw new RangeError(`confidence must be from 0 to 1, got ${confidence}`);
    }
    const bin = Math.max(0, Math.ceil(confidence * bins) - 1);
    counts[bin]! += 1;
    confidences[bin]! += confidence;
    if (correct) hits[bin]! += 1;
  }
  return counts.map((count, bin) => ({
    from: bin / bins,
    to: (bin + 1) / bins,
    count,
    confidence: count === 0 ? 0 : confidences[bin]! / count,
    accuracy: count === 0 ? 0 : hits[bin]! / count,
  }));
}

/**
 * Expected calibration error: the mean over predictions of the distance between confidence and
 * accuracy of their bin (Guo et al. 2017, equation 3, 15 equal-width bins).
 *
 * @returns 0 (perfect) to 1; 0 for no predictions
 *
 * @example
 * // eight of ten right at a confidence of 0.9
 * expectedCalibrationError(tenPredictions); // → 0.1
 */
export function expectedCalibrationError(predictions: Iterable<Prediction>, bins = 15): number {
  const bars = reliability(predictions, bins);
  const total = bars.reduce((sum, bar) => sum + bar.count, 0);
  if (total === 0) return 0;
  return bars.reduce(
    (sum, bar) => sum + (bar.count / total) * Math.abs(bar.accuracy - bar.confidence),
    0,
  );
}
