import { expect } from 'chai';
import fc from 'fast-check';
import { EMOTIONS, topLabel, type Scores } from '../../lib/emotion/labels';
import type { Result } from '../../lib/emotion/result';
import {
  ATTENTION_FEATURES,
  ATTENTION_HIDDEN,
  attentionForward,
  attentionMethod,
} from '../../lib/fusion/attention';
import { fuse } from '../../lib/fusion/fuse';
import { calibrated } from '../../lib/fusion/fused-temperature';
import { MODALITIES } from '../../lib/fusion/modalities';
import { labelUnion, type FusionMethod } from '../../lib/fusion/pooling';
import { productOfExpertsMethod } from '../../lib/fusion/product-of-experts';
import { parseResult } from '../../lib/fusion/validate';
import { weightedVoteMethod } from '../../lib/fusion/weighted-vote';
import { emptyResult, resultOf } from './results';

/** Scores over any two or more labels, also with zeros and with a label that has everything. */
const scores: fc.Arbitrary<Scores> = fc
  .tuple(
    fc.subarray([...EMOTIONS], { minLength: 2 }),
    fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })), {
      minLength: 7,
      maxLength: 7,
    }),
  )
  .map(([labels, values]) => {
    const raw = labels.map((_, i) => values[i] ?? 0);
    const total = raw.reduce((a, b) => a + b, 0);
    const even = !(total > 1e-9);
    return Object.fromEntries(
      labels.map((label, i) => [label, even ? 1 / labels.length : (raw[i] ?? 0) / total]),
    );
  });

/** One to three modalities, some of them silent. */
const event: fc.Arbitrary<Result[]> = fc
  .tuple(
    fc.subarray([...MODALITIES], { minLength: 1 }),
    fc.array(fc.option(scores, { freq: 5 }), { minLength: 3, maxLength: 3 }),
  )
  .map(([modalities, given]) =>
    modalities.map((modality, i) => {
      const said = given[i];
      return said ? resultOf(modality, said) : emptyResult(modality, 'silence');
    }),
  );

const wave = (length: number, frequency: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * frequency));

const layers = {
  hiddenWeight: wave(ATTENTION_HIDDEN * ATTENTION_FEATURES, 0.37),
  hiddenBias: wave(ATTENTION_HIDDEN, 1.1),
  scoreWeight: wave(ATTENTION_HIDDEN, 0.7),
  scoreBias: 0,
};

const METHODS: readonly FusionMethod[] = [
  weightedVoteMethod(),
  weightedVoteMethod({ text: 5, audio: 0, video: 0.1 }),
  productOfExpertsMethod(),
  productOfExpertsMethod({ weights: { text: 2, audio: 1, video: 0 }, prior: { neutral: 0.9 } }),
  attentionMethod(attentionForward(layers)),
  calibrated(weightedVoteMethod(), wave(16, 1.7)),
  calibrated(productOfExpertsMethod(), wave(16, 2.3)),
  attentionMethod(
    attentionForward({
      ...layers,
      value: {
        weight: wave(147, 0.53),
        bias: wave(21, 0.9),
        coefficients: wave(17, 1.3),
      },
    }),
  ),
];

const sum = (values: Readonly<Partial<Record<string, number>>>): number =>
  Object.values(values).reduce<number>((total, value) => total + (value ?? NaN), 0);

describe('fuse, whatever the modalities say', () => {
  it('gives a distribution over the labels they know, weights and agreement in their ranges', async () => {
    await fc.assert(
      fc.asyncProperty(event, fc.constantFrom(...METHODS), async (results, method) => {
        for (const result of results) parseResult(result);
        const fused = await fuse(results, { method });
        const present = results.filter(({ label }) => label !== null);
        expect(Object.keys(fused.modalities)).to.have.members(
          results.map(({ modality }) => modality),
        );
        expect(fused.missing).to.deep.equal(
          MODALITIES.filter((one) => !present.some(({ modality }) => modality === one)),
        );
        expect(fused.agreement).to.be.within(0, 1);
        if (present.length === 0) {
          expect(fused).to.include({ label: null, score: 0, reason: 'silence' });
          return;
        }
        // All that is known by whoever was heard: a modality of weight zero is not.
        const heard = present.filter(({ modality }) => (fused.weights[modality] ?? 0) > 0);
        expect(Object.keys(fused.scores)).to.deep.equal(labelUnion(heard));
        for (const score of Object.values(fused.scores)) expect(score).to.be.within(0, 1);
        expect(sum(fused.scores)).to.be.closeTo(1, 1e-9);
        expect({ label: fused.label, score: fused.score }).to.deep.equal(topLabel(fused.scores));
        expect(Object.keys(fused.weights)).to.have.members(present.map(({ modality }) => modality));
        expect(sum(fused.weights)).to.be.closeTo(1, 1e-6);
        expect(fused.explanation.en)
          .to.match(/^[^\n]+$/)
          .and.not.match(/NaN|undefined|null/);
        expect(fused.explanation.zh)
          .to.match(/^[^\n]+$/)
          .and.not.match(/NaN|undefined|null/);
      }),
      { numRuns: 150 },
    );
  });

  it('does not depend on the order in which they are given', async () => {
    const now = (): number => 0;
    await fc.assert(
      fc.asyncProperty(event, fc.constantFrom(...METHODS), async (results, method) => {
        const forwards = await fuse(results, { method, now });
        const backwards = await fuse([...results].reverse(), { method, now });
        expect(backwards).to.deep.equal(forwards);
      }),
      { numRuns: 80 },
    );
  });

  it('says what they all say, by a vote or an average', async () => {
    await fc.assert(
      fc.asyncProperty(scores, fc.constantFrom(0, 1, 4), async (said, which) => {
        const results = MODALITIES.map((modality) => resultOf(modality, said));
        const fused = await fuse(results, { method: METHODS[which] ?? weightedVoteMethod() });
        for (const [label, score] of Object.entries(said)) {
          expect(fused.scores[label as keyof Scores]).to.be.closeTo(score, 1e-6);
        }
        expect(fused.agreement).to.be.closeTo(1, 1e-6);
      }),
    );
  });

  it('never mutates what it is given', async () => {
    await fc.assert(
      fc.asyncProperty(event, fc.constantFrom(...METHODS), async (results, method) => {
        const before = structuredClone(results);
        await fuse(results, { method });
        expect(results).to.deep.equal(before);
      }),
      { numRuns: 50 },
    );
  });
});
