import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import type { LocalEngineOptions } from '../../lib/engine/engine';
import { EnginePool } from '../../lib/engine/engine-pool';
import { LocalEngine } from '../../lib/engine/local-engine';
import { tryTextModel } from '../../lib/flow/try-model';
import type { InstalledModel } from '../../lib/models/model';
import { FacePool } from '../../lib/workers/face-pool';
import { TextPool } from '../../lib/workers/text-pool';
import { fixture } from '../engine/samples';

describe('tryTextModel', function () {
  this.timeout(120_000);
  const services = {
    engines: new EnginePool(
      (model, options: Partial<LocalEngineOptions>) => new LocalEngine(model, options),
    ),
    texts: new TextPool(),
    faces: new FacePool(),
  };
  const attempt = (model: InstalledModel): Promise<unknown> =>
    tryTextModel(services, model, { intraOpThreads: 1 }).then(
      () => undefined,
      (error: unknown) => error,
    );
  afterEach(() => {
    expect(services.engines.size).to.equal(0);
    expect(services.texts.size).to.equal(0);
  });

  it('passes a model that runs', async () => {
    expect(await attempt(await fixture('tiny-text'))).to.equal(undefined);
  });

  it('fails a graph that does not load', async () => {
    const error = await attempt(await fixture('truncated'));
    expect((error as EmotionError).code).to.equal('model.load-failed');
  });

  it('fails a model whose ids have no rows', async () => {
    const tiny = await fixture('tiny-text');
    const folder = await mkdtemp(join(tmpdir(), 'emotion-try-'));
    await cp(tiny.folder, folder, { recursive: true });
    const file = join(folder, 'tokenizer.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(/"happy":\s*\d+/, '"happy": 9999'));
    const error = await attempt({ ...tiny, folder });
    await rm(folder, { recursive: true });
    expect((error as EmotionError).code).to.equal('model.load-failed');
    expect((error as EmotionError).message).to.contain('does not run');
  });
});
