// A process to be killed: appends to the journal of the folder in its first argument, in groups of the
// size in its second, removes some, and says which keys are on disk.
import { Journal } from '../../lib/opinion/journal';

async function main(): Promise<void> {
  const [folder = '', group = '3', prefix = 'k'] = process.argv.slice(2);
  const { journal } = await Journal.open({ folder, segmentBytes: 4096 });
  for (let number = 0; ; number += 1) {
    const items = Array.from({ length: Number(group) }, (_unused, index) => ({
      key: `${prefix}${number}-${index}`,
      value: { text: '帖子 '.repeat(1 + ((number * 7 + index) % 40)), number },
    }));
    try {
      await journal.append(items);
    } catch (error) {
      process.stdout.write(`failed ${(error as { code: string }).code}\n`);
      return;
    }
    process.stdout.write(`stored ${items.map(({ key }) => key).join(' ')}\n`);
    if (number % 3 === 0) {
      journal.remove([items[0]!.key]);
      process.stdout.write(`removed ${items[0]!.key}\n`);
    }
  }
}

void main();
