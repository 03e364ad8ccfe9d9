import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import type { Chunk } from '../../lib/opinion/batch-job';
import { BatchJobs, type JobView, type JobsOptions } from '../../lib/opinion/batch-jobs';
import { expectFailure, scratchFolder, until } from '../media/fixtures';
import { heldMemory } from './held-memory';
import { resultOf } from './rows';

type Row = Record<string, string>;

/** Text in GB 18030, of characters that the test needs. */
const GB18030: Readonly<Record<string, number[]>> = {
  内: [0xc4, 0xda], 容: [0xc8, 0xdd], 好: [0xba, 0xc3], 坏: [0xbb, 0xb5], 𠮷: [0x95, 0x32, 0xb7, 0x37],
}; // prettier-ignore
const inGb18030 = (text: string) =>
  Buffer.from(Array.from(text).flatMap((one) => GB18030[one] ?? [one.charCodeAt(0)]));

describe('BatchJobs', () => {
  const scratch = scratchFolder();
  let count = 0;
  const open: BatchJobs[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((jobs) => jobs.close()));
  });

  const folder = () => join(scratch, `jobs-${(count += 1)}`);
  const file = async (content: string | Uint8Array, name = 'comments.csv') => {
    const path = join(scratch, `${(count += 1)}-${name}`);
    await writeFile(path, content);
    return path;
  };

  /** Jobs whose texts are answered at once, unless `send` does it. */
  async function start(
    path: string,
    options: Partial<JobsOptions> = {},
  ): Promise<{ jobs: BatchJobs; views: JobView[]; asked: Chunk[] }> {
    const views: JobView[] = [];
    const asked: Chunk[] = [];
    const jobs = await BatchJobs.open({
      folder: path,
      chunkRows: 3,
      inFlight: 2,
      answerMs: 5000,
      attempts: 2,
      onChange: (view) => views.push(view),
      send: (chunk) => {
        asked.push(chunk);
        setImmediate(() => jobs.answer(chunk.job, chunk.row, chunk.texts.map(resultOf)));
      },
      ...options,
    });
    open.push(jobs);
    jobs.resume();
    return { jobs, views, asked };
  }
  const ended = async (jobs: BatchJobs, job: string): Promise<JobView> => {
    await until(() => jobs.get(job).ended !== undefined, 'the end of the job', 20_000);
    return jobs.get(job);
  };
  const read = async (path = '', delimiter = ','): Promise<Row[]> =>
    parse<Row>(await readFile(path), {
      columns: true,
      bom: true,
      delimiter,
      relax_column_count: true,
    });

  it('adds emotions to a CSV, with quoted newlines, quotes, empty cells and short rows', async () => {
    const { jobs } = await start(folder());
    const path = await file(
      '\ufeffid,内容,author\r\n1,"好,\r\n第二行 ""引""",a\r\n2,,b\r\n3,坏\r\n\r\n4,好,d,extra\r\n',
    );
    const { job } = await jobs.start({ source: { file: path } });
    const view = await ended(jobs, job);
    expect(view).to.deep.include({
      state: 'done',
      rows: 4,
      failed: 0,
      progress: 1,
      column: '内容',
    });
    const content = await readFile(view.result ?? '', 'utf8');
    expect(content.startsWith('\ufeffid,内容,author,emotion,emotion_score')).to.equal(true);
    const rows = await read(view.result);
    expect(rows.map(({ id }) => id)).to.deep.equal(['1', '2', '3', '4']);
    expect(rows[0]).to.include({
      内容: '好,\r\n第二行 "引"',
      author: 'a',
      emotion: 'happy',
      emotion_score: '0.75',
      emotion_happy: '0.75',
      emotion_fear: '',
    });
    expect(rows[1]).to.include({ emotion: '', emotion_score: '', emotion_error: 'empty-text' });
    expect(rows[2]).to.include({ 内容: '坏', author: '', emotion: 'sad' });
    expect(rows[3]).to.include({ author: 'd', emotion: 'happy' });
    expect(content).to.match(/,extra\r\n$/);
  });

  it('knows encodings, delimiters and columns by themselves', async () => {
    const { jobs } = await start(folder());
    const utf16 = Buffer.concat([
      Buffer.of(0xff, 0xfe),
      Buffer.from('id\t内容\n1\t好\n', 'utf16le'),
    ]);
    const cases: [Uint8Array, object][] = [
      [inGb18030('id;内容\n1;好𠮷\n2;坏\n'), { encoding: 'gb18030', delimiter: ';' }],
      [utf16, { encoding: 'utf-16le', delimiter: '\t' }],
      [Buffer.from('Text\n好'), { encoding: 'utf-8' }],
      [Buffer.from('a|comment|b,c\n1|好|2'), { delimiter: '|' }],
    ];
    for (const [content, expected] of cases) {
      const { job } = await jobs.start({ source: { content }, name: '评论 表.csv' });
      const view = await ended(jobs, job);
      expect(view.format).to.include(expected);
      const [row] = await read(view.result, view.format.delimiter);
      expect(row?.emotion, JSON.stringify(expected)).to.equal('happy');
      expect(view.result).to.match(/评论_表\.emotions\.csv$/);
    }
  });

  it('answers JSON lines, and keeps what is none', async () => {
    const { jobs } = await start(folder());
    const content = '{"id":1,"text":"好"}\n\n{broken\n[1]\n{"id":2,"text":{"a":1},"emotion":"old"}';
    const { job } = await jobs.start({ source: { content } });
    const view = await ended(jobs, job);
    expect(view).to.deep.include({ rows: 4, failed: 2, column: 'text' });
    const lines = (await readFile(view.result ?? '', 'utf8')).trim().split('\n');
    const rows = lines.map((line) => JSON.parse(line) as { emotion: object });
    expect(rows[0]).to.deep.equal({
      id: 1,
      text: '好',
      emotion: { label: 'happy', score: 0.75, scores: { happy: 0.75, sad: 0.25 }, model: 'of 1' },
    });
    expect(rows[1]).to.have.property('broken', '{broken');
    expect(rows[2]!.emotion).to.deep.equal({ error: 'it is no object' });
    expect(rows[3]!.emotion).to.include({ label: 'sad' });
  });

  it('says what is wrong with a file, and shows what is in it', async () => {
    const { jobs } = await start(folder(), { chunkRows: 1000 });
    const path = await file('id,a,b\n1,x,y\n2,z\n');
    await expectFailure(jobs.start({ source: { file: path } }), 'batch.unreadable', /which column.*id, a, b/); // prettier-ignore
    await expectFailure(jobs.start({ source: { file: path }, column: 'c' }), 'batch.unreadable', /no column "c"/); // prettier-ignore
    await expectFailure(jobs.start({ source: { file: `${path}.no` } }), 'batch.unreadable');
    await expectFailure(jobs.start({ source: { content: '' } }), 'batch.unreadable', /no header/);
    expect(await jobs.preview(path)).to.deep.include({
      columns: ['id', 'a', 'b'],
      rows: [['1', 'x', 'y'], ['2', 'z']],
    }); // prettier-ignore
    expect(jobs.list()).to.deep.equal([]);

    const wrong = await file(Buffer.concat([Buffer.alloc(300_000, 'text\n'), Buffer.of(0xff)]));
    const { job } = await jobs.start({ source: { file: wrong } });
    const view = await ended(jobs, job);
    expect(view.state).to.equal('failed');
    expect(view.error).to.have.property('code', 'batch.unreadable');
    expect(view.error?.message).to.match(/not in utf-8/);
    expect(() => jobs.get('none')).to.throw(/no batch job/);
  });

  it('reads no further than it is answered, writes in order, and tells speed and time left', async () => {
    const waiting: Chunk[] = [];
    const { jobs, views } = await start(folder(), { send: (chunk) => waiting.push(chunk), inFlight: 3 }); // prettier-ignore
    const path = await file(`text\n${Array.from({ length: 3000 }, (_unused, index) => `好 ${index}`).join('\n')}`); // prettier-ignore
    const { job } = await jobs.start({ source: { file: path } });
    await until(() => waiting.length === 3, 'three chunks');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(waiting).to.have.length(3);
    // The last first: it waits for the others.
    for (;;) {
      const some = waiting.splice(0).reverse();
      for (const { row, texts } of some) jobs.answer(job, row, texts.map(resultOf));
      if (jobs.get(job).ended !== undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const rows = await read(jobs.get(job).result);
    expect(rows.map(({ text }) => text)).to.deep.equal(Array.from({ length: 3000 }, (_unused, index) => `好 ${index}`)); // prettier-ignore
    const moving = views.filter(({ rows: done }) => done > 1000 && done < 2900);
    expect(moving.every(({ rowsPerSecond, etaSeconds }) => rowsPerSecond > 0 && etaSeconds !== undefined)).to.equal(true); // prettier-ignore
    const shares = views.map(({ progress }) => progress);
    expect(shares).to.deep.equal([...shares].sort((a, b) => a - b));
  });

  it('tells how far it is in a file that was read at once, in every format', async () => {
    const lines = Array.from({ length: 60 }, (_, index) => `${100 + index},好好好`);
    const objects = lines.map((line) => JSON.stringify({ text: line }));
    const files = [
      await file(`\ufeffid,text\n${lines.join('\n')}\n`),
      await file(inGb18030(`id,text\n${lines.join('\n')}\n`)),
      await file(objects.join('\n'), 'comments.jsonl'),
    ];
    for (const path of files) {
      const { jobs, views } = await start(folder());
      const { job } = await jobs.start({ source: { file: path }, column: 'text' });
      await ended(jobs, job);
      const during = views.filter(({ rows }) => rows > 0 && rows < 60);
      expect(during.length, path).to.be.above(0);
      for (const { rows, progress } of during) {
        expect(progress, `${rows} rows of ${path}`).to.be.closeTo(rows / 60, 0.03);
      }
    }
  });

  it('asks again for what is not answered, then writes the row without', async () => {
    const asked: number[] = [];
    const { jobs } = await start(folder(), {
      answerMs: 30,
      send: ({ job, row, texts }) => {
        asked.push(row);
        if (row === 0) return;
        if (row === 3) jobs.answer(job, row, { error: 'model not ready' });
        else if (row > 6 || asked.filter((one) => one === 6).length === 2) jobs.answer(job, row, texts.map(resultOf)); // prettier-ignore
      },
    });
    const { job } = await jobs.start({ source: { content: `text\n${'好\n'.repeat(10)}` } });
    const view = await ended(jobs, job);
    expect(view).to.include({ state: 'done', rows: 10, failed: 6 });
    expect(asked.filter((row) => row === 0)).to.have.length(2);
    const rows = await read(view.result);
    expect(rows.map(({ emotion_error: error, emotion }) => error || emotion)).to.deep.equal([
      ...new Array<string>(3).fill('no answer came'),
      ...new Array<string>(3).fill('model not ready'),
      ...new Array<string>(4).fill('happy'),
    ]);
    expect(() => jobs.answer(job, 0, [])).not.to.throw();
  });

  it('does not take results for another number of texts', async () => {
    const waiting: Chunk[] = [];
    const { jobs } = await start(folder(), { send: (chunk) => waiting.push(chunk) });
    const { job } = await jobs.start({ source: { content: 'text\n好\n坏\n' } });
    await until(() => waiting.length > 0, 'a chunk');
    expect(() => jobs.answer(job, 0, [resultOf('好')])).to.throw(/Expected 2 results/);
    expect(() => jobs.answer(job, 0, ['x', 'y'])).to.throw(/Expected 2 results/);
    jobs.answer(job, 0, [resultOf('好'), resultOf('坏')]);
    await ended(jobs, job);
  });

  it('runs one job after the other; cancels, resumes and removes', async () => {
    const waiting: Chunk[] = [];
    const path = folder();
    const { jobs } = await start(path, { send: (chunk) => waiting.push(chunk) });
    const content = `text\n${Array.from({ length: 20 }, (_unused, index) => `好${index}`).join('\n')}`;
    const first = await jobs.start({ source: { content } });
    const second = await jobs.start({ source: { content: 'text\n坏\n' } });
    await until(() => waiting.length === 2, 'the first chunks');
    jobs.answer(first.job, 0, waiting[0]!.texts.map(resultOf));
    await until(() => jobs.get(first.job).rows === 3, 'three rows');
    expect(await jobs.cancel(first.job)).to.deep.include({ state: 'cancelled', rows: 3 });
    await until(() => waiting.some(({ job }) => job === second.job), 'the second job');
    jobs.answer(second.job, 0, [resultOf('坏')]);
    expect((await ended(jobs, second.job)).state).to.equal('done');

    waiting.splice(0);
    await jobs.again(first.job);
    await until(() => waiting.length > 0, 'the first job again');
    expect(waiting[0]).to.deep.include({ row: 3, texts: ['好3', '好4', '好5'] });
    while (jobs.get(first.job).state !== 'done') {
      for (const { job, row, texts } of waiting.splice(0))
        jobs.answer(job, row, texts.map(resultOf));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await read(jobs.get(first.job).result)).map(({ text }) => text)).to.deep.equal(content.split('\n').slice(1)); // prettier-ignore
    await jobs.remove(first.job);
    await jobs.remove(second.job);
    expect(jobs.list()).to.deep.equal([]);
    expect(await readdir(path)).to.deep.equal([]);
  });

  it('fails when it cannot write, asks nothing more, and goes on when it can', async () => {
    const waiting: Chunk[] = [];
    const path = folder();
    const { jobs } = await start(path, { send: (chunk) => waiting.push(chunk), answerMs: 50 });
    const { job } = await jobs.start({ source: { content: `text\n${'好\n'.repeat(12)}` } });
    await until(() => waiting.length >= 2, 'two chunks');
    // Where the next checkpoint is to be written.
    await mkdir(join(path, job, 'checkpoint.json.part'));
    jobs.answer(job, 0, waiting[0]!.texts.map(resultOf));
    const view = await ended(jobs, job);
    expect(view.error).to.have.property('code', 'batch.disk');
    const asked = waiting.length;
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(waiting).to.have.length(asked);

    await rmdir(join(path, job, 'checkpoint.json.part'));
    waiting.splice(0);
    await jobs.again(job);
    await until(() => {
      for (const { row, texts } of waiting.splice(0)) jobs.answer(job, row, texts.map(resultOf));
      return jobs.get(job).state === 'done';
    }, 'the end');
    expect(await read(jobs.get(job).result)).to.have.length(12);
  });

  it('does not go on with a file that has changed', async () => {
    const path = folder();
    const source = await file('text\n好\n坏\n好\n坏\n');
    const first = await start(path, { send: () => undefined });
    const { job } = await first.jobs.start({ source: { file: source } });
    await first.jobs.close();
    await writeFile(source, 'text\nanother\n');
    const { jobs } = await start(path);
    expect((await ended(jobs, job)).error?.message).to.match(/has changed/);
  });

  it('has every row once after its process was killed again and again', async function () {
    this.timeout(120_000);
    const path = folder();
    const texts = Array.from({ length: 1500 }, (_unused, index) => `第 ${index} 行,\n"好"`);
    const source = await file(`id,text\n${texts.map((text, index) => `${index},"${text.replaceAll('"', '""')}"`).join('\n')}\n`); // prettier-ignore
    const asked = new Map<string, number>();
    let done = false;
    let kills = 0;
    for (let life = 0; !done && life < 30; life += 1) {
      const child = spawn(
        process.execPath,
        [join(__dirname, 'batch-answerer.js'), path, ...(life === 0 ? [source] : [])],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const exit = once(child, 'exit');
      let lines = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        const [what, ...rest] = line.trimEnd().split(' ');
        if (what === 'asked') for (const number of rest) asked.set(number, 1 + (asked.get(number) ?? 0)); // prettier-ignore
        if (what === 'done') done = true;
        lines += 1;
        if (lines > 40 + 13 * life && !done) {
          kills += 1;
          child.kill('SIGKILL');
          break;
        }
        if (done) child.kill();
      }
      await exit;
    }
    expect(done).to.equal(true);
    expect(kills).to.be.above(2);
    const { jobs } = await start(path);
    const view = await ended(jobs, jobs.list()[0]!.job);
    expect(view).to.include({ state: 'done', rows: texts.length });
    const rows = await read(view.result);
    expect(rows.map(({ id }) => id)).to.deep.equal(texts.map((_text, index) => String(index)));
    expect(rows.every(({ text, id }) => text === texts[Number(id)])).to.equal(true);
    // Only what was on its way when the process was killed is asked for twice.
    const twice = [...asked.values()].filter((times) => times > 1).length;
    expect(twice).to.be.at.most(kills * 40);
  });

  it('does 100,000 rows in little memory', async function () {
    this.timeout(120_000);
    const path = join(scratch, 'large.csv');
    const out = createWriteStream(path);
    out.write('id,text\n');
    for (let at = 0; at < 100_000; at += 1000) {
      const lines = Array.from({ length: 1000 }, (_unused, index) => `${at + index},"${'好'.repeat(80)}\n${at + index}"\n`); // prettier-ignore
      if (!out.write(lines.join(''))) await once(out, 'drain');
    }
    out.end();
    await once(out, 'finish');

    let most = 0;
    let changes = 0;
    const before = heldMemory();
    const { jobs } = await start(folder(), {
      chunkRows: 200,
      inFlight: 4,
      onChange: () => {
        if (changes++ % 20 === 0) most = Math.max(most, heldMemory() - before);
      },
    });
    const { job } = await jobs.start({ source: { file: path } });
    await until(() => jobs.get(job).ended !== undefined, 'the end', 100_000);
    expect(jobs.get(job)).to.include({ state: 'done', rows: 100_000, failed: 0 });
    // The file has 25 MB, as strings and objects several times that.
    expect(changes).to.be.above(100);
    expect(most).to.be.below(45e6);
    let lines = 0;
    for await (const line of createInterface({ input: (await import('node:fs')).createReadStream(jobs.get(job).result ?? '') })) if (line !== '') lines += 1; // prettier-ignore
    expect(lines).to.equal(200_001);
  });
});
