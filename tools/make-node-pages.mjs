// Writes docs/<language>/nodes/<node>.md and their index from the help that the editor's sidebar shows
// (nodes/*/locales). Run it after a change to a help text; with --check it writes nothing and fails
// where a page is not current.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DOMParser } from '@xmldom/xmldom';

const LANGUAGES = {
  en: {
    locale: 'en-US',
    title: 'Nodes',
    intro: 'What the editor shows in its help sidebar, a page for each node.',
    made: 'Made from the help in the editor by tools/make-node-pages.mjs; change it there.',
    back: 'All nodes',
    other: ['中文', 'zh'],
    optional: 'optional',
  },
  zh: {
    locale: 'zh-CN',
    title: '节点',
    intro: '与编辑器帮助侧栏内容相同，每个节点一页。',
    made: '由 tools/make-node-pages.mjs 根据编辑器中的帮助生成，请在那里修改。',
    back: '全部节点',
    other: ['English', 'en'],
    optional: '可选',
  },
};

const root = dirname(import.meta.dirname);
const { nodes } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))['node-red'];

/** Markdown of the few elements that help texts are written in; another one is an error. */
function markdown(node, { optional }) {
  const inline = (parent) =>
    [...parent.childNodes].map(phrase).join('').replace(/\s+/g, ' ').trim();
  const phrase = (child) => {
    if (child.nodeType === child.TEXT_NODE) return escape(child.data);
    const text = () => inline(child);
    switch (child.nodeName) {
      case 'code':
        return `\`${child.textContent.replace(/\s+/g, ' ')}\``;
      case 'b':
        return `**${text()}**`;
      case 'i':
        return `*${text()}*`;
      case 'br':
        return ' ';
      case 'a':
        return `[${text()}](${child.getAttribute('href')})`;
      case 'span':
        return `*${text()}*`;
      default:
        throw new Error(`a help text has <${child.nodeName}>, which this script does not know`);
    }
  };
  const items = (list, mark) =>
    elements(list).map((item, index) => {
      const [lead, ...rest] = [...item.childNodes].some((child) => isBlock(child))
        ? blocks(item)
        : [inline(item)];
      const more = rest.map(
        (block) => `\n${block.replace(/^(?=.)/gm, ' '.repeat(mark(index).length + 1))}`,
      );
      return `${mark(index)} ${lead}${more.join('')}`;
    });
  const isBlock = ({ nodeName }) => ['p', 'dl', 'ul', 'ol'].includes(nodeName);
  const block = (element) => {
    switch (element.nodeName) {
      case 'p':
        return inline(element);
      case 'h3':
      case 'h4':
        return `${'#'.repeat(Number(element.nodeName[1]) - 1)} ${inline(element)}`;
      case 'ul':
        return items(element, () => '-').join('\n');
      case 'ol':
        return items(element, (index) => `${index + 1}.`).join('\n');
      case 'pre':
        return `\`\`\`\n${element.textContent.trim()}\n\`\`\``;
      case 'dl':
        return definitions(element);
      default:
        return inline({ childNodes: [element] });
    }
  };
  const definitions = (list) => {
    const rows = [];
    for (const child of elements(list)) {
      if (child.nodeName === 'dt') {
        const [name, type] = [...child.childNodes].reduce(
          ([names, types], part) =>
            part.nodeName === 'span'
              ? [names, types + inline(part)]
              : [names + phrase(part), types],
          ['', ''],
        );
        const notes = [type, child.getAttribute('class') === 'optional' && optional];
        const shown = notes.filter(Boolean).join(', ');
        rows.push(`- **${name.trim()}**${shown ? ` (${shown})` : ''}`);
      } else {
        rows.push(`${rows.pop()}: ${inline(child)}`);
      }
    }
    return rows.join('\n');
  };
  const blocks = (parent) => {
    const found = [];
    let loose = [];
    const flush = () => {
      const text = inline({ childNodes: loose });
      if (text) found.push(text);
      loose = [];
    };
    for (const child of parent.childNodes) {
      if (child.nodeType === child.TEXT_NODE || !/^(p|h\d|ul|ol|dl|pre)$/.test(child.nodeName)) {
        loose.push(child);
      } else {
        flush();
        found.push(block(child));
      }
    }
    flush();
    return found;
  };
  return blocks(node).join('\n\n');
}

const elements = (parent) =>
  [...parent.childNodes].filter(({ nodeType }) => nodeType === parent.ELEMENT_NODE);
const escape = (text) => text.replace(/([*_`[\]|<>])/g, '\\$1');

function help(folder, locale) {
  const html = readFileSync(
    join(folder, 'locales', locale, `${folder.split(/[\\/]/).pop()}.html`),
    'utf8',
  );
  const [, body] = /<script[^>]*>([^]*)<\/script>/.exec(html);
  const parser = new DOMParser({
    onError: (level, message) => {
      if (level !== 'warning') throw new Error(`${folder} ${locale}: ${message}`);
    },
  });
  return parser.parseFromString(`<div>${body.replace(/<br>/g, '<br/>')}</div>`, 'text/xml')
    .documentElement;
}

function pages() {
  const made = new Map();
  for (const [language, words] of Object.entries(LANGUAGES)) {
    const [otherName, other] = words.other;
    const lines = [];
    for (const [type, file] of Object.entries(nodes)) {
      const name = file.split('/').at(-2);
      const folder = join(root, 'nodes', name);
      const catalogue = JSON.parse(
        readFileSync(join(folder, 'locales', words.locale, `${name}.json`), 'utf8'),
      );
      const label = catalogue[type]?.paletteLabel ?? type;
      const body = help(folder, words.locale);
      const summary = markdown(body, words).split('\n\n')[0];
      made.set(
        join('docs', language, 'nodes', `${name}.md`),
        `<!-- ${words.made} -->\n\n# ${label}\n\n\`${type}\` · [${words.back}](README.md) · ` +
          `[${otherName}](../../${other}/nodes/${name}.md)\n\n${markdown(body, words)}\n`,
      );
      lines.push(`- [**${label}**](${name}.md) \`${type}\`: ${summary}`);
    }
    made.set(
      join('docs', language, 'nodes', 'README.md'),
      `<!-- ${words.made} -->\n\n# ${words.title}\n\n[${otherName}](../../${other}/nodes/README.md)\n\n` +
        `${words.intro}\n\n${lines.join('\n')}\n`,
    );
  }
  return made;
}

const wanted = pages();
const stale = [...wanted].filter(([file, text]) => {
  const path = join(root, file);
  return !existsSync(path) || readFileSync(path, 'utf8') !== text;
});
const left = Object.keys(LANGUAGES).flatMap((language) => {
  const folder = join('docs', language, 'nodes');
  const there = existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [];
  return there.map((file) => join(folder, file)).filter((file) => !wanted.has(file));
});

if (process.argv.includes('--check')) {
  for (const [file] of stale) console.error(`${file} is not current`);
  for (const file of left) console.error(`${file} is of no node`);
  if (stale.length + left.length > 0) {
    console.error('Run "node tools/make-node-pages.mjs".');
    process.exitCode = 1;
  }
} else {
  for (const [file, text] of stale) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  for (const file of left) rmSync(join(root, file));
  console.log(`${stale.length} of ${wanted.size} pages written, ${left.length} removed`);
}
