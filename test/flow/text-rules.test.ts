import { expect } from 'chai';
import type { SentenceFeatures, TextSample } from '../../lib/emotion/sample';
import type { Manifest } from '../../lib/models/manifest';
import { sentencesOfRow, textRules } from '../../lib/flow/text-rules';

const TEXT = 'Fine. I am not happy! Fine. 不错。';
const SENTENCES: [string, number][] = [
  ['Fine.', 0],
  ['I am not happy!', 6],
  ['Fine.', 22],
  ['不错。', 28],
];

function features([text, start]: [string, number]): SentenceFeatures {
  const words = text
    .replace(/[.!。]/g, '')
    .toLowerCase()
    .split(' ');
  const denied = words.includes('not');
  return {
    text,
    start,
    end: start + text.length,
    language: 'en',
    words,
    stems: [],
    removed: [],
    cues: denied ? [{ rule: 'negation', cue: 'not', at: 2, scope: [3] }] : [],
  };
}

function sample(rows: string[]): TextSample {
  return {
    modality: 'text',
    model: 'tiny-text',
    tensors: {},
    segments: rows.map((text) => ({ text })),
    source: { text: TEXT },
    features: { sentences: SENTENCES.map(features) },
  };
}

const MANIFEST = {} as Manifest;

const starts = (rows: string[], row: number) =>
  sentencesOfRow(sample(rows), row).map(({ start }) => start);

describe('sentencesOfRow', () => {
  it('gives all sentences to a row that is the whole text', () => {
    expect(starts([TEXT], 0)).to.deep.equal([0, 6, 22, 28]);
  });

  it('gives each row its own, although a sentence comes twice', () => {
    const rows = ['Fine. ', 'I am not happy! ', 'Fine. 不错。'];
    expect(rows.map((_, row) => starts(rows, row))).to.deep.equal([[0], [6], [22, 28]]);
  });

  it('gives none to a row that is not in the text', () => {
    expect(starts(['Fine.', 'something else'], 1)).to.deep.equal([]);
  });
});

describe('textRules', () => {
  const scores = { happy: 0.6, sad: 0.4 };

  it('applies the cues of a row to that row alone', () => {
    const rules = textRules({ negation: 1.5 });
    const split = sample(['Fine. ', 'I am not happy! ']);
    expect(rules(scores, split, 0, MANIFEST)).to.deep.equal({ scores, rules: [] });
    const denied = rules(scores, split, 1, MANIFEST);
    expect(denied.rules).to.deep.equal(['negation']);
    expect(denied.scores.happy).to.be.below(0.4);
  });

  it('leaves other modalities alone', () => {
    const audio = { ...sample(['a']), modality: 'audio' } as never;
    const ruled = textRules({ negation: 1.5 })(scores, audio, 0, MANIFEST);
    expect(ruled).to.deep.equal({ scores, rules: [] });
  });

  it('follows the manifest of the model that answered, unless it is told weights', () => {
    const denied = sample(['I am not happy! ']);
    const off = { rules: { negation: 0 } } as Manifest;
    expect(textRules()(scores, denied, 0, MANIFEST).rules).to.deep.equal(['negation']);
    expect(textRules()(scores, denied, 0, off)).to.deep.equal({ scores, rules: [] });
    expect(textRules({ negation: 1 })(scores, denied, 0, off).rules).to.deep.equal(['negation']);
  });
});
