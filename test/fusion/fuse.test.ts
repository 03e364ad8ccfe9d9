import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { attentionMethod } from '../../lib/fusion/attention';
import { fuse } from '../../lib/fusion/fuse';
import { calibrated, TEMPERATURE_COEFFICIENTS } from '../../lib/fusion/fused-temperature';
import { productOfExpertsMethod } from '../../lib/fusion/product-of-experts';
import { weightedVoteMethod } from '../../lib/fusion/weighted-vote';
import { emptyResult, resultOf } from './results';

const text = resultOf(
  'text',
  { happy: 0.9, sad: 0.1 },
  { source: { text: '太好了', duration: 1 } },
);
const audio = resultOf(
  'audio',
  { happy: 0.4, sad: 0.6 },
  { latencyMs: 40, source: { duration: 2.5 } },
);
const method = weightedVoteMethod({ text: 3, audio: 2, video: 1 });

/** A temperature of one half for every subset. */
const HALF = Array.from({ length: TEMPERATURE_COEFFICIENTS }, (_, i) =>
  i < 9 ? 0 : Math.log(0.5),
);

describe('fuse', () => {
  it('answers with weights, the modalities, what is missing and why', async () => {
    let t = 100;
    const fused = await fuse([audio, text], { method, now: () => (t += 0.25) });
    expect(fused.modality).to.equal('multimodal');
    expect(fused.label).to.equal('happy');
    expect(fused.score).to.be.closeTo(0.7, 1e-12);
    expect(fused.scores.sad).to.be.closeTo(0.3, 1e-12);
    expect(fused.weights).to.deep.equal({ text: 0.6, audio: 0.4 });
    expect(fused.modalities).to.deep.equal({ text, audio });
    expect(fused.missing).to.deep.equal(['video']);
    expect(fused.dissenting).to.deep.equal(['audio']);
    expect(fused.agreement).to.be.within(0.5, 0.9);
    expect(fused.model).to.equal('fusion-weighted-vote');
    expect(fused.runtime).to.equal('javascript');
    expect(fused.cached).to.equal(false);
    expect(fused.latencyMs).to.equal(40.25);
    expect(fused.source).to.deep.equal({ text: '太好了', duration: 1 });
    expect(fused).not.to.have.any.keys('uncertain', 'reason', 'fallback');
    expect(fused.explanation).to.deep.equal({
      en: 'happy 70%: text happy 90% (counts 60%), voice sad 60% (counts 40%, disagrees); missing: face',
      zh: '高兴 70%：文本为高兴 90%（权重 60%），语音为悲伤 60%（权重 40%，与结果不一致）；缺少：人脸',
    });
  });

  it('works with each single modality, as it is', async () => {
    for (const modality of ['text', 'audio', 'video'] as const) {
      const alone = resultOf(modality, { happy: 0.3, fear: 0.7 });
      for (const how of [method, productOfExpertsMethod()]) {
        const fused = await fuse([alone], { method: calibrated(how, HALF) });
        expect(fused.label).to.equal('fear');
        expect(fused.scores.fear).to.be.closeTo(0.7, 1e-12);
        expect(fused.weights).to.deep.equal({ [modality]: 1 });
        expect(fused.missing).to.have.length(2);
        expect(fused.agreement).to.equal(1);
      }
    }
  });

  it('counts a null label as absent but keeps its Result', async () => {
    const silence = emptyResult('audio', 'silence');
    const fused = await fuse([text, silence], { method });
    expect(fused.label).to.equal('happy');
    expect(fused.scores).to.deep.equal(text.scores);
    expect(fused.weights).to.deep.equal({ text: 1 });
    expect(fused.missing).to.deep.equal(['audio', 'video']);
    expect(fused.modalities.audio).to.equal(silence);
    expect(fused.explanation.en).to.contain('missing: voice (silence), face');
    expect(fused.explanation.zh).to.contain('缺少：语音（静音）、人脸');
  });

  it('answers null with a reason when nobody has a label', async () => {
    const fused = await fuse([emptyResult('video', 'no-face'), emptyResult('audio', 'silence')], {
      method,
    });
    expect(fused.label).to.equal(null);
    expect(fused.score).to.equal(0);
    expect(fused.scores).to.deep.equal({});
    expect(fused.weights).to.deep.equal({});
    expect(fused.reason).to.equal('silence');
    expect(fused.explanation.en).to.equal(
      'no emotion to report; missing: text, voice (silence), face (no face)',
    );
  });

  it('lists as missing only what was expected', async () => {
    const fused = await fuse([text], { method, expected: ['text', 'audio'] });
    expect(fused.missing).to.deep.equal(['audio']);
  });

  it('marks an answer under the threshold as uncertain', async () => {
    expect((await fuse([text, audio], { method, threshold: 0.71 })).uncertain).to.equal(true);
    expect(await fuse([text, audio], { method, threshold: 0.69 })).not.to.have.property(
      'uncertain',
    );
  });

  it('says which modality was answered by a fallback model', async () => {
    const standIn = resultOf(
      'audio',
      { happy: 1 },
      {
        fallback: { reason: 'engine.crashed', attempts: 3 },
        runtime: 'logistic',
      },
    );
    const fused = await fuse([text, standIn], { method });
    expect(fused.fallback).to.deep.equal({ reason: 'audio: engine.crashed', attempts: 3 });
    expect(fused.explanation.en).to.contain('by the fallback model');
    expect(fused.explanation.zh).to.contain('备用模型');
  });

  it('answers by the other method when the first one fails, and says so', async () => {
    const failing = attentionMethod(() => {
      throw new EmotionError('engine.crashed', 'gone');
    });
    const fused = await fuse([text, audio], { method: failing, otherwise: method });
    expect(fused.model).to.equal('fusion-weighted-vote');
    expect(fused.score).to.be.closeTo(0.7, 1e-12);
    expect(fused.fallback).to.deep.equal({ reason: 'fusion: engine.crashed', attempts: 1 });
    const error: unknown = await fuse([text], { method: failing }).catch((e: unknown) => e);
    expect(error).to.have.property('code', 'engine.crashed');
  });

  it('refuses an empty event and a modality that comes twice', async () => {
    for (const results of [[], [text, text]]) {
      const error: unknown = await fuse(results, { method }).catch((e: unknown) => e);
      expect(error).to.have.property('code', 'fusion.not-a-result');
    }
  });
});
