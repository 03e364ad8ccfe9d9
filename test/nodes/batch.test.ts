import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import type { JobView } from '../../lib/opinion/batch-jobs';
import { until } from '../media/fixtures';
import { resultOf } from '../opinion/rows';
import { Flow, type FlowNodeDefinition } from './harness';

interface ChunkMessage extends NodeMessage {
  readonly payload: string[];
  readonly batch: { readonly job: string; readonly row: number };
}

const batch: FlowNodeDefinition = {
  id: 'batch',
  type: 'emotion-batch',
  chunkRows: 2,
  inFlight: 2,
  wires: [['out'], ['aside']],
};
const CONTENT = 'id,text\n1,好\n2,坏\n3,好\n';

describe('emotion-batch', () => {
  let flow: Flow;
  let userDir: string;
  let chunks: ChunkMessage[];
  let told: (NodeMessage & { payload: JobView; filename?: string })[];
  beforeEach(async () => {
    userDir = await mkdtemp(join(tmpdir(), 'emotion-batch-'));
  });
  afterEach(async () => {
    await flow.stop();
    await rm(userDir, { recursive: true, force: true });
  });

  const start = async (settings: object = {}) => {
    flow = await Flow.start([{ ...batch, ...settings }], { userDir }, 'en-US', ['batch']);
    listen();
  };
  const listen = () => {
    chunks = flow.messages('out') as ChunkMessage[];
    told = flow.messages('aside') as typeof told;
  };
  const give = (message: object) => flow.give('batch', { _msgid: 'x', ...message });
  const last = () => told.at(-1)?.payload;
  const answerAll = () => {
    for (const chunk of chunks.splice(0)) give({ ...chunk, payload: chunk.payload.map(resultOf) });
  };
  const done = async () => {
    await until(() => {
      answerAll();
      return last()?.state === 'done';
    }, 'the end'); // prettier-ignore
  };

  it('analyses what a message brings, and names the finished file', async () => {
    await start();
    const statuses = flow.statuses('batch');
    give({ action: 'start', payload: { content: Buffer.from(CONTENT), name: 'a.csv' } });
    await until(() => chunks.length === 2, 'two chunks');
    expect(chunks[0]).to.deep.include({ payload: ['好', '坏'] });
    expect(chunks[0]!.batch.row).to.equal(0);
    await done();
    expect(last()).to.deep.include({ name: 'a.csv', rows: 3, failed: 0, progress: 1 });
    const { filename = '' } = told.at(-1)!;
    expect(filename).to.match(/a\.emotions\.csv$/);
    expect(await readFile(filename, 'utf8')).to.match(/^\ufeffid,text,emotion,.*\r\n1,好,happy,/);
    await until(() => statuses.includes('batch done'), 'the status');
  });

  it('answers what a person asks of jobs', async () => {
    await writeFile(join(userDir, 'c.csv'), CONTENT);
    await start({ folders: userDir });
    const ask = async (message: object) =>
      (await flow.node('batch', message as NodeMessage)).payload;
    expect(await ask({ action: 'preview', payload: { file: 'c.csv' } })).to.deep.include({
      columns: ['id', 'text'],
      column: 'text',
    });
    expect(await ask({ action: 'list' })).to.deep.equal([]);
    give({ action: 'start', payload: { file: 'c.csv' } });
    await until(() => chunks.length === 2, 'chunks');
    const { job } = chunks[0]!.batch;
    give({ action: 'cancel', job });
    await until(() => last()?.state === 'cancelled', 'cancelled');
    chunks.splice(0);
    give({ action: 'resume', payload: { job } });
    await until(() => chunks.length === 2, 'chunks again');
    await done();
    expect(await ask({ action: 'status', job })).to.deep.include({ state: 'done', rows: 3 });
    expect(await ask({ action: 'remove', job })).to.deep.equal({ job, state: 'removed' });
    expect(await ask({ action: 'list' })).to.deep.equal([]);
  });

  it('writes why a row has no answer when a catch node says so', async () => {
    await start();
    give({ action: 'start', payload: { content: CONTENT } });
    await until(() => chunks.length === 2, 'chunks');
    const [first, second] = chunks.splice(0) as [ChunkMessage, ChunkMessage];
    give({ ...first, error: { message: 'the model is away', source: { id: 'infer' } } });
    give({ ...second, payload: [resultOf('好')] });
    await until(() => last()?.state === 'done', 'the end');
    expect(last()).to.include({ rows: 3, failed: 2 });
    expect(await readFile(told.at(-1)!.filename!, 'utf8')).to.match(/1,好,,,,,the model is away,/);
  });

  it('goes on after a deployment', async () => {
    await start();
    give({ action: 'start', payload: { content: CONTENT } });
    await until(() => chunks.length === 2, 'chunks');
    const [first] = chunks.splice(0);
    give({ ...first, payload: first!.payload.map(resultOf) });
    await until(() => last()?.rows === 2, 'two rows');
    await flow.deploy([{ ...batch, chunkRows: 1 }]);
    listen();
    await until(() => chunks.length > 0, 'the rest');
    expect(chunks[0]!.payload).to.deep.equal(['好']);
    expect(chunks[0]!.batch.row).to.equal(2);
    await done();
    expect(last()).to.include({ rows: 3 });
  });

  it('fails by name what it cannot do', async () => {
    await start();
    const caught = flow.caught();
    const cases: [object, string][] = [
      [{ payload: 'texts without an action' }, 'input.wrong-type'],
      [{ action: 'start', payload: { file: '/etc/passwd' } }, 'media.refused'],
      [{ action: 'start', payload: {} }, 'input.wrong-type'],
      [{ action: 'start', payload: { content: 'a,b\n1,2\n' } }, 'batch.unreadable'],
      [{ action: 'start', payload: { content: 'a', encoding: 'latin1' } }, 'input.wrong-type'],
      [{ action: 'status', job: 'none' }, 'batch.unknown'],
      [{ action: 'cancel' }, 'input.wrong-type'],
      [{ batch: { job: 'none', row: 0 }, payload: [] }, 'batch.unknown'],
    ];
    for (const [index, [message, code]] of cases.entries()) {
      give(message);
      await until(() => caught.length > index, code);
      expect(caught[index]!.error.code, JSON.stringify(message)).to.equal(code);
    }
  });
});
