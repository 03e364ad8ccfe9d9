// Compiles every library that dist/ imports but package.json does not list under `dependencies` or
// `optionalDependencies` into the modules that import it, so that a Node-RED user installs a
// handful of packages instead of a tree of them. What is native, large, starts files of its own or
// may be missing stays a dependency. The licences of what is inlined go to
// dist/THIRD_PARTY_LICENSES.txt.
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { builtinModules, createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const root = dirname(import.meta.dirname);
const require = createRequire(import.meta.url);
const { dependencies, optionalDependencies } = require('../package.json');
const kept = new Set([...Object.keys({ ...dependencies, ...optionalDependencies }), 'node-red']);

const isPackage = (specifier) =>
  !/^[./]|^node:/.test(specifier) && !builtinModules.includes(specifier);
const packageName = (specifier) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

const isInlined = (specifier) => isPackage(specifier) && !kept.has(packageName(specifier));

async function modulesToInline(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = [];
  for (const entry of entries) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue;
    const file = join(entry.parentPath, entry.name);
    const source = await readFile(file, 'utf8');
    const imports = [...source.matchAll(/\b(?:require|import)\(["']([^"']+)["']\)/g)];
    if (imports.some(([, specifier]) => isInlined(specifier))) found.push(file);
  }
  return found;
}

/** Keeps our own modules and the real dependencies as requires; everything else is taken in. */
const inlineUnlisted = {
  name: 'inline-unlisted',
  setup(builder) {
    builder.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
      if (kind === 'entry-point') return undefined;
      const ours = !importer.includes('node_modules');
      const external = isPackage(path) ? kept.has(packageName(path)) : ours;
      return external ? { path, external } : undefined;
    });
  },
};

const inlined = new Set();
for (const folder of ['dist/lib', 'dist/nodes', 'dist/plugins']) {
  for (const file of await modulesToInline(join(root, folder))) {
    const { metafile, outputFiles } = await build({
      entryPoints: [file],
      outfile: file,
      allowOverwrite: true,
      write: false,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      sourcemap: 'linked',
      sourcesContent: false,
      minifyWhitespace: true,
      minifySyntax: true,
      legalComments: 'inline',
      metafile: true,
      logLevel: 'error',
      plugins: [inlineUnlisted],
    });
    for (const input of Object.keys(metafile.inputs)) {
      const match = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(input);
      if (match) inlined.add(match[1]);
    }
    for (const { path, contents } of outputFiles) await writeFile(path, contents);
  }
}

const notices = [];
for (const name of [...inlined].sort()) {
  const folder = join(root, 'node_modules', name);
  const { version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const licence = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file));
  const text = licence ? await readFile(join(folder, licence), 'utf8') : `Licence: ${license}\n`;
  notices.push(`${name} ${version} (${license})\n${'-'.repeat(72)}\n${text.trim()}\n`);
}
await writeFile(join(root, 'dist/THIRD_PARTY_LICENSES.txt'), notices.join('\n\n'));
console.log(`inlined into dist: ${[...inlined].sort().join(', ')}`);
