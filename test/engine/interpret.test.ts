import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import type { AudioSample, Tensor, TextSample } from '../../lib/emotion/sample';
import type { EngineOutput } from '../../lib/engine/engine';
import { interpret } from '../../lib/engine/interpret';
import type { Manifest } from '../../lib/models/manifest';
import { audioManifest } from '../audio/manifest';
import { fixture } from './samples';

function output(
  ...rows: { logits: number[]; attention?: number[]; cached?: boolean }[]
): EngineOutput {
  const tensor = (values: number[]): Tensor => ({
    type: 'float32',
    dims: [1, values.length],
    data: Float32Array.from(values),
  });
  return {
    rows: rows.map(({ logits, attention, cached = false }) => ({
      outputs: {
        logits: tensor(logits),
        ...(attention !== undefined && { attention: tensor(attention) }),
      },
      cached,
    })),
    runtime: 'onnxruntime',
    latencyMs: 4,
  };
}

function sampleOf(segments: TextSample['segments'], more: Partial<TextSample> = {}): TextSample {
  return { modality: 'text', model: 'tiny-text', tensors: {}, segments, source: {}, ...more };
}

const tokens = (...words: string[]) => ['[CLS]', ...words, '[SEP]'];
const HAPPY = [0, 4, 0, 0, 0, 0, 0];
const SAD = [0, 0, 4, 0, 0, 0, 0];

