/** A session process that dies as soon as it is to run a row with the token id `POISON`. */
import { InferenceSession } from 'onnxruntime-node';
import { POISON } from './samples';

const create = InferenceSession.create.bind(InferenceSession) as (
  ...args: unknown[]
) => Promise<InferenceSession>;

Object.assign(InferenceSession, {
  async create(...args: unknown[]) {
    const session = await create(...args);
    const run = session.run.bind(session);
    session.run = (feeds, fetches) => {
      const ids = feeds['input_ids']!.data as BigInt64Array;
      if (ids.includes(POISON)) process.kill(process.pid, 'SIGKILL');
      return run(feeds, fetches as string[]);
    };
    return session;
  },
});

import('../../lib/engine/session-process.js').catch(() => process.exit(1));
