import { expect } from 'chai';
import { interpret } from '../../lib/engine/interpret';
import { LocalEngine } from '../../lib/engine/local-engine';
import { fixture, textSample } from './samples';

describe('LocalEngine', () => {
  it('answers a text with what the graph gives for it', async () => {
    const model = await fixture('tiny-text');
    const engine = new LocalEngine(model);
    try {
      const sample = textSample(['i am happy', 'so sad'], model);
      const result = interpret(sample, await engine.infer(sample), model.manifest);
      expect(result.segments?.map(({ label }) => label)).to.deep.equal(['happy', 'sad']);
      expect(result.runtime).to.equal('onnxruntime');
    } finally {
      await engine.close();
    }
  });
});
