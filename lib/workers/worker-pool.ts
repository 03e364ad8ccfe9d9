import { Piscina } from 'piscina';
import { EmotionError } from '../emotion/error';
import { valueOf, type Answer } from './answer';

export interface WorkerPoolOptions {
  /** Compiled module whose exports are tasks made with `answering`. */
  readonly filename: string;
  /** Default 1: one thread keeps up with inference on the machines the suite is made for. */
  readonly threads?: number;
  /** A task that takes longer is stopped with its thread. Default 60,000. */
  readonly taskTimeoutMs?: number;
  /** Heap of one thread. Default 512. */
  readonly memoryMb?: number;
}

/**
 * Worker threads for plain JavaScript computing (text, spectrograms, face meshes), which may be
 * stopped at any time. ONNX Runtime does not belong here: a thread that ends in the middle of a
 * native run takes the process with it.
 *
 * Threads start with the first task. A thread that dies fails the tasks that it held with
 * `worker.failed`; the next task gets a new one.
 */
export class WorkerPool {
  readonly threads: number;
  readonly #options: Required<WorkerPoolOptions>;
  #piscina: Piscina | undefined;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = { threads: 1, taskTimeoutMs: 60_000, memoryMb: 512, ...options };
    this.threads = this.#options.threads;
  }

  /**
   * Runs the exported task `name` in a thread.
   *
   * @param transfer buffers that the caller gives away; never those of a message
   * @throws EmotionError as the task threw it; `worker.failed` when the thread died or took too
   * long; `engine.closed` after {@link close}
   */
  async run<T>(name: string, task: unknown, transfer: readonly ArrayBuffer[] = []): Promise<T> {
    if (this.#closed) throw closedError();
    const { taskTimeoutMs } = this.#options;
    this.#piscina ??= this.#start();
    const timer = new AbortController();
    const timeout = setTimeout(() => timer.abort(), taskTimeoutMs);
    let answer: Answer<T>;
    try {
      answer = (await this.#piscina.run(task, {
        name,
        signal: timer.signal,
        transferList: [...transfer],
      })) as Answer<T>;
    } catch (cause) {
      if (this.#closed) throw closedError(cause);
      const reason = timer.signal.aborted
        ? `took longer than ${taskTimeoutMs} ms`
        : (cause as Error).message;
      throw new EmotionError(
        'worker.failed',
        `The worker thread for "${name}" failed: ${reason}`,
        { task: name, reason },
        { cause },
      );
    } finally {
      clearTimeout(timeout);
    }
    return valueOf(answer);
  }

  /** Stops all threads; tasks that have not ended fail with `engine.closed`. */
  async close(): Promise<void> {
    this.#closed = true;
    const piscina = this.#piscina;
    this.#piscina = undefined;
    await piscina?.destroy();
    piscina?.removeAllListeners();
  }

  #start(): Piscina {
    const { filename, threads, memoryMb } = this.#options;
    const piscina = new Piscina({
      filename,
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Infinity,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
      recordTiming: false,
    });
    // A thread that dies between tasks: nobody waits for it, the pool replaces it.
    piscina.on('error', () => undefined);
    return piscina;
  }
}

function closedError(cause?: unknown): EmotionError {
  return new EmotionError(
    'engine.closed',
    'The worker threads were stopped; send the message again after the deploy',
    {},
    cause === undefined ? {} : { cause },
  );
}
