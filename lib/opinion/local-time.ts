const HOUR = 3_600_000;

/** Hours and weekdays as people live them, in one time zone. */
export class LocalTime {
  readonly #format: Intl.DateTimeFormat;
  #hour = NaN;
  #offset = 0;

  /**
   * @param timeZone IANA name such as `Asia/Shanghai`; that of the machine where left out
   * @throws RangeError for a zone that nobody knows
   */
  constructor(timeZone?: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      ...(timeZone && { timeZone }),
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
  }

  /** Days since 1970 there, the hour with its fraction, and the day of the week from Sunday, 0. */
  at(time: number): { readonly day: number; readonly hour: number; readonly weekday: number } {
    const local = time + this.#offsetAt(time);
    const day = Math.floor(local / (24 * HOUR));
    return { day, hour: local / HOUR - 24 * day, weekday: (((day + 4) % 7) + 7) % 7 };
  }

  /** Minutes ahead of UTC do not change within an hour of it anywhere. */
  #offsetAt(time: number): number {
    const hour = Math.floor(time / HOUR);
    if (hour !== this.#hour) {
      const whole = hour * HOUR;
      const parts = Object.fromEntries(
        this.#format.formatToParts(whole).map(({ type, value }) => [type, Number(value)]),
      ) as Record<'year' | 'month' | 'day' | 'hour' | 'minute', number>;
      const { year, month, day, minute } = parts;
      this.#offset = Date.UTC(year, month - 1, day, parts.hour, minute) - whole;
      this.#hour = hour;
    }
    return this.#offset;
  }
}

/** Part of each day, as `HH:MM`; from 22:00 to 07:00 goes over midnight. */
export interface QuietHours {
  readonly from: string;
  readonly to: string;
}

/** @example isQuiet({ from: '22:00', to: '07:00' }, 23.5); // → true */
export function isQuiet({ from, to }: QuietHours, hour: number): boolean {
  const start = hourOf(from);
  const end = hourOf(to);
  if (Number.isNaN(start) || Number.isNaN(end) || start === end) return false;
  return start < end ? hour >= start && hour < end : hour >= start || hour < end;
}

/** The hour of `HH:MM` with its fraction; NaN for what is none. */
export function hourOf(text: string): number {
  const match = /^([01]?\d|2[0-3])[:：]([0-5]\d)$/.exec(text.trim());
  return match ? Number(match[1]) + Number(match[2]) / 60 : NaN;
}
