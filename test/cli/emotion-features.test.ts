import { spawn } from 'node:child_process';
import path from 'node:path';
import { expect } from 'chai';
import { packageRoot } from '../../lib/models/package-root';
import { TextPreparer } from '../../lib/text/prepare';
import { loadModel } from '../../lib/models/model';

const COMMAND = path.join(packageRoot(), 'dist', 'lib', 'cli', 'emotion-features.js');
const MODEL = path.join(packageRoot(), 'test', 'fixtures', 'models', 'tiny-text');

async function run(
  args: readonly string[],
  input: string,
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [COMMAND, ...args]);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out, err };
}

const lines = (...values: unknown[]): string =>
  values.map((v) => JSON.stringify(v) + '\n').join('');

describe('emotion-features text', () => {
  it('writes normalised text in order', async () => {
    const { code, out } = await run(
      ['text', '--segmentation', 'characters'],
      lines(
        { id: 1, text: '好😂' },
        { id: 'b', text: 'OK 😂' },
        { id: 3, text: '😂', language: 'zh' },
      ),
    );
    expect(code).to.equal(0);
    expect(out).to.equal(
      lines(
        { id: 1, language: 'zh', text: '好[笑cry]' },
        { id: 'b', language: 'en', text: 'ok [laughing]' },
        { id: 3, language: 'zh', text: '[笑cry]' },
      ),
    );
  });

  it('puts blanks between words', async () => {
    const { out } = await run(
      ['text', '--segmentation', 'words'],
      lines({ id: 1, text: '今天开心' }),
    );
    expect(out).to.equal(lines({ id: 1, language: 'zh', text: '今天 开心' }));
  });

  it('gives the very ids that the node gives the model', async () => {
    const text = 'I am HAPPY😂 高兴 '.repeat(3);
    const { out } = await run(['text', '--model', MODEL], lines({ id: 1, text }));
    const { manifest, folder } = await loadModel(MODEL);
    const preparer = await TextPreparer.load(manifest, folder);
    const [sample] = preparer.prepare([text], {
      language: 'auto',
      stopWords: 'none',
      split: 'text',
    });
    const { ids } = JSON.parse(out) as { ids: number[] };
    expect(ids.map(BigInt)).to.deep.equal([
      ...(sample!.tensors['input_ids']!.data as BigInt64Array),
    ]);
  });

  it('leaves the ids out on request', async () => {
    const { out } = await run(
      ['text', '--model', MODEL, '--no-tokenise'],
      lines({ id: 1, text: 'ok' }),
    );
    expect(JSON.parse(out)).to.deep.equal({ id: 1, language: 'en', text: 'ok' });
  });

  const wrong: [string, string[], string, RegExp][] = [
    ['no segmentation', ['text'], '', /--segmentation: expected characters or words, got nothing/],
    ['an unknown option', ['text', '--nonsense'], '', /nonsense/],
    ['a folder without a model', ['text', '--model', '/nowhere'], '', /\/nowhere\/model\.yaml/],
    [
      'a line that is no JSON',
      ['text', '--segmentation', 'words'],
      '{"id":1,"text":"a"}\n{oops\n',
      /line 2: not JSON/,
    ],
    [
      'a line without text',
      ['text', '--segmentation', 'words'],
      '{"id":1}\n',
      /line 1: "text" must be a string, got undefined/,
    ],
    [
      'an unknown language',
      ['text', '--segmentation', 'words'],
      '{"id":1,"text":"a","language":"fr"}\n',
      /"zh" or "en", got "fr"/,
    ],
    ['an unknown command', ['smell'], '', /usage: emotion-features/],
    ['no command', [], '', /usage: emotion-features/],
  ];
  for (const [what, args, input, message] of wrong) {
    it(`ends with 1 and a reason for ${what}`, async () => {
      const { code, err } = await run(args, input);
      expect(code).to.equal(1);
      expect(err).to.match(message);
      expect(err).not.to.match(/\n {4}at /);
    });
  }

  it('explains itself', async () => {
    const { code, out } = await run(['text', '--help'], '');
    expect(code).to.equal(0);
    expect(out).to.include('--model DIR');
  });
});
