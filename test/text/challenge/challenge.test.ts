import { join } from 'node:path';
import { expect } from 'chai';
import type { Emotion } from '../../../lib/emotion/labels';
import { interpret, type ScoreRules } from '../../../lib/engine/interpret';
import { LocalEngine } from '../../../lib/engine/local-engine';
import { textRules } from '../../../lib/flow/text-rules';
import { loadModel } from '../../../lib/models/model';
import { shippedModels } from '../../../lib/models/package-root';
import { TextPreparer } from '../../../lib/text/prepare';
import { DEFAULT_RULES } from '../../../lib/text/rules';
import { loadChallenges, passes, PHENOMENA } from './challenge-set';

const OPTIONS = { language: 'auto', stopWords: 'none', split: 'text' } as const;

describe('text-bilstm on the challenge set', function () {
  this.timeout(120_000);
  const challenges = loadChallenges();
  let without: (Emotion | null)[];
  let ruled: (Emotion | null)[];

  before(async () => {
    const model = await loadModel(join(shippedModels(), 'text-bilstm'));
    const preparer = await TextPreparer.load(model.manifest, model.folder);
    const engine = new LocalEngine(model, { intraOpThreads: 1 });
    try {
      const samples = preparer.prepare(
        challenges.map(({ text }) => text),
        OPTIONS,
      );
      const outputs = await Promise.all(samples.map((sample) => engine.infer(sample)));
      const labels = (options: { rules?: ScoreRules }) =>
        samples.map((one, at) => interpret(one, outputs[at]!, model.manifest, options).label);
      without = labels({});
      // At their usual weights, whatever the model's own file switches off.
      ruled = labels({ rules: textRules(DEFAULT_RULES) });
    } finally {
      await engine.close();
    }
  });

  const rate = (labels: (Emotion | null)[], phenomenon?: string): number => {
    const own = challenges
      .map((one, at) => ({ one, label: labels[at]! }))
      .filter(({ one }) => phenomenon === undefined || one.phenomenon === phenomenon);
    return own.filter(({ one, label }) => passes(one, label)).length / own.length;
  };

  it('passes at least one sentence in ten more with rules', () => {
    expect(rate(ruled)).to.be.above(rate(without) + 0.1);
  });

  for (const phenomenon of PHENOMENA) {
    it(`passes no less of ${phenomenon} with rules`, () => {
      expect(rate(ruled, phenomenon)).to.be.at.least(rate(without, phenomenon));
    });
  }
});
