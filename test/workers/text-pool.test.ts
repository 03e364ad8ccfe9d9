import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { TextPreparer, type PrepareOptions } from '../../lib/text/prepare';
import { TextPool, type TextPreparation } from '../../lib/workers/text-pool';
import { TEXT_FIXTURE, textManifest } from '../text/fixture';

const OPTIONS: PrepareOptions = { language: 'auto', stopWords: 'default', split: 'text' };
const MODEL = { manifest: textManifest(), folder: TEXT_FIXTURE };

async function failure(promise: Promise<unknown>): Promise<EmotionError> {
  return promise.then(
    () => expect.fail('did not throw'),
    (error: unknown) => {
      expect(error).to.be.instanceOf(EmotionError);
      return error as EmotionError;
    },
  );
}

const workerHandles = (): string[] =>
  process.getActiveResourcesInfo().filter((kind) => kind === 'MessagePort' || kind === 'Worker');

describe('TextPool', () => {
  let pool: TextPool;
  let front: TextPreparation;

  beforeEach(async () => {
    pool = new TextPool();
    front = await pool.open(MODEL);
  });
  afterEach(() => front.close());

  it('gives what the preparer gives, off the event loop', async () => {
    const texts = ['I am not happy😂', '', '我今天不开心。'.repeat(20), 'a\0\ud800b'];
    const here = await TextPreparer.load(MODEL.manifest, TEXT_FIXTURE);
    expect(await front.prepare(texts, OPTIONS)).to.deep.equal(here.prepare(texts, OPTIONS));
  });

  it('keeps order and number over many texts and calls', async () => {
    const texts = Array.from({ length: 1000 }, (_, index) => `i am ${index}`);
    const [all, ...single] = await Promise.all([
      front.prepare(texts, OPTIONS),
      ...texts.map((text) => front.prepare([text], OPTIONS)),
    ]);
    expect(all.map((sample) => sample.source.text)).to.deep.equal(texts);
    expect(single.map(([sample]) => sample!.source.text)).to.deep.equal(texts);
    expect(await front.prepare([], OPTIONS)).to.deep.equal([]);
  });

  it('answers each call with its own options', async () => {
    const text = 'i am happy. i am sad.';
    const [whole, split] = await Promise.all([
      front.prepare([text], OPTIONS),
      front.prepare([text], { ...OPTIONS, split: 'sentence' }),
    ]);
    expect([whole[0]!.segments.length, split[0]!.segments.length]).to.deep.equal([1, 2]);
  });

  it('refuses what is no string before it reaches a thread', async () => {
    const texts = ['ok', null] as unknown as string[];
    const error = await failure(front.prepare(texts, OPTIONS));
    expect(error.code).to.equal('input.wrong-type');
    expect(error.message).to.equal('Text 1: expected a string, got null');
    expect(await front.prepare(['ok'], OPTIONS)).to.have.length(1);
  });

  it('leaves the event loop free while five megabytes are prepared', async () => {
    const big = 'I am not happy. '.repeat(320_000);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const [sample] = await front.prepare([big], { ...OPTIONS, maxRows: 2000 });
    clearInterval(timer);
    expect(sample!.features!.cut!.end).to.equal(big.length);
    expect(turns).to.be.above(5);
  });

  it('shares threads between models and stops them with the last', async () => {
    const other = await pool.open({ ...MODEL, manifest: textManifest({ maxTokens: 8 }) });
    const again = await pool.open(MODEL);
    expect(pool.size).to.equal(2);
    const text = 'i am not happy i am not happy';
    const [[wide], [narrow]] = await Promise.all([
      again.prepare([text], OPTIONS),
      other.prepare([text], OPTIONS),
    ]);
    expect(wide!.segments).to.have.length(1);
    expect(narrow!.segments.length).to.be.above(1);

    await other.close();
    await again.close();
    await again.close();
    expect(await front.prepare(['ok'], OPTIONS)).to.have.length(1);
    await front.close();
    expect(pool.size).to.equal(0);
    expect(workerHandles()).to.deep.equal([]);
  });

  it('opens again after the last close', async () => {
    await front.close();
    front = await pool.open(MODEL);
    expect(await front.prepare(['ok'], OPTIONS)).to.have.length(1);
  });

  it('rejects what is under way when it is closed, and everything after', async () => {
    const under = Array.from({ length: 50 }, () =>
      front.prepare(['今天很好。'.repeat(2000)], OPTIONS).then(
        () => 'done',
        (error: EmotionError) => error.code,
      ),
    );
    await Promise.race(under);
    await front.close();
    const outcomes = new Set(await Promise.all(under));
    expect(outcomes).to.include('engine.closed');
    expect([...outcomes].filter((o) => o !== 'done' && o !== 'engine.closed')).to.deep.equal([]);
    expect((await failure(front.prepare(['ok'], OPTIONS))).code).to.equal('engine.closed');
    expect(workerHandles()).to.deep.equal([]);
  });

  it('leaves no thread, handle or listener after a hundred rounds', async function () {
    this.timeout(240_000);
    await front.close();
    const before = process.listenerCount('exit') + process.listenerCount('warning');
    for (let round = 0; round < 100; round++) {
      const opened = await pool.open(MODEL);
      if (round % 10 === 0) await opened.prepare(['ok'], OPTIONS);
      await opened.close();
    }
    expect(workerHandles()).to.deep.equal([]);
    expect(process.listenerCount('exit') + process.listenerCount('warning')).to.equal(before);
  });

  describe('with a model that cannot be loaded', () => {
    let folder: string;
    beforeEach(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'text-pool-'));
    });
    afterEach(() => rm(folder, { recursive: true }));

    it('throws the worker’s error with code and details and serves the others', async () => {
      const file = path.join(folder, 'tokenizer.json');
      const missing = await failure(pool.open({ ...MODEL, folder }));
      expect(missing.code).to.equal('model.file-missing');
      expect(missing.details).to.deep.equal({ file });

      await writeFile(file, '{"model":');
      const invalid = await failure(pool.open({ ...MODEL, folder }));
      expect(invalid.code).to.equal('model.tokenizer-invalid');
      expect(invalid.message).to.include(file);

      expect(pool.size).to.equal(1);
      expect(await front.prepare(['ok'], OPTIONS)).to.have.length(1);
    });
  });
});