describe('interpret', () => {
  let manifest: Manifest;
  before(async () => {
    ({ manifest } = await fixture('tiny-text'));
  });

  it('divides logits by the temperature of the segment’s language', () => {
    const score = (language: string) =>
      interpret(
        sampleOf([{ tokens: tokens('happy'), language }]),
        output({ logits: HAPPY }),
        manifest,
      ).score;
    expect(score('zh')).to.be.closeTo(Math.exp(4 / 1.25) / (6 + Math.exp(4 / 1.25)), 1e-6);
    expect(score('en')).to.be.closeTo(Math.exp(2) / (6 + Math.exp(2)), 1e-6);
  });

  it('takes the mean of the rows by their tokens, special ones not counted', () => {
    const result = interpret(
      sampleOf([
        { tokens: tokens('so', 'very', 'happy'), language: 'en', text: 'so very happy' },
        { tokens: tokens('sad'), language: 'en', text: 'sad' },
      ]),
      output({ logits: HAPPY }, { logits: SAD }),
      manifest,
    );
    expect(result.segments!.map(({ weight }) => weight)).to.deep.equal([0.75, 0.25]);
    const [first, second] = result.segments!;
    expect(result.scores.happy).to.be.closeTo(
      0.75 * first!.scores.happy! + 0.25 * second!.scores.happy!,
      1e-12,
    );
    expect(result.label).to.equal('happy');
    expect(result.segments!.map(({ label, text }) => [label, text])).to.deep.equal([
      ['happy', 'so very happy'],
      ['sad', 'sad'],
    ]);
    const sum = Object.values(result.scores).reduce((a, b) => a + b);
    expect(sum).to.be.closeTo(1, 1e-12);
  });

  it('weighs windows of sound by their seconds', () => {
    const result = interpret(
      {
        modality: 'audio',
        model: 'x',
        tensors: {},
        segments: [
          { start: 0, end: 3 },
          { start: 3, end: 4 },
        ],
        source: {},
      },
      output({ logits: HAPPY }, { logits: SAD }),
      { ...manifest, modality: 'audio' },
    );
    expect(result.segments!.map(({ weight }) => weight)).to.deep.equal([0.75, 0.25]);
    expect(result.segments![0]).to.include({ start: 0, end: 3 });
  });

  it('shares attention among the words, without special tokens', () => {
    const { segments } = interpret(
      sampleOf([{ tokens: tokens('i', 'am', 'happy'), language: 'en' }]),
      output({ logits: HAPPY, attention: [0.2, 0.1, 0.1, 0.4, 0.2] }),
      manifest,
    );
    const words = segments![0]!.tokens!;
    expect(words.map(({ text }) => text)).to.deep.equal(['i', 'am', 'happy']);
    words.forEach(({ weight }, index) =>
      expect(weight).to.be.closeTo([1 / 6, 1 / 6, 2 / 3][index]!, 1e-6),
    );
  });

  it('gives attention over time back in seconds of the source', () => {
    const windows = (segments: AudioSample['segments'], attention: number[], fill: string) =>
      interpret(
        { modality: 'audio', model: 'x', tensors: {}, segments, source: {} },
        output(...segments.map(() => ({ logits: HAPPY, attention }))),
        {
          ...audioManifest({ window: { fill } }),
          labels: manifest.labels,
          outputs: {
            ...manifest.outputs,
            attention: { kind: 'time-weights', shape: ['batch', attention.length] },
          },
        },
      ).segments!.map(({ times }) => times);

    const full = windows([{ start: 10, end: 12.584 }], [0.1, 0.2, 0.3, 0.4], 'repeat')[0]!;
    expect(full.map(({ start, end }) => [start, end])).to.deep.equal([
      [10, 10.646],
      [10.646, 11.292],
      [11.292, 11.938],
      [11.938, 12.584],
    ]);
    full.forEach(({ weight }, step) => expect(weight).to.be.closeTo((step + 1) / 10, 1e-6));

    // 1.292 s is half a window: heard twice, or followed by silence.
    const [repeated] = windows([{ start: 0, end: 1.292 }], [0.1, 0.2, 0.3, 0.4], 'repeat');
    expect(repeated!.map(({ weight }) => Math.round(weight * 1e6) / 1e6)).to.deep.equal([0.4, 0.6]);
    const [silent] = windows([{ start: 0, end: 1.292 }], [0.1, 0.2, 0.3, 0.4], 'silence');
    expect(silent!.map(({ weight }) => Math.round(weight * 1e6) / 1e6)).to.deep.equal([
      0.333333, 0.666667,
    ]);
    expect(silent!.at(-1)!.end).to.equal(1.292);
    expect(windows([{ start: 0, end: 0.05 }], [0.5, 0.5], 'silence')[0]).to.deep.equal([
      { start: 0, end: 0.05, weight: 1 },
    ]);
    expect(windows([{}], [0.5, 0.5], 'repeat')).to.deep.equal([undefined]);
  });

  it('cuts tokens to the heaviest, in the order of the text and with their shares', () => {
    const { segments, scores } = interpret(
      sampleOf([{ tokens: tokens('wow', 'i', 'happy'), language: 'en' }]),
      output({ logits: HAPPY, attention: [0, 0.3, 0.1, 0.6, 0] }),
      manifest,
      { topK: 2 },
    );
    const words = segments![0]!.tokens!;
    expect(words.map(({ text }) => text)).to.deep.equal(['wow', 'happy']);
    expect(words[0]!.weight).to.be.closeTo(0.3, 1e-6);
    expect(Object.keys(scores)).to.have.length(7);
  });

  it('lets rules change the scores of a row and names them once', () => {
    const result = interpret(
      sampleOf([
        { tokens: tokens('not', 'happy'), language: 'en' },
        { tokens: tokens('not', 'sad'), language: 'en' },
      ]),
      output({ logits: HAPPY }, { logits: SAD }),
      manifest,
      {
        rules: (_scores, _sample, row) => ({
          scores: { fear: row, neutral: 1 - row },
          rules: ['negation'],
        }),
      },
    );
    expect(result.scores).to.deep.equal({ neutral: 0.5, fear: 0.5 });
    expect(result.rules).to.deep.equal(['negation']);
    expect(result.segments![1]!.label).to.equal('fear');
  });

  it('marks a result under the threshold as uncertain', () => {
    const sample = sampleOf([{ tokens: tokens('happy'), language: 'en' }]);
    const at = (threshold: number) =>
      interpret(sample, output({ logits: HAPPY }), manifest, { threshold });
    expect(at(0.99)).to.have.property('uncertain', true);
    expect(at(0.1)).not.to.have.property('uncertain');
  });

  it('is cached when every row is', () => {
    const sample = sampleOf([{ tokens: tokens('happy') }, { tokens: tokens('sad') }]);
    const cached = (...flags: boolean[]) =>
      interpret(sample, output(...flags.map((flag) => ({ logits: SAD, cached: flag }))), manifest)
        .cached;
    expect(cached(true, true)).to.equal(true);
    expect(cached(true, false)).to.equal(false);
  });

  it('gives no label and the reason for a sample with nothing to infer', () => {
    expect(interpret(sampleOf([], { reason: 'empty-text' }), output(), manifest)).to.deep.equal({
      modality: 'text',
      label: null,
      score: 0,
      scores: {},
      model: 'tiny-text',
      runtime: 'onnxruntime',
      cached: false,
      latencyMs: 4,
      reason: 'empty-text',
      source: {},
    });
  });

  it('says where there was nothing to infer', () => {
    const result = interpret(
      {
        modality: 'audio',
        model: 'x',
        tensors: {},
        segments: [{ start: 4, end: 6.584 }],
        source: {},
        reason: 'no-speech',
      },
      output(),
      manifest,
    );
    expect(result).to.include({ label: null, reason: 'no-speech' });
    expect(result.segments).to.deep.equal([
      { start: 4, end: 6.584, label: null, score: 0, scores: {} },
    ]);
  });

  it('refuses logits that are no numbers', () => {
    const sample = sampleOf([{ tokens: tokens('happy') }]);
    expect(() => interpret(sample, output({ logits: [NaN, 1, 1, 1, 1, 1, 1] }), manifest))
      .to.throw(EmotionError, 'no numbers')
      .with.property('code', 'engine.failed');
  });

  it('reads half floats', () => {
    const sample = sampleOf([{ tokens: tokens('happy'), language: 'en' }]);
    const data = Uint16Array.from([0, 0x4400, 0, 0, 0, 0, 0]);
    const half: EngineOutput = {
      ...output(),
      rows: [{ outputs: { logits: { type: 'float16', dims: [1, 7], data } }, cached: false }],
    };
    expect(interpret(sample, half, manifest).score).to.equal(
      interpret(sample, output({ logits: HAPPY }), manifest).score,
    );
  });
});
