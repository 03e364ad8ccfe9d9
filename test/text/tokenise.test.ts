import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { EmotionError } from '../../lib/emotion/error';
import { TextTokenizer } from '../../lib/text/tokenise';
import { TEXT_FIXTURE } from './fixture';

interface Reference {
  readonly library: string;
  readonly encodings: readonly { text: string; ids: number[]; tokens: string[] }[];
}

interface Library {
  Tokenizer: new (
    json: object,
    config: object,
  ) => { encode(text: string, options: object): { ids: number[] } };
}

describe('TextTokenizer', () => {
  let source: string;
  let reference: Reference;
  let tokenizer: TextTokenizer;

  before(async () => {
    source = await readFile(path.join(TEXT_FIXTURE, 'tokenizer.json'), 'utf8');
    reference = JSON.parse(
      await readFile(path.join(TEXT_FIXTURE, 'encodings.json'), 'utf8'),
    ) as Reference;
    tokenizer = await TextTokenizer.load(path.join(TEXT_FIXTURE, 'tokenizer.json'));
  });

  it('gives the ids of the Python library', () => {
    for (const { text, ids } of reference.encodings) {
      expect(tokenizer.row(text, tokenizer.encode(text), 512).ids, text).to.deep.equal(ids);
    }
  });

  it('encodes part by part what the library encodes at once', async () => {
    const { Tokenizer } = (await import('@huggingface/tokenizers')) as unknown as Library;
    for (const apart of [true, false]) {
      const json = JSON.parse(source) as { normalizer: { handle_chinese_chars: boolean } };
      json.normalizer.handle_chinese_chars = apart;
      const ours = await TextTokenizer.parse(JSON.stringify(json));
      const whole = new Tokenizer(json, {});
      const unit = fc.constantFrom(
        ...[
          'a',
          'happy',
          '不',
          '开',
          '[泪]',
          '[',
          ']',
          '[x]',
          "'",
          '。',
          '…',
          '😂',
          'é',
          'e\u0301',
          '한',
          'ｶ',
          '々',
          '1',
          ' ',
          '\u3000',
        ],
      );
      fc.assert(
        fc.property(fc.array(unit, { maxLength: 12 }), (units) => {
          const text = units.join('');
          const { ids } = whole.encode(text, { add_special_tokens: false });
          expect(ours.encode(text).ids, JSON.stringify(text)).to.deep.equal(ids);
        }),
        { numRuns: 2000 },
      );
    }
  });

  it('cuts a long text and keeps the special tokens', () => {
    const text = 'i am not happy';
    const { ids, tokens } = tokenizer.row(text, tokenizer.encode(text), 4);
    expect(tokens).to.deep.equal(['[CLS]', 'i', 'am', '[SEP]']);
    expect(ids).to.deep.equal([...reference.encodings[0]!.ids.slice(0, 3), 3]);
  });

  it('shows tokens as they stand in the text', () => {
    const text = 'unhappy 🦀crab 不会[泪] lovely';
    const { tokens } = tokenizer.row(text, tokenizer.encode(text), 99);
    expect(tokens.slice(1, -1)).to.deep.equal([
      ...['un', 'happy', '🦀crab', '不', '会', '[泪]', 'love', 'ly'],
    ]);
  });

  it('does not let a text forge special tokens', () => {
    const { ids } = tokenizer.encode('i am [SEP] happy [CLS] [PAD]');
    for (const id of [0, 2, 3]) expect(ids).not.to.include(id);
  });

  describe('with a broken tokenizer.json', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'tokenizer-'));
    });
    after(() => rm(folder, { recursive: true }));

    const broken: [string, string][] = [
      ['no JSON', '<html>'],
      ['cut off', '{"version":"1.0","model":{"type":"WordPiece","vocab":{"a":1'],
      ['no model', '{"version":"1.0"}'],
      ['null', 'null'],
      ['an empty vocabulary', '{"model":{"type":"WordPiece","vocab":{}}}'],
      ['an unknown kind', '{"model":{"type":"Nonsense","vocab":{"a":0}},"added_tokens":[]}'],
      ['no unknown token', '{"model":{"type":"WordPiece","vocab":{"b":0}},"added_tokens":[]}'],
    ];
    for (const [what, content] of broken) {
      it(`names the file: ${what}`, async () => {
        const file = path.join(folder, 'tokenizer.json');
        await writeFile(file, content);
        const error = await TextTokenizer.load(file).then(
          () => expect.fail('loaded'),
          (failure: unknown) => failure as EmotionError,
        );
        expect(error).to.be.instanceOf(EmotionError);
        expect(error.code).to.equal('model.tokenizer-invalid');
        expect(error.message).to.include(file);
      });
    }

    it('tells a missing file from a broken one', async () => {
      const error = await TextTokenizer.load(path.join(folder, 'none.json')).catch(
        (e: unknown) => e,
      );
      expect((error as EmotionError).code).to.equal('model.file-missing');
    });
  });
});
