import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { checksum, crc32InTable } from '../../lib/opinion/checksum';
import { Journal, type JournalFile, type JournalOptions } from '../../lib/opinion/journal';
import { expectFailure, scratchFolder } from '../media/fixtures';

const keysOf = (journal: Journal) => journal.records().map(({ key }) => key);
const item = (key: string, value: unknown = { text: `text of ${key}` }) => ({ key, value });

async function opened(folder: string, options: Partial<JournalOptions> = {}): Promise<Journal> {
  const { journal, damage } = await Journal.open({ folder, ...options });
  expect(damage).to.deep.equal([]);
  return journal;
}

async function logs(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
  return names.map((name) => join(folder, name));
}

describe('Journal', () => {
  const scratch = scratchFolder();
  let count = 0;
  const folder = () => join(scratch, `journal-${(count += 1)}`);

  it('keeps what was appended, in its order, over restarts, until it is removed', async () => {
    const path = folder();
    let journal = await opened(path);
    await journal.append([item('a'), item('b', '行\n\t"二"')]);
    await journal.append([item('c', [1, null, { x: 0.5 }])]);
    expect(await journal.read(journal.records())).to.deep.equal([
      { text: 'text of a' },
      '行\n\t"二"',
      [1, null, { x: 0.5 }],
    ]);
    journal.remove(['b', 'unknown']);
    await journal.close();

    journal = await opened(path, { cacheBytes: 0 });
    await journal.append([item('d')]);
    expect(keysOf(journal)).to.deep.equal(['a', 'c', 'd']);
    expect(await journal.read(journal.records())).to.deep.equal([
      { text: 'text of a' },
      [1, null, { x: 0.5 }],
      { text: 'text of d' },
    ]);
    await journal.close();
  });

  it('stores a key once while it is pending, and again when it was removed', async () => {
    const journal = await opened(folder());
    const [first, second] = await Promise.all([
      journal.append([item('a', 1), item('a', 2)]),
      journal.append([item('a', 3)]),
    ]);
    expect([first.length, second.length]).to.deep.equal([1, 0]);
    journal.remove(['a']);
    expect(await journal.append([item('a', 4)])).to.have.length(1);
    expect(await journal.read(journal.records())).to.deep.equal([4]);
    await journal.close();
  });

  it('writes what is appended at the same time with one flush', async () => {
    let flushes = 0;
    const journal = await opened(folder(), {
      openFile: async (path, flags) => {
        const file = await open(path, flags);
        const datasync = file.datasync.bind(file);
        file.datasync = () => {
          flushes += 1;
          return datasync();
        };
        return file;
      },
    });
    await Promise.all(Array.from({ length: 500 }, (_unused, index) => journal.append([item(`k${index}`)]))); // prettier-ignore
    expect(flushes).to.equal(1);
    await journal.close();
  });

  it('drops a record that was cut off, wherever it was cut', async () => {
    const path = folder();
    const journal = await opened(path);
    await journal.append([item('a'), item('b')]);
    const [file = ''] = await logs(path);
    const whole = (await stat(file)).size;
    await journal.append([item('c', { text: '最后一条' })]);
    await journal.close();
    const content = await readFile(file);
    for (let length = whole; length < content.length; length += 1) {
      const again = folder();
      const other = await opened(again);
      await other.close();
      await writeFile(join(again, '0000000001.log'), content.subarray(0, length));
      const cut = await opened(again);
      expect(keysOf(cut), `${length} bytes`).to.deep.equal(['a', 'b']);
      await cut.append([item('c')]);
      await cut.close();
    }
  });

  it('tells of damage before a whole record, keeps a copy of the file and everything else in it', async () => {
    const path = folder();
    const journal = await opened(path);
    for (const key of ['a', 'b', 'c']) await journal.append([item(key)]);
    await journal.close();
    const [file = ''] = await logs(path);
    const content = await readFile(file);
    const at = content.indexOf('text of b');
    content[at] = 88;
    await writeFile(file, content);

    const { journal: found, damage } = await Journal.open({ folder: path });
    expect(keysOf(found)).to.deep.equal(['a', 'c']);
    expect(damage).to.have.length(1);
    expect(damage[0]!.offset).to.be.below(at);
    expect(damage[0]!.offset + damage[0]!.bytes).to.be.above(at);
    expect(await readFile(damage[0]!.file)).to.deep.equal(content);
    await found.close();
  });

  it('loses nothing that it confirmed when its process is killed while it writes', async function () {
    this.timeout(120_000);
    const path = folder();
    const stored = new Set<string>();
    const removed = new Set<string>();
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(
        process.execPath,
        [join(__dirname, 'journal-writer.js'), path, String(1 + round * 5), `r${round}-`],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const exit = once(child, 'exit');
      let lines = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        const [what, ...keys] = line.split(' ');
        for (const key of keys) (what === 'stored' ? stored : removed).add(key);
        lines += 1;
        if (lines === 20 + round * 7) child.kill('SIGKILL');
      }
      await exit;
      const journal = await opened(path);
      const keys = new Set(keysOf(journal));
      const lost = [...stored].filter((key) => !keys.has(key) && !removed.has(key));
      expect(lost).to.deep.equal([]);
      const values = await journal.read(journal.records());
      expect(values.every((value) => typeof (value as { text: string }).text === 'string')).to.equal(true); // prettier-ignore
      await journal.close();
    }
    expect(stored.size).to.be.above(500);
  });

  it('fails an append that the disk refuses, stores it in no part, and goes on when there is room', async () => {
    const path = folder();
    let room = 900;
    const openFile = async (name: string, flags: string): Promise<JournalFile> => {
      const file = await open(name, flags);
      return {
        read: (...args) => file.read(...args),
        datasync: () => file.datasync(),
        truncate: (length) => file.truncate(length),
        close: () => file.close(),
        write: async (buffer, offset, length, position) => {
          if (room === 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
          const part = Math.min(length, room, 100);
          room -= part;
          return file.write(buffer, offset, part, position);
        },
      };
    };
    const journal = await opened(path, { openFile });
    const stored: string[] = [];
    let refused = 0;
    for (let index = 0; index < 40; index += 1) {
      if (index === 30) room = Infinity;
      try {
        await journal.append([item(`k${index}`), item(`l${index}`)]);
        stored.push(`k${index}`, `l${index}`);
      } catch (error) {
        expect(error).to.include({ code: 'buffer.disk' });
        expect(String(error)).to.match(/no space is left/);
        refused += 1;
      }
    }
    expect(refused).to.be.within(10, 29);
    expect(keysOf(journal)).to.deep.equal(stored);
    expect(await logs(path)).to.have.length.below(5);
    await journal.close();
    const again = await opened(path);
    expect(keysOf(again)).to.deep.equal(stored);
    await again.close();
  });

  it('fails on a limit of the operating system as on a full disk', async function () {
    this.timeout(120_000);
    const path = folder();
    const writer = join(__dirname, 'journal-writer.js');
    // Files of 2 KiB at most, less than a segment.
    const child = spawn('bash', ['-c', `ulimit -f 2; exec "${process.execPath}" "${writer}" "${path}" 2`]); // prettier-ignore
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) lines.push(line);
    expect(lines.at(-1)).to.equal('failed buffer.disk');
    const stored = lines.flatMap((line) => (line.startsWith('stored ') ? line.split(' ').slice(1) : [])); // prettier-ignore
    const removed = lines.flatMap((line) => (line.startsWith('removed ') ? line.split(' ').slice(1) : [])); // prettier-ignore
    const journal = await opened(path);
    expect(keysOf(journal)).to.include.members(stored.filter((key) => !removed.includes(key)));
    await journal.close();
  });

  it('refuses what goes over its limits, and what is no JSON', async () => {
    const journal = await opened(folder(), { maxRecords: 3, maxBytes: 200 });
    await journal.append([item('a', 'x'.repeat(100))]);
    await expectFailure(journal.append([item('b', 'x'.repeat(100))]), 'buffer.full', /MB/);
    await journal.append([item('b'), item('c')]);
    await expectFailure(journal.append([item('d')]), 'buffer.full', /3 records are pending/);
    expect(await journal.append([item('a')])).to.have.length(0);
    await expectFailure(journal.append([item('e', () => 1)]), 'input.wrong-type');
    const circle: { self?: object } = {};
    circle.self = circle;
    await expectFailure(journal.append([item('e', circle)]), 'input.wrong-type', /"e"/);
    journal.remove(['a']);
    await journal.append([item('d')]);
    await journal.close();
    await expectFailure(journal.append([item('z')]), 'queue.closed');
  });

  it('takes no more disk than about twice what is pending, although the oldest record stays', async () => {
    const path = folder();
    const segmentBytes = 16 * 1024;
    const journal = await opened(path, { segmentBytes, cacheBytes: 0 });
    await journal.append([item('stays', { text: 'x'.repeat(500) })]);
    for (let round = 0; round < 200; round += 1) {
      const items = Array.from({ length: 20 }, (_unused, index) => item(`k${round}-${index}`, 'y'.repeat(200))); // prettier-ignore
      await journal.append(items);
      journal.remove(items.map(({ key }) => key));
    }
    await journal.flush();
    expect(journal.fileBytes).to.be.below(5 * segmentBytes);
    const sizes = await Promise.all(
      (await logs(path)).map(async (file) => (await stat(file)).size),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).to.be.below(5 * segmentBytes);
    expect(await journal.read(journal.records())).to.deep.equal([{ text: 'x'.repeat(500) }]);
    await journal.close();
    const again = await opened(path, { segmentBytes });
    expect(await again.read(again.records())).to.deep.equal([{ text: 'x'.repeat(500) }]);
    await again.close();
  });

  it('brings nothing back that was removed, whatever was copied and deleted meanwhile', async () => {
    const path = folder();
    const expected = new Map<string, number>();
    let seed = 7;
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let life = 0; life < 8; life += 1) {
      const journal = await opened(path, { segmentBytes: 2000, cacheBytes: 500 });
      expect(Object.fromEntries(expected)).to.deep.equal(
        Object.fromEntries(
          (await journal.read(journal.records())).map((value, index) => [keysOf(journal)[index], value]), // prettier-ignore
        ),
      );
      for (let step = 0; step < 60; step += 1) {
        const key = `k${random(40)}`;
        if (expected.has(key) && random(5) > 0) {
          journal.remove([key]);
          expected.delete(key);
        } else if (!expected.has(key)) {
          const value = random(1_000_000);
          await journal.append([item(key, value)]);
          expected.set(key, value);
        }
      }
      await journal.close();
    }
  });

  it('reads what it should while files are copied and deleted', async () => {
    const journal = await opened(folder(), { segmentBytes: 3000, cacheBytes: 0 });
    await journal.append(Array.from({ length: 20 }, (_unused, index) => item(`stays${index}`, `value ${index}`))); // prettier-ignore
    const kept = journal.records();
    const wanted = kept.map((_record, index) => `value ${index}`);
    let writing = true;
    const reading = (async () => {
      let times = 0;
      for (; writing; times += 1) expect(await journal.read(kept)).to.deep.equal(wanted);
      return times;
    })();
    for (let round = 0; round < 150; round += 1) {
      await journal.append([item(`k${round}`, 'y'.repeat(400))]);
      journal.remove([`k${round}`]);
    }
    await journal.flush();
    writing = false;
    expect(await reading).to.be.above(10);
    expect(journal.fileBytes).to.be.below(20_000);
    // One that is removed in the middle of being read is of no interest, and no error.
    const last = journal.read(kept);
    journal.remove(kept.map(({ key }) => key));
    await journal.append([item('after', 'z'.repeat(4000))]);
    await journal.append([item('last')]);
    expect(await last).to.have.length(20);
    await journal.close();
  });

  it('says where it cannot be', async () => {
    const path = folder();
    await (await opened(path)).close();
    const [file = ''] = await logs(path);
    await truncate(file);
    await expectFailure(Journal.open({ folder: join(file, 'below') }), 'buffer.disk', /below/);
  });
});

describe('checksum', () => {
  it('is the CRC-32 of gzip, with and without the host', () => {
    // The check value of CRC-32/ISO-HDLC in the catalogue of CRC algorithms.
    expect(checksum(Buffer.from('123456789'))).to.equal('cbf43926');
    expect(crc32InTable(Buffer.from('123456789'))).to.equal(0xcbf43926);
  });
});
