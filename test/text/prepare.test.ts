import { expect } from 'chai';
import fc from 'fast-check';
import type { EmotionError } from '../../lib/emotion/error';
import type { TextSample } from '../../lib/emotion/sample';
import { TextPreparer, type PrepareOptions } from '../../lib/text/prepare';
import { intlCutter } from '../../lib/text/segment';
import { TEXT_FIXTURE, textManifest } from './fixture';

const OPTIONS: PrepareOptions = { language: 'auto', stopWords: 'default', split: 'text' };

describe('TextPreparer', () => {
  let preparer: TextPreparer;
  before(async () => {
    preparer = await TextPreparer.load(textManifest(), TEXT_FIXTURE);
  });

  const one = (text: string, options: Partial<PrepareOptions> = {}): TextSample =>
    preparer.prepare([text], { ...OPTIONS, ...options })[0]!;
  const ids = (sample: TextSample): number[] =>
    Array.from(sample.tensors['input_ids']!.data as BigInt64Array, Number);

  it('turns a text into one row', () => {
    const sample = one('I am NOT happy😂!');
    expect(sample.model).to.equal('front-end');
    expect(sample.tensors['input_ids']!.dims).to.deep.equal([1, 8]);
    expect(sample.tensors['input_ids']!.type).to.equal('int64');
    expect(Array.from(sample.tensors['attention_mask']!.data as BigInt64Array)).to.deep.equal(
      Array(8).fill(1n),
    );
    expect(sample.tensors).not.to.have.property('token_type_ids');
    expect(sample.segments).to.deep.equal([
      {
        text: 'I am NOT happy😂!',
        language: 'en',
        tokens: ['[CLS]', 'i', 'am', 'not', 'happy', '[laughing]', '!', '[SEP]'],
      },
    ]);
    expect(sample.source).to.deep.equal({ text: 'I am NOT happy😂!', language: 'en' });
  });

  it('shows what it did with each sentence', () => {
    const [first, second] = one('This movie was not good. 我很开心', { language: 'auto' }).features!
      .sentences;
    expect(first).to.deep.include({
      text: 'This movie was not good.',
      start: 0,
      end: 24,
      language: 'en',
      words: ['this', 'movie', 'was', 'not', 'good', '.'],
      stems: ['movi', 'not', 'good'],
      removed: ['this', 'was'],
    });
    expect(first!.cues[0]).to.deep.equal({ rule: 'negation', cue: 'not', at: 3, scope: [4] });
    expect(second).to.deep.include({ language: 'zh', start: 25, end: 29 });
  });

  it('packs a long text into rows of whole sentences and loses nothing', () => {
    const text = '今天很好。我不难过，天气真好！你喜欢。'.repeat(5);
    const sample = one(text);
    const { dims } = sample.tensors['input_ids']!;
    expect(sample.segments.length).to.be.above(5);
    expect(dims).to.deep.equal([
      sample.segments.length,
      Math.max(...sample.segments.map((s) => s.tokens!.length)),
    ]);
    expect(dims[1]).to.be.at.most(16);
    expect(sample.segments.map((segment) => segment.text).join('')).to.equal(text);
    expect(sample.features!.cut).to.equal(undefined);
    expect(sample.features!.sentences).to.have.length(15);
  });

  it('pads with the manifest’s value', async () => {
    const input = { type: 'int32', shape: ['batch', 'tokens'], padding: 7 };
    const manifest = textManifest(
      {},
      {
        input_ids: input,
        attention_mask: { ...input, padding: 0 },
        token_type_ids: { ...input, padding: 0 },
      },
    );
    const padded = await TextPreparer.load(manifest, TEXT_FIXTURE);
    const [sample] = padded.prepare(['am. am am am'], { ...OPTIONS, split: 'sentence' });
    expect(Array.from(sample!.tensors['input_ids']!.data as Int32Array)).to.deep.equal([
      ...ids(one('am.')),
      7,
      ...ids(one('am am am')),
    ]);
    expect(Array.from(sample!.tensors['attention_mask']!.data as Int32Array)).to.deep.equal([
      1, 1, 1, 1, 0, 1, 1, 1, 1, 1,
    ]);
    expect(Array.from(sample!.tensors['token_type_ids']!.data as Int32Array)).to.deep.equal(
      Array(10).fill(0),
    );
  });

  it('gives a row a sentence on request, each in its language', () => {
    const sample = one('I am happy. 我很难过。', { split: 'sentence' });
    expect(sample.segments.map(({ text, language }) => [text, language])).to.deep.equal([
      ['I am happy.', 'en'],
      ['我很难过。', 'zh'],
    ]);
    expect(
      one('I am happy. 我很难过。', { language: 'en', split: 'sentence' }).segments[1]!.language,
    ).to.equal('en');
  });

  it('stops at the most rows and says what is left out', () => {
    const text = '今天很好。'.repeat(100);
    const sample = one(text, { split: 'sentence', maxRows: 3 });
    expect(sample.segments).to.have.length(3);
    expect(sample.features!.cut).to.deep.equal({ start: 15, end: 500 });
    expect(sample.features!.sentences).to.have.length(3);
  });

  it('cuts a sentence that is longer than a row', () => {
    const text = '我很开心'.repeat(30);
    const sample = one(text);
    expect(sample.segments.map((segment) => segment.text).join('')).to.equal(text);
    for (const { tokens } of sample.segments) expect(tokens!.length).to.be.at.most(16);
  });

  it('puts blanks between words for a model of words', async () => {
    const words = await TextPreparer.load(
      textManifest({ segmentation: 'words' }),
      TEXT_FIXTURE,
      intlCutter(),
    );
    const [sample] = words.prepare(['今天天气'], OPTIONS);
    expect(sample!.segments[0]!.text).to.equal('今天天气');
    expect(sample!.tensors['input_ids']!.dims).to.deep.equal([1, 6]);
  });

  it('gives a sample with a reason for a text without a visible character', () => {
    for (const text of [
      '',
      ' \n',
      '\u200b\u202e\ufeff',
      '\0',
      '\ud800',
      ' '.repeat(1e6),
      '\u200b'.repeat(1e6),
    ]) {
      expect(one(text)).to.deep.equal({
        modality: 'text',
        model: 'front-end',
        tensors: {},
        segments: [],
        source: { text },
        features: { sentences: [] },
        reason: 'empty-text',
      });
    }
  });

  it('keeps order and number of the texts', () => {
    const texts = Array.from({ length: 10_000 }, (_, index) =>
      index % 3 === 0 ? '' : `i am ${index % 10}`,
    );
    const samples = preparer.prepare(texts, OPTIONS);
    expect(samples.map((sample) => sample.source.text)).to.deep.equal(texts);
  });

  it('holds its invariants for any text', () => {
    const unit = fc.constantFrom(
      '我',
      '开心',
      '。',
      '，',
      ' ',
      '\n',
      'happy',
      '.',
      '!',
      '[泪]',
      '😂',
      '\0',
      '\ud800',
      '\u202e',
      '\u200b',
      'zzzzzzzzzzzzzzzzzzzz',
      '[SEP]',
    );
    fc.assert(
      fc.property(
        fc.array(unit, { maxLength: 60 }),
        fc.constantFrom('text' as const, 'sentence' as const),
        (units, split) => {
          const text = units.join('');
          const sample = one(text, { split });
          for (const sentence of sample.features!.sentences) {
            expect(text.slice(sentence.start, sentence.end)).to.equal(sentence.text);
            for (const cue of sentence.cues) {
              expect(cue.at).to.be.below(sentence.words.length);
              expect(cue.scope.every((at) => at < sentence.words.length)).to.equal(true);
            }
          }
          for (const segment of sample.segments) {
            expect(text).to.include(segment.text!);
            expect(segment.tokens!.length).to.be.within(2, 16);
          }
          for (const { dims, data } of Object.values(sample.tensors)) {
            expect(data.length).to.equal(dims[0]! * dims[1]!);
            expect(dims[0]).to.equal(sample.segments.length);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('takes seconds at most for five megabytes', () => {
    for (const unit of [
      '今天天气不错，我很高兴。',
      'I am happy. ',
      'a',
      '. ',
      '😂',
      '@a ',
      '\u202eabc ',
      '\ud800',
      '(',
      '[',
    ]) {
      const start = process.cpuUsage();
      const sample = one(unit.repeat(5_000_000 / unit.length));
      expect(process.cpuUsage(start).user / 1000, unit).to.be.below(5000);
      expect(sample.segments.length).to.be.at.most(64);
    }
  });

  describe('refuses', () => {
    async function failure(promise: Promise<unknown>): Promise<EmotionError> {
      return promise.then(
        () => expect.fail('did not throw'),
        (error: unknown) => error as EmotionError,
      );
    }
    const int64 = { type: 'int64', shape: ['batch', 'tokens'] };

    it('what is no string', () => {
      expect(() => preparer.prepare(['ok', 5 as unknown as string], OPTIONS))
        .to.throw(/Text 1: expected a string, got number/)
        .with.property('code', 'input.wrong-type');
    });

    it('a model without input_ids, with an unknown input or a float one', async () => {
      for (const inputs of [
        { tokens: int64 },
        { attention_mask: int64 },
        { input_ids: { ...int64, type: 'float32' } },
      ]) {
        const error = await failure(TextPreparer.load(textManifest({}, inputs), TEXT_FIXTURE));
        expect(error.code).to.equal('model.inputs-mismatch');
      }
    });

    it('a model without a tokenizer', async () => {
      const manifest = textManifest();
      delete manifest.files.tokenizer;
      const error = await failure(TextPreparer.load(manifest, TEXT_FIXTURE));
      expect(error.code).to.equal('model.manifest-invalid');
      expect(error.details['key']).to.equal('files.tokenizer');
    });

    it('a folder without the tokenizer', async () => {
      const error = await failure(TextPreparer.load(textManifest(), '/nowhere'));
      expect(error.code).to.equal('model.file-missing');
    });
  });
});
