/**
 * Estimates how far a device's clock is from ours, from when its windows end and when they arrive.
 *
 * What arrives fastest was delayed least, so the smallest difference of arrival and end over the
 * last `size` windows is the offset plus the least delay on the way (the minimum filter of NTP,
 * RFC 5905 section 10; Moon, Skelly and Towsley, "Estimation and removal of clock skew from
 * network delay measurements", INFOCOM 1999). The window is finite, so a clock that drifts is
 * followed. Two streams whose ends are moved by their offsets are aligned up to the difference of
 * their least delays.
 */
export class ClockOffset {
  readonly #differences: Float64Array;
  #count = 0;

  /** @param size how many windows are remembered */
  constructor(size = 64) {
    this.#differences = new Float64Array(size);
  }

  /**
   * @param endMs end of the window by the device's clock
   * @param arrivedMs when it arrived, by ours
   * @returns what to add to the device's times
   */
  observe(endMs: number, arrivedMs: number): number {
    this.#differences[this.#count % this.#differences.length] = arrivedMs - endMs;
    this.#count += 1;
    let least = Infinity;
    const filled = Math.min(this.#count, this.#differences.length);
    for (let i = 0; i < filled; i++) least = Math.min(least, this.#differences[i] ?? Infinity);
    return least;
  }
}
