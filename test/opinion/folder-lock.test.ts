import { existsSync } from 'node:fs';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { lockFolder } from '../../lib/opinion/folder-lock';
import { expectFailure, scratchFolder } from '../media/fixtures';

describe('lockFolder', () => {
  const scratch = scratchFolder();
  const hold = async (name: string, holder: object): Promise<string> => {
    const folder = join(scratch, name);
    await mkdir(folder);
    await writeFile(join(folder, 'lock'), JSON.stringify(holder));
    return folder;
  };

  it('lets one in at a time, and the next when that one has left', async () => {
    const folder = join(scratch, 'shared');
    const lock = await lockFolder(folder);
    await expectFailure(lockFolder(folder), 'buffer.in-use', /shared is in use/);
    const waiting = lockFolder(folder, 20_000).catch(() => undefined);
    await lock.release();
    await (await waiting)?.release();
    await (await lockFolder(folder)).release();
    expect(existsSync(join(folder, 'lock'))).to.equal(false);
  });

  it('takes over at once from a process of this machine that is gone', async () => {
    // No process has this id: Linux has at most 2^22.
    const folder = await hold('gone', { host: hostname(), pid: 2 ** 22 + 1, token: 'x' });
    await (await lockFolder(folder)).release();
  });

  it('takes over from before in a container, where the new process has the id of the old', async () => {
    const folder = await hold('container', { host: hostname(), pid: process.pid, token: 'x' });
    await (await lockFolder(folder)).release();
  });

  it('keeps away from a process that lives, here or on another machine that was heard of', async () => {
    const here = await hold('here', { host: hostname(), pid: process.ppid, token: 'x' });
    await expectFailure(lockFolder(here), 'buffer.in-use');
    const there = await hold('there', { host: 'another', pid: 1, token: 'x' });
    await expectFailure(lockFolder(there), 'buffer.in-use');
    const long = new Date(Date.now() - 60_000);
    await utimes(join(there, 'lock'), long, long);
    await (await lockFolder(there)).release();
  });
});
