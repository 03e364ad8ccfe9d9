// A process to be killed: runs the batch jobs of the folder in its first argument and answers each text
// with the number in it; starts a job for the file in its second argument, if there is one.
import type { Chunk } from '../../lib/opinion/batch-job';
import { BatchJobs } from '../../lib/opinion/batch-jobs';
import { resultOf } from './rows';

/** Fills the pipe to whoever reads, so that this process is never far ahead of what was read. */
const FILLING = ' '.repeat(8_000);

async function main(): Promise<void> {
  const [folder = '', file] = process.argv.slice(2);
  const jobs: BatchJobs = await BatchJobs.open({
    folder,
    chunkRows: 10,
    inFlight: 3,
    answerMs: 10_000,
    attempts: 3,
    send: ({ job, row, texts }: Chunk) => {
      const numbers = texts.map((text) => text.replace(/\D/g, '')).join(' ');
      process.stdout.write(`asked ${numbers}${FILLING}\n`);
      setTimeout(() => jobs.answer(job, row, texts.map(resultOf)), 1);
    },
    onChange: ({ state, rows }) => process.stdout.write(`${state} ${rows}\n`),
  });
  jobs.resume();
  if (file !== undefined) await jobs.start({ source: { file } });
}

void main();
