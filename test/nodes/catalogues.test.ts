import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { expect } from 'chai';
import { ERROR_CODES } from '../../lib/emotion/error';
import { EMOTION_NAMES, EMOTIONS } from '../../lib/emotion/labels';
import { STATUS_LENGTH } from '../../lib/flow/status-line';
import { packageRoot } from '../../lib/models/package-root';

const NODES = join(packageRoot(), 'nodes');
const LANGUAGES = ['en-US', 'zh-CN'] as const;

type Texts = Map<string, string>;

function catalogue(node: string, language: string): Texts {
  const texts: Texts = new Map();
  const walk = (value: unknown, key: string): void => {
    if (typeof value === 'string') texts.set(key, value);
    else for (const [name, inner] of Object.entries(value as object)) walk(inner, `${key}.${name}`);
  };
  const file = join(NODES, node, 'locales', language, `${node}.json`);
  for (const [name, inner] of Object.entries(JSON.parse(readFileSync(file, 'utf8')) as object)) {
    walk(inner, name);
  }
  return texts;
}

const variables = (text: string) =>
  [...text.matchAll(/__(\w+?)__/g)].map(([, name]) => name).sort();
const read = (...path: string[]) => readFileSync(join(NODES, ...path), 'utf8');

describe('catalogues', () => {
  for (const node of readdirSync(NODES)) {
    describe(node, () => {
      const [english, chinese] = LANGUAGES.map((language) => catalogue(node, language)) as [
        Texts,
        Texts,
      ];

      it('has the same texts with the same variables in both languages', () => {
        // English errors speak for themselves.
        const translated = [...chinese.keys()].filter((key) => !key.startsWith('errors.'));
        expect(translated).to.have.members([...english.keys()]);
        for (const [key, text] of english) {
          expect(variables(chinese.get(key) ?? ''), key).to.deep.equal(variables(text));
        }
      });

      it('has a page whose script can be read', () => {
        const scripts = read(node, `${node}.html`).matchAll(
          /<script type="text\/javascript">(.*?)<\/script>/gs,
        );
        for (const [, script = ''] of scripts) expect(() => new Script(script)).not.to.throw();
      });

      it('has every text that the editor asks for, and no other', () => {
        const page = read(node, `${node}.html`);
        const type = `emotion-${node}`;
        const asked = new Set(
          [...page.matchAll(new RegExp(`(?:\\]|"|'|\`)(${type}\\.[\\w.-]+)["'\`]`, 'g'))]
            .map(([, key]) => key!)
            .filter((key) => !/\.(?:svg|html|js)$/.test(key)),
        );
        const providers = [...english.keys()].filter((key) => key.includes('.provider.'));
        const own = [...english.keys()].filter((key) => key.startsWith(`${type}.`));
        expect([...asked, ...providers]).to.have.members(own);
      });

      for (const language of LANGUAGES) {
        it(`has help in ${language}`, () => {
          const help = read(node, 'locales', language, `${node}.html`);
          expect(help).to.contain(`data-help-name="emotion-${node}"`);
          expect(help.match(/<(p|dl|dd|dt|h3|li|ul|code|b|i)\b/g)?.length).to.equal(
            help.match(/<\/(p|dl|dd|dt|h3|li|ul|code|b|i)>/g)?.length,
          );
        });
      }
    });
  }

  const shared = new Map(LANGUAGES.map((language) => [language, catalogue('model', language)]));
  const codes = Object.keys(ERROR_CODES);

  it('have every text that the scripts of the editor ask for, and no other', () => {
    const phases = ['checking', 'installing'];
    for (const [group, file] of [
      ['editor', 'editor.js'],
      ['import', 'import-dialog.js'],
    ] as const) {
      const script = readFileSync(join(packageRoot(), 'resources', file), 'utf8');
      const keys = [...shared.get('en-US')!.keys()].filter((key) => key.startsWith(`${group}.`));
      for (const key of keys) {
        const name = key.slice(group.length + 1);
        if (!phases.includes(name)) expect(script, key).to.contain(`'${name}'`);
      }
      const asked = [...script.matchAll(/\btext\(\s*'([\w-]+)'/g)].map(([, name]) => name);
      expect(keys).to.include.members(asked.map((name) => `${group}.${name}`));
    }
  });

  it('have a short text for the status of every error, fewer than 20 characters', () => {
    for (const [language, texts] of shared) {
      const short = [...texts].filter(([key]) => key.startsWith('short.'));
      const wanted = [...codes, 'unexpected'].map((code) => `short.${code}`);
      expect(
        short.map(([key]) => key),
        language,
      ).to.have.members(wanted);
      for (const [key, text] of short) expect(text.length, key).to.be.within(1, STATUS_LENGTH);
    }
  });

  it('explain every error in Chinese', () => {
    const explained = [...(shared.get('zh-CN') ?? [])].filter(([key]) => key.startsWith('errors.'));
    expect(explained.map(([key]) => key)).to.have.members(codes.map((code) => `errors.${code}`));
    for (const [key, text] of explained) expect(text, key).to.match(/[\u4e00-\u9fff]/);
  });

  it('name the emotions as the rest of the suite does', () => {
    for (const emotion of EMOTIONS) {
      expect(shared.get('en-US')?.get(`emotions.${emotion}`)).to.equal(EMOTION_NAMES.en[emotion]);
      expect(shared.get('zh-CN')?.get(`emotions.${emotion}`)).to.equal(EMOTION_NAMES.zh[emotion]);
    }
  });

  it('keep full-width punctuation beside Chinese', () => {
    for (const node of readdirSync(NODES)) {
      for (const [key, text] of catalogue(node, 'zh-CN')) {
        expect(text, `${node} ${key}`).not.to.match(/[\u4e00-\u9fff][,:;!]|[,:;!][\u4e00-\u9fff]/);
      }
    }
  });
});
