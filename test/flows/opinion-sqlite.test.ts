import { readdir, readFile, readlink, rename, rm, mkdtemp, writeFile } from 'node:fs/promises';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import vm from 'node:vm';
import { expect } from 'chai';
import Database from 'libsql';
import { packageRoot } from '../../lib/models/package-root';

interface FunctionNode {
  readonly name?: string;
  readonly initialize: string;
  readonly func: string;
  readonly finalize: string;
}
interface Query {
  readonly sql: string;
  readonly params?: readonly unknown[];
  readonly rows?: readonly (readonly unknown[])[];
}
interface Answer {
  readonly payload?: readonly unknown[];
  readonly error?: { readonly message: string };
}

const WRITE = { sql: 'INSERT INTO topics VALUES ($1, $1, $1, 1)' };
const NAMES = { sql: "SELECT id FROM topics WHERE id NOT LIKE 'rule-%' ORDER BY id" };

describe('the SQLite node of the public-opinion flow', () => {
  let code: FunctionNode;
  let folder: string;
  let file: string;
  /** What waits for its time. */
  let timers: Map<object, () => void>;
  before(async () => {
    const flow = path.join(packageRoot(), 'examples/flows/10-public-opinion.json');
    const nodes = JSON.parse(await readFile(flow, 'utf8')) as FunctionNode[];
    code = nodes.find(({ name }) => name === 'SQLite')!;
  });
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'emotion-sqlite-'));
    file = path.join(folder, 'opinion.sqlite');
    timers = new Map();
  });
  afterEach(async () => {
    timePasses();
    await rm(folder, { recursive: true, force: true });
  });

  const timePasses = () => {
    for (const [timer, act] of [...timers]) {
      timers.delete(timer);
      act();
    }
  };

  /** One life of the node, from a deploy to the next; each has its own globals, as in Node-RED. */
  function deploy() {
    const errors: string[] = [];
    const context = vm.createContext({
      Database,
      fs,
      os,
      path,
      timers: {
        setTimeout: (act: () => void) => {
          const timer = { unref: () => undefined };
          timers.set(timer, act);
          return timer;
        },
        clearTimeout: (timer: object) => timers.delete(timer),
      },
      env: { get: (name: string) => (name === 'OPINION_DATABASE' ? file : undefined) },
      node: {
        status: () => undefined,
        warn: (text: string) => errors.push(text),
        error: (text: string) => errors.push(text),
      },
    });
    vm.runInContext(`(() => { ${code.initialize} })()`, context);
    return {
      errors,
      run: (...query: Query[]): Answer => {
        Object.assign(context, { msg: { query } });
        return vm.runInContext(`(() => { ${code.func} })()`, context) as Answer;
      },
      stop: () => void vm.runInContext(`(() => { ${code.finalize} })()`, context),
    };
  }

  const names = (answer: Answer) =>
    (answer.payload?.at(-1) as { id: string }[] | undefined)?.map(({ id }) => id);

  async function openFiles(): Promise<number> {
    const open = await readdir('/proc/self/fd');
    const targets = await Promise.all(
      open.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => '')),
    );
    return targets.filter((target) => target.startsWith(file)).length;
  }

  it('has the file open once however often it is deployed, and not when it is gone', async function () {
    if (process.platform !== 'linux') this.skip();
    let life = deploy();
    life.run({ ...WRITE, params: ['first'] });
    const before = await openFiles();
    expect(before).to.be.within(1, 4);
    for (let count = 0; count < 30; count += 1) {
      life.stop();
      life = deploy();
      life.run({ ...WRITE, params: [`deploy ${count}`] }, NAMES);
    }
    expect(await openFiles()).to.equal(before);

    const other = deploy();
    life.stop();
    timePasses();
    expect(names(other.run(NAMES))).to.have.length(31);
    other.stop();
    expect(fs.statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0).to.equal(0);
    timePasses();
    const again = deploy();
    expect(names(again.run(NAMES))).to.have.length(31);
    again.stop();
  });

  it('goes on with the file that is there when the one that it had was deleted or replaced', async () => {
    const life = deploy();
    life.run({ ...WRITE, params: ['old'] });
    for (const part of ['', '-wal', '-shm']) await rename(`${file}${part}`, `${file}.old${part}`);
    expect(names(life.run({ ...WRITE, params: ['new'] }, NAMES))).to.deep.equal(['new']);
    await Promise.all(['', '-wal', '-shm'].map((part) => rm(`${file}${part}`, { force: true })));
    for (const part of ['', '-wal', '-shm']) await rename(`${file}.old${part}`, `${file}${part}`);
    expect(names(life.run(NAMES))).to.deep.equal(['old']);
    expect(life.errors).to.deep.equal([]);
    life.stop();
  });

  it('keeps nothing of a failed transaction, and takes the next', () => {
    const life = deploy();
    const { error } = life.run({ ...WRITE, params: ['half'] }, { sql: 'SELECT * FROM nowhere' });
    expect(error!.message).to.match(/nowhere/);
    expect(names(life.run({ ...WRITE, params: ['whole'] }, NAMES))).to.deep.equal(['whole']);
    life.stop();
  });

  it('runs one statement for many rows, and tells what each of them gave', () => {
    const life = deploy();
    const each = {
      sql: `${WRITE.sql} ON CONFLICT DO NOTHING RETURNING id`,
      rows: [['a'], ['b'], ['a']],
    };
    const { payload } = life.run(each, NAMES);
    expect(payload).to.deep.equal([
      [{ id: 'a' }, { id: 'b' }],
      [{ id: 'a' }, { id: 'b' }],
    ]);
    const { error } = life.run({ ...each, rows: [['c'], [null]] });
    expect(error!.message).to.match(/NOT NULL/);
    expect(names(life.run(NAMES)), 'all or none').to.deep.equal(['a', 'b']);
    life.stop();
  });

  it('says that a file is no database, and opens it when it is one again', async () => {
    await writeFile(file, 'this is a text of some length and no database at all'.repeat(50));
    const life = deploy();
    expect(life.errors[0]).to.match(/not a database/);
    expect(life.run(NAMES).error!.message).to.match(/not a database/);
    await rm(file);
    expect(names(life.run({ ...WRITE, params: ['well'] }, NAMES))).to.deep.equal(['well']);
    life.stop();
  });

  it('waits for no other program for long, and works again when that is done', () => {
    const life = deploy();
    const other = new Database(file);
    other.exec('BEGIN IMMEDIATE');
    expect(life.run({ ...WRITE, params: ['locked out'] }).error!.message).to.match(/locked/);
    other.exec('ROLLBACK');
    other.close();
    expect(names(life.run({ ...WRITE, params: ['let in'] }, NAMES))).to.deep.equal(['let in']);
    life.stop();
  });
});
