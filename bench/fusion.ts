import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMOTIONS, type Scores } from '../lib/emotion/labels';
import type { Result } from '../lib/emotion/result';
import { LocalEngine } from '../lib/engine/local-engine';
import { fusionMethod } from '../lib/flow/fusion-method';
import { KeyAligner } from '../lib/fusion/align-by-key';
import { TimeAligner } from '../lib/fusion/align-by-time';
import {
  ATTENTION_FEATURES,
  ATTENTION_HIDDEN,
  attentionForward,
  attentionMethod,
} from '../lib/fusion/attention';
import { fuse } from '../lib/fusion/fuse';
import { calibrated, TEMPERATURE_COEFFICIENTS } from '../lib/fusion/fused-temperature';
import { MODALITIES } from '../lib/fusion/modalities';
import { POOL_TEMPERATURES } from '../lib/fusion/pool-temperatures';
import { productOfExpertsMethod } from '../lib/fusion/product-of-experts';
import { heldBytes } from '../lib/fusion/held-bytes';
import { parseResult } from '../lib/fusion/validate';
import { weightedVoteMethod } from '../lib/fusion/weighted-vote';
import { loadModel } from '../lib/models/model';
import { shippedModels } from '../lib/models/package-root';
import { LogisticRegression } from '../lib/resilience/logistic-regression';
import { figure, median, type BenchRow, type RowGroup } from './row';

const EVENTS = 5_000;
const WARM_UP = 1_000;

/** What each modality says about an event; which label leads changes from event to event. */
function resultsOf(event: number): Result[] {
  return MODALITIES.map((modality, m) => {
    const label = EMOTIONS[(event + m) % EMOTIONS.length]!;
    const scores: Scores = Object.fromEntries(
      EMOTIONS.map((one) => [one, one === label ? 0.7 : 0.05]),
    );
    return {
      modality,
      label,
      score: 0.7,
      scores,
      model: `${modality}-model`,
      runtime: 'onnxruntime',
      cached: false,
      latencyMs: 5,
      source: { text: 'a sentence of some length' },
    };
  });
}

const wave = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i));

const attention = attentionMethod(
  attentionForward({
    hiddenWeight: wave(ATTENTION_HIDDEN * ATTENTION_FEATURES),
    hiddenBias: wave(ATTENTION_HIDDEN),
    scoreWeight: wave(ATTENTION_HIDDEN),
    scoreBias: 0,
    value: { weight: wave(147), bias: wave(21), coefficients: wave(TEMPERATURE_COEFFICIENTS) },
  }),
);

/** Milliseconds of each call after some that do not count. */
async function timed(work: (i: number) => unknown, calls = EVENTS): Promise<number[]> {
  const times: number[] = [];
  for (let i = -WARM_UP; i < calls; i += 1) {
    const began = performance.now();
    await work(i + WARM_UP);
    if (i >= 0) times.push(performance.now() - began);
  }
  return times;
}

/** Validation, fusion and joining of an event of three modalities, without and with ONNX Runtime. */
export const fusion: RowGroup = {
  id: 'fusion',
  title: 'one event of three modalities',
  async measure(): Promise<BenchRow[]> {
    const events = Array.from({ length: EVENTS + WARM_UP }, (_, event) => resultsOf(event));
    const fusing = (method: Parameters<typeof fuse>[1]['method']) => (i: number) =>
      fuse(events[i]!.map(parseResult), { method });

    let last: unknown;
    const byKey = new KeyAligner<Result>({
      expected: MODALITIES,
      waitMs: 1_000,
      sizeOf: heldBytes,
      onEvent: ({ members }) => {
        last = fuse(Object.values(members), { method: attention });
      },
    });
    const joinByKey = (i: number): unknown => {
      for (const result of events[i]!)
        byKey.add(`event ${i}`, result.modality, parseResult(result));
      return last;
    };
    const byTime = new TimeAligner<Result>({
      expected: MODALITIES,
      stepMs: 1_000,
      waitMs: 5_000,
      sizeOf: heldBytes,
      onEvent: ({ members }) => {
        last = members;
      },
    });
    const joinByTime = (i: number): unknown => {
      for (const value of events[i]!) {
        const startMs = i * 1_000;
        byTime.add({
          stream: 's',
          modality: value.modality,
          startMs,
          endMs: startMs + 2_000,
          value,
        });
      }
      return last;
    };

    const model = await loadModel(join(shippedModels(), 'fusion-attention'));
    const engine = new LocalEngine(model, {});
    await engine.ready();
    const { method: inOnnx } = fusionMethod({
      name: 'attention',
      weights: {},
      access: { infer: (_requested, task) => task(engine, model) },
      registry: { list: () => Promise.resolve([]) },
      calibrate: true,
    });

    const vote = calibrated(weightedVoteMethod(), POOL_TEMPERATURES.vote);
    const product = calibrated(productOfExpertsMethod(), POOL_TEMPERATURES.product);
    const measured: [string, number[]][] = [
      ['weighted vote, calibrated', await timed(fusing(vote))],
      ['product of experts, calibrated', await timed(fusing(product))],
      ['attention in JavaScript', await timed(fusing(attention))],
      ['attention in ONNX Runtime', await timed(fusing(inOnnx), 1_000)],
      ['joined by key, attention', await timed(joinByKey)],
      ['joined by time, not fused', await timed(joinByTime)],
    ];
    byKey.close();
    byTime.close();
    await engine.close();
    return rows(measured);
  },
};

/** What `fallback-text` costs, as `emotion-fallback` runs it: hashed n-grams and weights. */
export const fallbackText: RowGroup = {
  id: 'fallback-text',
  title: 'fallback-text, one text',
  async measure(): Promise<BenchRow[]> {
    const { folder, manifest } = await loadModel(join(shippedModels(), 'fallback-text'));
    const file = join(folder, manifest.weights!.path);
    const model = new LogisticRegression(await readFile(file), file);
    const chinese = '今天终于把房间收拾干净了，心里特别舒服，晚上想好好睡一觉。';
    const english =
      'We waited for two hours in the rain and nobody even said that they were sorry. ';
    const of = (text: string, language: string, calls: number): Promise<number[]> =>
      timed((i) => model.classifyText(`${i} ${text}`, language), calls);
    return rows([
      ['a Chinese sentence', await of(chinese, 'zh', EVENTS)],
      ['an English sentence', await of(english, 'en', EVENTS)],
      ['2,000 characters, the most', await of(english.repeat(30), 'en', 500)],
    ]);
  },
};

function rows(measured: readonly [string, number[]][]): BenchRow[] {
  const first = median(measured[0]![1]);
  return measured.map(([name, times]) => ({
    name,
    columns: {
      'median ms': figure(median(times)),
      'p99 ms': figure([...times].sort((a, b) => a - b)[Math.floor(times.length * 0.99)]!),
      ratio: (median(times) / first).toFixed(2),
    },
  }));
}
