import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { GroupLog } from '../../lib/opinion/group-log';
import { NearDuplicates } from '../../lib/opinion/near-duplicate';
import { scratchFolder } from '../media/fixtures';

const fail = (error: unknown): never => {
  throw error;
};
const textOf = (index: number) =>
  Array.from({ length: 8 }, (_, at) => `word${index}of${at}`).join(' ');

describe('GroupLog', () => {
  const scratch = scratchFolder();
  let count = 0;
  const path = () => join(scratch, `${(count += 1)}`, 'groups.jsonl');

  /** Feeds posts message by message and closes the log; how long its file was at most. */
  async function feed(file: string, posts: readonly number[], compactBytes?: number) {
    const { log, state } = await GroupLog.open(file, {
      onError: fail,
      ...(compactBytes !== undefined && { compactBytes }),
    });
    const duplicates = new NearDuplicates({}, state);
    let longest = 0;
    for (const index of posts) {
      duplicates.add({ id: `post ${index}`, text: textOf(index % 100), time: index });
      log.append(duplicates.takeChanges(), () => duplicates.toJSON());
      if (index % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      longest = Math.max(longest, (await readFile(file).catch(() => '')).length);
    }
    await log.close();
    return { duplicates, longest };
  }
  const range = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => from + index);

  it('gives back the groups as they were, however often the file was written whole', async () => {
    for (const compactBytes of [undefined, 3_000]) {
      const file = path();
      const { duplicates } = await feed(file, range(0, 300), compactBytes);
      const { state } = await GroupLog.open(file, { onError: fail });
      expect(state).to.deep.equal(JSON.parse(JSON.stringify(duplicates)));
      const more = (await feed(file, range(300, 400), compactBytes)).duplicates;
      expect(more.size).to.equal(100);
      expect(more.toJSON().groups.every(({ count: posts }) => posts === 4)).to.equal(true);
    }
  });

  it('keeps the file small while the same groups grow', async () => {
    const { longest } = await feed(path(), range(0, 2000), 20_000);
    const { longest: whole } = await feed(path(), range(0, 100));
    expect(longest).to.be.below(whole + 250_000);
  });

  it('passes over what is no line of it', async () => {
    const file = path();
    await feed(file, range(0, 10));
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      `${text.slice(0, -20)}\n[]\nnull\n{"g":7,"r":[null]}\n{"g":[{"id":"x"}]}`,
    );
    const { state } = await GroupLog.open(file, { onError: fail });
    expect(state!.groups.map(({ id }) => id)).to.deep.equal(range(0, 9).map((index) => `post ${index}`)); // prettier-ignore
  });

  it('tells what cannot be written, and ends nothing', async () => {
    const file = path();
    await mkdir(file, { recursive: true });
    const told: unknown[] = [];
    const { log } = await GroupLog.open(file, { onError: (error) => told.push(error) });
    const duplicates = new NearDuplicates();
    duplicates.add({ id: 'a', text: textOf(1), time: 1 });
    log.append(duplicates.takeChanges(), () => duplicates.toJSON());
    await log.close();
    expect(told).not.to.deep.equal([]);
  });
});
