import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { EmotionError } from '../emotion/error';

export const TABLE_KINDS = ['csv', 'jsonl'] as const;
export const TABLE_ENCODINGS = ['utf-8', 'gb18030', 'utf-16le'] as const;

/** How a file of rows is to be read. */
export interface TableFormat {
  readonly kind: (typeof TABLE_KINDS)[number];
  readonly encoding: (typeof TABLE_ENCODINGS)[number];
  /** Of CSV. */
  readonly delimiter: string;
}

/** A row as it was read. Of CSV the cells; of JSON lines the object, or what is none. */
export type TableRow =
  | { readonly cells: readonly string[] }
  | { readonly object: Readonly<Record<string, unknown>> }
  | { readonly broken: string; readonly why: string };

export interface TableReader {
  readonly format: TableFormat;
  /** Names of the columns; of JSON lines those of the first object. */
  readonly columns: readonly string[];
  /** Bytes of the file up to the end of the row that `rows` gave last; near enough in other encodings than UTF-8. */
  readonly bytesRead: () => number;
  readonly rows: AsyncIterable<TableRow>;
  close(): Promise<void>;
}

/** What is looked at to find encoding and delimiter. */
const SAMPLE_BYTES = 256 * 1024;
/** A quote that is never closed would take the rest of the file for one cell. */
const MOST_CHARACTERS_A_ROW = 4_000_000;

/**
 * Finds out how a file can be read; what the wishes say is not looked for. UTF-16 is known by its byte
 * order mark; what is not valid UTF-8 is taken for GB18030, which holds GBK and GB 2312. JSON lines
 * begin with a brace; the delimiter of CSV is the most frequent of comma, semicolon, tab and bar in the
 * first line.
 *
 * @throws EmotionError `batch.unreadable`
 */
export async function detectFormat(
  path: string,
  wishes: Partial<TableFormat> = {},
): Promise<TableFormat> {
  const sample = await readSample(path);
  const encoding = wishes.encoding ?? detectEncoding(sample);
  const text = new TextDecoder(encoding).decode(sample, { stream: true });
  const kind = wishes.kind ?? (/^\s*\{/.test(text) ? 'jsonl' : 'csv');
  return { kind, encoding, delimiter: wishes.delimiter || detectDelimiter(text) };
}

async function readSample(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const buffer = Buffer.alloc(SAMPLE_BYTES);
      const { bytesRead } = await file.read(buffer, 0, SAMPLE_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw unreadable(path, (cause as Error).message, cause);
  }
}

function detectEncoding(sample: Buffer): TableFormat['encoding'] {
  if (sample[0] === 0xff && sample[1] === 0xfe) return 'utf-16le';
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(sample, { stream: true });
    return 'utf-8';
  } catch {
    return 'gb18030';
  }
}

function detectDelimiter(text: string): string {
  const line = text.replace(/"(?:[^"]|"")*"/g, '').split(/\r?\n/, 1)[0] ?? '';
  const counts = [',', ';', '\t', '|'].map((character) => ({
    character,
    count: line.split(character).length,
  }));
  return counts.reduce((best, next) => (next.count > best.count ? next : best)).character;
}

/** How far a file has been decoded, and how far its rows have been given out. */
interface Progress {
  /** Bytes that were decoded, and the bytes of their text in UTF-8. */
  bytes: number;
  utf8: number;
  /** Of that text, up to the end of the last row. */
  given: number;
}

/**
 * Opens a file of rows as a stream: no more of it is in memory than is being looked at.
 *
 * @throws EmotionError `batch.unreadable` for what is not in the encoding, has no header or breaks off
 *   within quotes; from `rows` as well
 */
export async function openTable(path: string, format: TableFormat): Promise<TableReader> {
  const progress: Progress = { bytes: 0, utf8: 0, given: 0 };
  const text = decodedText(path, format.encoding, progress);
  const rows =
    format.kind === 'csv' ? csvRows(path, text, format, progress) : jsonRows(text, progress);
  const first = await rows.next();
  const columns = first.done ? [] : columnsOf(first.value);
  const close = async () => void (await rows.return(undefined));
  if (columns.length === 0 && format.kind === 'csv') {
    await close();
    throw unreadable(path, 'it has no header line');
  }
  async function* all(): AsyncGenerator<TableRow> {
    if (!first.done && format.kind === 'jsonl') yield first.value;
    yield* rows;
  }
  const bytesRead = () => (progress.given * progress.bytes) / Math.max(1, progress.utf8);
  return { format, columns, bytesRead, rows: all(), close };
}

function columnsOf(row: TableRow): readonly string[] {
  if ('cells' in row) return row.cells.map((name) => name.trim());
  return 'object' in row ? Object.keys(row.object) : [];
}

async function* decodedText(
  path: string,
  encoding: TableFormat['encoding'],
  progress: Progress,
): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  try {
    for await (const chunk of createReadStream(path)) {
      const text = decoder.decode(chunk as Buffer, { stream: true });
      progress.bytes += (chunk as Buffer).length;
      progress.utf8 += Buffer.byteLength(text);
      yield text;
    }
    yield decoder.decode();
  } catch (cause) {
    if (cause instanceof TypeError) {
      throw unreadable(path, `it is not in ${encoding} near byte ${progress.bytes}`, cause);
    }
    throw unreadable(path, (cause as Error).message, cause);
  }
}

async function* csvRows(
  path: string,
  text: AsyncIterable<string>,
  { delimiter }: TableFormat,
  progress: Progress,
): AsyncGenerator<TableRow> {
  const source = Readable.from(text, { objectMode: true, highWaterMark: 2 });
  const parser = parse({
    delimiter,
    info: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: MOST_CHARACTERS_A_ROW,
  });
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const next of parser) {
      const { info, record } = next as { info: { bytes: number }; record: string[] };
      progress.given = info.bytes;
      yield { cells: record };
    }
  } catch (cause) {
    if (cause instanceof EmotionError) throw cause;
    throw unreadable(path, (cause as Error).message, cause);
  } finally {
    source.destroy();
    parser.destroy();
  }
}

async function* jsonRows(
  text: AsyncIterable<string>,
  progress: Progress,
): AsyncGenerator<TableRow> {
  let rest = '';
  for await (const part of text) {
    rest += part;
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      progress.given += Buffer.byteLength(line) + 1;
      if (line.trim() !== '') yield jsonRow(line);
    }
    if (rest.length > MOST_CHARACTERS_A_ROW) {
      throw unreadable('', `a line has more than ${MOST_CHARACTERS_A_ROW} characters`);
    }
  }
  progress.given = progress.utf8;
  if (rest.trim() !== '') yield jsonRow(rest);
}

function jsonRow(line: string): TableRow {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return { broken: line, why: (error as Error).message };
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? { object: value as Record<string, unknown> }
    : { broken: line, why: 'it is no object' };
}

function unreadable(path: string, why: string, cause?: unknown): EmotionError {
  const name = path.slice(-120);
  return new EmotionError(
    'batch.unreadable',
    `The file ${name} cannot be read: ${why}`,
    { file: name, cause: why },
    { cause },
  );
}
