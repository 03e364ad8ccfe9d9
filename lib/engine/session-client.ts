import { fork, type ChildProcess, type Serializable } from 'node:child_process';
import { getPriority, setPriority } from 'node:os';
import { join } from 'node:path';
import type { BatchRequest, LoadRequest, SessionReply } from './protocol';

/** How a session process ended. */
export interface SessionEnd {
  /** e.g. `SIGKILL` or `exit code 134`. */
  readonly how: string;
  /** The last it wrote to its error stream. */
  readonly stderr: string;
}

export interface SessionHandlers<Reply = SessionReply> {
  reply(reply: Reply): void;
  /** Called once, after every reply that the process still sent. */
  end(end: SessionEnd): void;
}

const STDERR_CHARS = 2_000;
const CLOSE_GRACE_MS = 300;
/** Added to the niceness of the process: where cores are few, the host's event loop comes before its nets. */
const NICENESS = 5;

/** The parent's end of one session process, from its start to its end. */
export class SessionClient<Load = LoadRequest, Request = BatchRequest, Reply = SessionReply> {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #stderr = '';
  #sending: Promise<void> = Promise.resolve();
  #over = false;

  /**
   * Starts the process and loads a model in it.
   *
   * @param file the module to run, `session-process` beside this one when left out
   */
  constructor(
    request: Load,
    handlers: SessionHandlers<Reply>,
    file: string = join(__dirname, 'session-process.js'),
  ) {
    const child = fork(file, [], {
      serialization: 'advanced',
      // Not the parent's --inspect and the like.
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    giveWay(child.pid);
    child.on('message', (reply) => handlers.reply(reply as Reply));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS);
    });

    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#over = true;
        handlers.end({ how, stderr: this.#stderr.trim() });
        resolve();
      };
      // Replies that were on their way when the process died are read before 'disconnect', its last
      // words before the stream closes; 'close' would be the sum of these, but it does not come
      // after a disconnect from this side.
      let exit = '';
      const open = new Set(['exit', 'disconnect', 'stderr']);
      const over = (event: string): void => {
        if (open.delete(event) && open.size === 0) end(exit);
      };
      child.once('exit', (code, signal) => {
        exit = signal ?? `exit code ${code}`;
        over('exit');
      });
      child.once('disconnect', () => over('disconnect'));
      child.stderr?.once('close', () => over('stderr'));
      child.on('error', (error) => {
        // Other errors (a message that could not be sent) are reported to the sender.
        if (child.pid !== undefined || open.size === 0) return;
        open.clear();
        end(error.message);
      });
    });
    this.#send(request).catch(() => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Sends a batch part by part, giving way to the event loop between parts; batches do not mix.
   * Resolves when the last part has been handed over. A process that is gone is no error here: its
   * end is reported to the handlers.
   */
  run(messages: Iterable<Request>): Promise<void> {
    this.#sending = this.#sending.then(async () => {
      for (const message of messages) {
        if (this.#over || !this.#child.connected) return;
        await this.#send(message).catch(() => {});
      }
    });
    return this.#sending;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Lets the process end by itself for a moment, then kills it; resolves when it is gone. */
  async close(): Promise<void> {
    if (this.#over) return;
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.kill(), CLOSE_GRACE_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #send(message: Load | Request): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.send(message as Serializable, (error) => (error ? reject(error) : resolve()));
    });
  }
}

function giveWay(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, Math.min(19, getPriority() + NICENESS));
  } catch {
    // Not allowed, or gone already: it runs as it was started.
  }
}
