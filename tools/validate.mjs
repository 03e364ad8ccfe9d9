// Runs the Node-RED scorecard (node-red-dev) on the package and fails unless every check passes.
// Two of its twelve checks (P08 similar package names, N01 node names used elsewhere) compare with
// the public catalogue. Where that cannot be reached they are run against an empty catalogue and
// reported as unchecked instead of passed. A copy of https://catalogue.nodered.org/catalogue.json
// that somebody brought along is used with EMOTION_CATALOGUE=<file>.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const CATALOGUE = 'https://catalogue.nodered.org/catalogue.json';
const CATALOGUE_CHECKS = ['P08', 'N01'];
const CHECKS = ['P01', 'P03', 'P04', 'P05', 'P06', 'P07', 'P08', 'N01', 'N02', 'D01', 'D02', 'D03'];

const root = dirname(import.meta.dirname);
const scratch = mkdtempSync(join(tmpdir(), 'emotion-validate-'));
const output = join(scratch, 'scorecard.json');
try {
  // It gives up without a scorecard when the registry does not answer one of its questions.
  let run = runScorecard();
  for (let again = 0; again < 2 && !existsSync(output); again += 1) run = runScorecard();
  process.stdout.write(run.stdout);
  process.stderr.write(run.stderr);
  const catalogueMissing = run.stderr.includes('catalogue unreachable');
  const scorecard = JSON.parse(readFileSync(output, 'utf8'));
  const similar = await packagesOfTheSameName();
  const failed = CHECKS.filter(
    (check) => scorecard[check]?.test !== true || (check === 'P08' && similar.length > 0),
  );
  if (similar.length) console.error(`Packages of the same name: ${similar.join(', ')}`);
  // The scorecard passes over pages that it cannot read, and so does the public flow library.
  const unread = run.stdout.match(/(?<=Unable to parse ).*/g) ?? [];
  const unchecked = catalogueMissing ? CATALOGUE_CHECKS.filter((c) => !failed.includes(c)) : [];
  const passed = CHECKS.length - failed.length - unchecked.length;
  console.log(
    `node-red-dev: ${passed}/${CHECKS.length} passed` +
      (failed.length ? `, failed: ${failed.join(', ')}` : '') +
      (unchecked.length ? `, not checked (catalogue unreachable): ${unchecked.join(', ')}` : ''),
  );
  for (const page of unread)
    console.error(`The scorecard cannot read the page of${page.replace(/^ */, ' ')}`);
  process.exitCode = failed.length + unread.length > 0 ? 1 : 0;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function runScorecard() {
  return spawnSync(
    process.execPath,
    [
      '--require',
      join(import.meta.dirname, 'catalogue.cjs'),
      join(root, 'node_modules/node-red-dev/bin/run'),
      'validate',
      '--path',
      root,
      '--output',
      output,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 },
  );
}

/** What P08 is to find: node-red-dev 0.1.6 compares a list with a name there, so it never finds any. */
async function packagesOfTheSameName() {
  const file = process.env.EMOTION_CATALOGUE;
  let modules = [];
  try {
    const catalogue = file
      ? JSON.parse(readFileSync(file, 'utf8'))
      : await (await fetch(CATALOGUE, { signal: AbortSignal.timeout(10_000) })).json();
    console.log(`Catalogue of ${catalogue.modules.length} packages, ${catalogue.updated_at}`);
    modules = catalogue.modules;
  } catch (error) {
    if (file) throw error;
  }
  const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const bare = (id) => id.split('/').at(-1);
  return modules.map(({ id }) => id).filter((id) => id !== name && bare(id) === bare(name));
}
