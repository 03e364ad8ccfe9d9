/**
 * `npm run bench [-- group …]`: prints how fast the suite is, as ratios within one run. A group of
 * rows is one file; add it to GROUPS.
 */
import { cpus } from 'node:os';
import { audio, audioLoop } from './audio';
import { cache } from './cache';
import { eventLoop } from './event-loop';
import { films } from './film';
import { flow } from './flow';
import { fallbackText, fusion } from './fusion';
import { models } from './models';
import { opinion } from './opinion';
import type { BenchRow, RowGroup } from './row';
import { benchModel } from './texts';
import { throughput } from './throughput';
import { faces } from './video';

const GROUPS: readonly RowGroup[] = [
  throughput,
  models,
  flow,
  eventLoop,
  cache,
  fusion,
  fallbackText,
  faces,
  films,
  audio,
  audioLoop,
  opinion,
];

function table(title: string, rows: readonly BenchRow[]): string {
  const headings = [title, ...Object.keys(rows[0]?.columns ?? {})];
  const lines = [headings, ...rows.map(({ name, columns }) => [name, ...Object.values(columns)])];
  const widths = headings.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const shown = lines.map((line) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!),
      )
      .join(' | '),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('-|-');
  return [shown[0], rule, ...shown.slice(1)].map((line) => `| ${line} |`).join('\n');
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((id) => !GROUPS.some((group) => group.id === id));
  if (unknown.length > 0) {
    const known = GROUPS.map(({ id }) => id).join(', ');
    throw new Error(`no group ${unknown.join(', ')}; there are ${known}`);
  }
  const { manifest } = await benchModel();
  const { model = 'unknown CPU' } = cpus()[0] ?? {};
  console.log(`Node ${process.version}, ${cpus().length} x ${model}, model ${manifest.id}\n`);
  for (const group of GROUPS) {
    if (wanted.length > 0 && !wanted.includes(group.id)) continue;
    console.log(`${table(group.title, await group.measure())}\n`);
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
