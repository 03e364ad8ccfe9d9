import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmotionError } from '../emotion/error';
import { checkedFile } from '../media/access';
import { BatchJobs, type JobRequest, type JobView, type JobsOptions } from '../opinion/batch-jobs';
import { lockFolder, type FolderLock } from '../opinion/folder-lock';
import { TABLE_ENCODINGS, TABLE_KINDS, type TableFormat } from '../opinion/table-reader';
import type { BufferNode, SendOutputs } from './buffered-input';
import { describeValue } from './describe';
import { fillTemplate, shortText, toFlowError } from './failure';
import { finishOnce } from './input';
import type { Catalogue, FlowMessage, NodeStatus } from './message';
import type { Property } from './property';
import { StatusLine } from './status-line';

export interface BatchInputOptions {
  readonly node: BufferNode;
  /** Where texts are written and results are read. */
  readonly property: Property;
  readonly catalogue: Catalogue;
  readonly jobs: Omit<JobsOptions, 'send' | 'onChange'>;
  /** Whose files a message may name; what it brings along is always taken. */
  readonly folders: readonly string[];
  readonly newId: () => string;
  /** Least time between two messages about the progress of a job. */
  readonly reportMs?: number;
}

/** What a chunk carries along the flow, so that its answers find back. */
interface BatchTag {
  readonly job: string;
  readonly row: number;
}

interface Open {
  readonly lock: FolderLock;
  readonly jobs: BatchJobs;
}

type Action = (jobs: BatchJobs, message: FlowMessage) => Promise<unknown>;

/**
 * The input contract of a node that analyses files. `msg.action` starts, cancels and asks for jobs and is
 * answered on the second output, where the progress of jobs appears as well; texts leave on the first,
 * and come back with their results and the same `msg.batch`, or from a Catch node with `msg.error`.
 */
