import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect } from 'chai';
import { ERROR_CODES } from '../../lib/emotion/error';
import { packageRoot } from '../../lib/models/package-root';

const root = packageRoot();
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const documents = [
  ...readdirSync(join(root, 'docs'), { recursive: true })
    .map((file) => join('docs', String(file)))
    .filter((file) => file.endsWith('.md')),
  ...readdirSync(root).filter((file) => file.endsWith('.md')),
];

/** Markdown without its code, in which brackets mean something else. */
const prose = (markdown: string): string =>
  markdown.replace(/^```[^]*?^```/gm, '').replace(/`[^`\n]*`/g, '`code`');

/** Anchors as GitHub makes them of headings. */
function anchors(markdown: string): Set<string> {
  const headings = [...markdown.replace(/^```[^]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)];
  return new Set(
    headings.map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replace(/\s/g, '-'),
    ),
  );
}

describe('the documentation', () => {
  it('has a page for every node as its help says it, in both languages', function () {
    this.timeout(120_000);
    const script = join(root, 'tools/make-node-pages.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], {
      encoding: 'utf8',
    });
    expect(status, stderr).to.equal(0);
  });

  for (const document of documents) {
    it(`has no link that leads nowhere in ${document}`, () => {
      const lost = [...prose(read(document)).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target]) => target!)
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => {
          const [path = '', anchor] = target.split('#');
          const file = path ? join(root, dirname(document), decodeURIComponent(path)) : document;
          const absolute = path ? file : join(root, document);
          if (!existsSync(absolute)) return true;
          return anchor !== undefined && !anchors(readFileSync(absolute, 'utf8')).has(decodeURIComponent(anchor)); // prettier-ignore
        });
      expect(lost).to.deep.equal([]);
    });
  }

  it('says everything in English and in Chinese, under as many headings', () => {
    const pages = (language: string): Map<string, number> =>
      new Map(
        documents
          .filter((file) => file.startsWith(join('docs', language)))
          .map((file) => [relative(join('docs', language), file), anchors(read(file)).size]),
      );
    const english = pages('en');
    english.set('responsible-use.md', anchors(read('docs/responsible-use.md')).size);
    expect(Object.fromEntries(pages('zh'))).to.deep.equal(Object.fromEntries(english));
  });

  for (const language of ['en', 'zh']) {
    it(`tells of every error code what it means and what to do, as the code has it: ${language}`, () => {
      const page = read(`docs/${language}/troubleshooting.md`);
      const yes = language === 'en' ? 'yes' : '是';
      const told = [...page.matchAll(/^\| `([a-z]+\.[a-z-]+)` \| (\d+) \| (\S+) \| .+ \| .+ \|$/gm)]
        .map(([, code, status, again]) => [
          code!,
          { status: Number(status), transient: again === yes },
        ]) // prettier-ignore
        .filter(([code]) => !(code as string).startsWith('request.'));
      expect(Object.fromEntries(told)).to.deep.equal(ERROR_CODES);
    });
  }

  it('names no error code that there is not', () => {
    const known = new Set<string>(Object.keys(ERROR_CODES));
    const ofFlows = /'((?:request|input|queue|batch)\.[a-z-]+)'/g;
    for (const file of readdirSync(join(root, 'examples/flows'))) {
      const text = read(join('examples/flows', file));
      for (const [, code] of text.matchAll(ofFlows)) known.add(code!);
    }
    for (const code of ['request.rate', 'request.timeout', 'request.unauthorized']) known.add(code);
    const kinds = [...new Set([...known].map((code) => code.split('.')[0]))].join('|');
    const wrong = documents.flatMap((document) =>
      [...read(document).matchAll(new RegExp(`\`((?:${kinds})\\.[a-z]+(?:-[a-z]+)*)\``, 'g'))]
        .map(([, code]) => code!)
        .filter((code) => !known.has(code) && !/\.(?:yaml|json|onnx|exports|zip)$/.test(code))
        .map((code) => `${document}: ${code}`),
    );
    expect(wrong).to.deep.equal([]);
  });

  it('has pictures that are small enough for a repository', () => {
    const folder = join(root, 'docs/images');
    const files = existsSync(folder) ? readdirSync(folder) : [];
    for (const file of files) {
      const most = file.endsWith('.gif') ? 1_000_000 : 150_000;
      expect(statSync(join(folder, file)).size, file).to.be.below(most);
    }
  });
});
