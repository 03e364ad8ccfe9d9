/** One line of the table: what was measured, and how it compares with the first line of its group. */
export interface BenchRow {
  readonly name: string;
  /** Shown as they are, e.g. `{ 'texts/s': '812', ratio: '1.00' }`; every row of a group has the same. */
  readonly columns: Readonly<Record<string, string>>;
}

/**
 * Rows that are measured together, so that they can be compared: absolute figures are the machine's
 * of the day, ratios within one run are ours.
 */
export interface RowGroup {
  /** Chosen on the command line by it. */
  readonly id: string;
  readonly title: string;
  measure(): Promise<BenchRow[]>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Three significant digits. */
export function figure(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 6 });
}
