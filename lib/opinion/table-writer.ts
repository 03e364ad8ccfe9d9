import { stringify } from 'csv-stringify/sync';
import { EMOTIONS } from '../emotion/labels';
import type { AnyResult } from '../emotion/result';
import type { TableFormat, TableRow } from './table-reader';

/** What became of a row: its result, or why it has none. */
export type RowOutcome = { readonly result: AnyResult } | { readonly error: string };

const ADDED = ['emotion', 'emotion_score', 'emotion_uncertain', 'emotion_model', 'emotion_error'];

/**
 * Writes rows with what was found out about each: CSV with columns added at the end, JSON lines with a
 * property `emotion`. In UTF-8 whatever the source was in; CSV with a byte order mark, which Excel needs.
 */
export class TableWriter {
  readonly #names: readonly string[];

  constructor(
    private readonly format: TableFormat,
    private readonly columns: readonly string[],
  ) {
    this.#names = freeNames([...ADDED, ...EMOTIONS.map((label) => `emotion_${label}`)], columns);
  }

  /** What stands before the first row. */
  head(): string {
    return this.format.kind === 'csv'
      ? `\ufeff${this.#csv([[...this.columns, ...this.#names]])}`
      : '';
  }

  rows(rows: readonly TableRow[], outcomes: readonly RowOutcome[]): string {
    if (this.format.kind === 'csv') {
      return this.#csv(rows.map((row, index) => this.#cells(row, outcomes[index]!)));
    }
    return rows
      .map((row, index) => `${JSON.stringify(withEmotion(row, outcomes[index]!))}\n`)
      .join('');
  }

  #csv(rows: readonly (readonly unknown[])[]): string {
    return stringify(rows as unknown[][], {
      delimiter: this.format.delimiter,
      record_delimiter: '\r\n',
    });
  }

  #cells(row: TableRow, outcome: RowOutcome): unknown[] {
    const cells = 'cells' in row ? row.cells : [];
    const width = this.columns.length;
    const padded = [...cells.slice(0, width), ...new Array<string>(Math.max(0, width - cells.length)).fill('')]; // prettier-ignore
    // What a row has beyond its header comes last: nothing of it is lost, and columns stay columns.
    return [...padded, ...added(outcome), ...cells.slice(width)];
  }
}

function added(outcome: RowOutcome): (string | number)[] {
  if ('error' in outcome) return ['', '', '', '', outcome.error, ...EMOTIONS.map(() => '')];
  const { label, score, scores, uncertain, model, reason } = outcome.result;
  return [
    label ?? '',
    label === null ? '' : round(score),
    uncertain ? 'yes' : '',
    model,
    reason ?? '',
    ...EMOTIONS.map((name) => (scores[name] === undefined ? '' : round(scores[name]))),
  ];
}

function withEmotion(row: TableRow, outcome: RowOutcome): object {
  const given = 'object' in row ? row.object : { broken: 'broken' in row ? row.broken : '' };
  if ('error' in outcome) return { ...given, emotion: { error: outcome.error } };
  const { label, score, scores, uncertain, model, reason } = outcome.result;
  const rounded = Object.fromEntries(Object.entries(scores).map(([name, value]) => [name, round(value)])); // prettier-ignore
  return {
    ...given,
    emotion: {
      label,
      score: round(score),
      scores: rounded,
      ...(uncertain && { uncertain }),
      ...(reason && { reason }),
      model,
    },
  };
}

/** Names that no column of the file has. */
function freeNames(names: readonly string[], taken: readonly string[]): string[] {
  for (let number = 1; ; number += 1) {
    const tried = names.map((name) => (number === 1 ? name : `${name}_${number}`));
    if (!tried.some((name) => taken.includes(name))) return tried;
  }
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