export function acceptBatchInput(options: BatchInputOptions): StatusLine {
  const { node, property, catalogue } = options;
  const status = new StatusLine(node);
  let closed = false;

  const report = (error: Error): Error => {
    status.show({ fill: 'red', shape: 'ring', text: shortText(error, catalogue) });
    return error;
  };
  const tell = (thrown: unknown): void => node.error(report(toFlowError(thrown, catalogue)), {});

  const about = (view: JobView): FlowMessage => ({
    _msgid: options.newId(),
    payload: view,
    ...(view.result !== undefined && { filename: view.result }),
  });
  const reportMs = options.reportMs ?? 500;
  const reported = new Map<string, { readonly at: number; readonly state: string }>();
  const later = new Map<string, NodeJS.Timeout>();
  const onChange = (view: JobView): void => {
    status.show(describeJob(view, catalogue));
    clearTimeout(later.get(view.job));
    const last = reported.get(view.job);
    const wait = last?.state === view.state ? last.at + reportMs - performance.now() : 0;
    if (wait > 0) {
      later.set(
        view.job,
        setTimeout(() => onChange(view), wait),
      );
      return;
    }
    later.delete(view.job);
    if (view.ended === undefined)
      reported.set(view.job, { at: performance.now(), state: view.state }); // prettier-ignore
    else reported.delete(view.job);
    node.send([null, about(view)]);
  };

  const open = async (): Promise<Open> => {
    const lock = await lockFolder(options.jobs.folder, 5000);
    try {
      const jobs = await BatchJobs.open({
        ...options.jobs,
        onChange,
        send: ({ job, row, texts }) => {
          const message: FlowMessage = {
            _msgid: options.newId(),
            batch: { job, row } satisfies BatchTag,
          };
          property.write(message, texts).then(() => node.send([message, null]), tell);
        },
      });
      return { lock, jobs };
    } catch (error) {
      await lock.release();
      throw error;
    }
  };
  let opening: Promise<Open> | undefined;
  const ready = async (): Promise<BatchJobs> => {
    if (closed) throw new EmotionError('queue.closed', 'The node was stopped or deployed again');
    opening ??= open();
    try {
      return (await opening).jobs;
    } catch (error) {
      opening = undefined;
      throw error;
    }
  };
  ready().then((jobs) => jobs.resume(), tell);

  const actions: Readonly<Record<string, Action>> = {
    start: async (jobs, { payload }) => jobs.start(await requestOf(payload, options.folders)),
    preview: async (jobs, { payload }) => {
      const { source, ...wishes } = await requestOf(payload, options.folders);
      if ('file' in source) return jobs.preview(source.file, wishes);
      const folder = await mkdtemp(join(tmpdir(), 'emotion-preview-'));
      try {
        await writeFile(join(folder, 'beginning'), source.content);
        return await jobs.preview(join(folder, 'beginning'), wishes);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    cancel: (jobs, message) => jobs.cancel(jobOf(message)),
    resume: (jobs, message) => jobs.again(jobOf(message)),
    remove: async (jobs, message) => {
      const job = jobOf(message);
      await jobs.remove(job);
      return { job, state: 'removed' };
    },
    status: (jobs, message) => Promise.resolve(jobs.get(jobOf(message))),
    list: (jobs) => Promise.resolve(jobs.list()),
  };

  const answer = async (message: FlowMessage, { job, row }: BatchTag): Promise<void> => {
    const jobs = await ready();
    if (message.error !== undefined && message.error !== null) {
      const { message: why } = message.error as { readonly message?: unknown };
      jobs.answer(job, row, { error: typeof why === 'string' ? why.slice(0, 300) : 'failed' });
      return;
    }
    const results = await property.read(message);
    jobs.answer(job, row, Array.isArray(results) ? results : [results]);
  };

  const act = async (message: FlowMessage, send: SendOutputs): Promise<void> => {
    const name = message.action;
    if (typeof name === 'string' && Object.hasOwn(actions, name)) {
      const result = await actions[name]!(await ready(), message);
      message.payload = result;
      const { result: filename } = result as Partial<JobView>;
      if (typeof filename === 'string') message.filename = filename;
      send([null, message]);
      return;
    }
    const tag = tagOf(message.batch);
    if (tag) {
      await answer(message, tag);
      return;
    }
    const expected = Object.keys(actions).join(', ');
    throw new EmotionError(
      'input.wrong-type',
      `Expected ${expected} in msg.action, or a chunk that comes back with its msg.batch, got ${describeValue(name)}`,
      { expected, got: describeValue(name) },
    );
  };

  node.on('input', (message, send, done) => {
    const finish = finishOnce(node, done);
    act(message, send).then(
      () => finish(),
      (thrown: unknown) => finish(report(toFlowError(thrown, catalogue))),
    );
  });

  const close = async (): Promise<void> => {
    closed = true;
    for (const timer of later.values()) clearTimeout(timer);
    const opened = await opening?.catch(() => undefined);
    await opened?.jobs.close();
    await opened?.lock.release();
  };
  node.on('close', (_removed, done) => {
    status.close();
    close()
      .catch((error: unknown) => node.error(error))
      .finally(done);
  });

  return status;
}

async function requestOf(payload: unknown, folders: readonly string[]): Promise<JobRequest> {
  const given = typeof payload === 'string' ? { file: payload } : payload;
  if (typeof given !== 'object' || given === null || given instanceof Uint8Array) throw needsFile();
  const { file, content, name, column, ...format } = given as Readonly<Record<string, unknown>>;
  const wishes = {
    ...formatOf(format),
    ...(typeof name === 'string' && name !== '' && { name }),
    ...(typeof column === 'string' && column !== '' && { column }),
  };
  if (typeof content === 'string' || content instanceof Uint8Array) {
    return { ...wishes, source: { content } };
  }
  if (typeof file !== 'string') throw needsFile();
  return { ...wishes, source: { file: await checkedFile(file, { folders, schemes: [] }) } };
}

function needsFile(): EmotionError {
  return new EmotionError(
    'input.wrong-type',
    'Expected msg.payload with file (a path), or with content (bytes or a string), and column',
    { expected: 'msg.payload.file', got: 'neither' },
  );
}

function formatOf(given: Readonly<Record<string, unknown>>): Partial<TableFormat> {
  const { kind, encoding, delimiter } = given;
  const knownKind = TABLE_KINDS.find((name) => name === kind);
  const wanted = typeof encoding === 'string' ? encoding.toLowerCase() : undefined;
  const named = wanted === 'gbk' || wanted === 'gb2312' ? 'gb18030' : wanted === 'utf8' ? 'utf-8' : wanted; // prettier-ignore
  const knownEncoding = TABLE_ENCODINGS.find((name) => name === named);
  if ((kind && !knownKind) || (encoding && !knownEncoding)) {
    const expected = `kind: ${TABLE_KINDS.join(', ')}; encoding: ${TABLE_ENCODINGS.join(', ')}`;
    throw new EmotionError('input.wrong-type', `Expected ${expected}`, { expected, got: String(kind ?? encoding) }); // prettier-ignore
  }
  return {
    ...(knownKind && { kind: knownKind }),
    ...(knownEncoding && { encoding: knownEncoding }),
    ...(typeof delimiter === 'string' && delimiter.length === 1 && { delimiter }),
  };
}

/** `msg.job`, or `job` of the payload. */
function jobOf({ job, payload }: FlowMessage): string {
  const inside = (payload as { readonly job?: unknown } | null | undefined)?.job;
  const named = job ?? inside;
  if (typeof named === 'string') return named;
  throw new EmotionError('input.wrong-type', 'Expected the id of a job in msg.job', {
    expected: 'msg.job',
    got: describeValue(named),
  });
}

function tagOf(batch: unknown): BatchTag | undefined {
  const { job, row } = (batch ?? {}) as Partial<BatchTag>;
  return typeof job === 'string' && typeof row === 'number' ? { job, row } : undefined;
}

function describeJob({ state, progress, error }: JobView, catalogue: Catalogue): NodeStatus {
  const values = { percent: Math.floor(100 * progress) };
  const key = state === 'failed' && error ? `short.${error.code}` : `status.batch.${state}`;
  const text = fillTemplate(catalogue(key) ?? state, values) ?? state;
  switch (state) {
    case 'running':
      return { fill: 'blue', shape: 'dot', text };
    case 'done':
      return { fill: 'green', shape: 'dot', text };
    case 'failed':
      return { fill: 'red', shape: 'dot', text };
    default:
      return { fill: 'grey', shape: 'ring', text };
  }
}

/** The folder of a node's jobs. */
export function jobsFolder(userDir: string, id: string): string {
  return join(userDir, 'emotion-batches', id.replace(/\W/g, '_'));
}
