import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { clientOf } from './client';
import type { GuardOptions } from './guard-options';
import { sendProblem, type Problem } from './problem';
import { routeKey } from './route-pattern';
import { TokenBuckets } from './token-buckets';

/** How long the rest of a refused body is read and thrown away, so that its sender sees the answer. */
const LINGER_MS = 5_000;
/** How long a request that comes during a redeploy waits for the new flows. */
const HOLD_MS = 10_000;
const MOST_HELD = 1_000;

type Pass = () => void;

interface Open {
  /** `POST /emotion/text`, as {@link routeKey} makes it. */
  readonly route: string;
  readonly response: ServerResponse;
  bytes: number;
}

/**
 * Stands before everything that reads a request: Node-RED's *http in* takes the body of a request
 * into memory whole, before a flow, `httpNodeAuth` or `httpNodeMiddleware` sees it.
 *
 * - A body that is longer than its path allows is answered with 413, by its `Content-Length` before
 *   a byte is read, without one as soon as it has grown too long. Too many bytes in all: 503.
 * - A client that asks too often gets 429.
 * - Requests that come while flows are redeployed wait for the new ones. Those whose flow was
 *   stopped are answered with 503, and those that nobody answers in time with 504: none hangs.
 */
export class RequestGuard {
  readonly #options: GuardOptions;
  readonly #root: () => string;
  readonly #buckets: TokenBuckets | undefined;
  readonly #paths: readonly (readonly [path: string, bytes: number])[];
  readonly #open = new Set<Open>();
  readonly #held = new Set<Pass>();
  readonly #heldResponses = new Set<ServerResponse>();
  #bytes = 0;
  #paused = false;

  /** @param root `httpNodeRoot`, asked for each request: it may be mounted later */
  constructor(options: GuardOptions, root: () => string = () => '') {
    this.#options = options;
    this.#root = root;
    if (options.requestsPerMinute > 0) {
      this.#buckets = new TokenBuckets(options.requestsPerMinute, options.burst);
    }
    this.#paths = Object.entries(options.maxBytes)
      .map(([path, bytes]) => [path.toLowerCase().replace(/\/+$/, ''), bytes] as const)
      .sort(([a], [b]) => b.length - a.length);
  }

  /** Requests that have not been answered yet. */
  get open(): number {
    return this.#open.size;
  }

  /** Comes before the listeners that the server has, and hands them what it lets through. */
  attach(server: Server): void {
    const listeners = server.listeners('request');
    server.removeAllListeners('request');
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      for (const listener of listeners) Reflect.apply(listener, server, [request, response]);
    };
    server.on('request', (request, response) => {
      this.handle(request, response, () => serve(request, response));
    });
    if (server.listenerCount('checkContinue') > 0) return;
    // "Expect: 100-continue": the sender waits for leave, so a body that is refused is never sent.
    server.on('checkContinue', (request, response) => {
      this.handle(request, response, () => {
        response.writeContinue();
        serve(request, response);
      });
    });
  }

  /** Calls `pass` once when the request may go on, at once or after a redeploy; else answers it. */
  handle(request: IncomingMessage, response: ServerResponse, pass: Pass): void {
    const path = this.#pathOf(request);
    const limit = path === undefined ? undefined : this.#limitOf(path);
    if (path === undefined || limit === undefined || request.method === 'OPTIONS') return pass();

    const wait = this.#buckets?.take(clientOf(request, this.#options.trustProxy)) ?? 0;
    if (wait > 0) {
      return refuse(request, response, {
        status: 429,
        code: 'request.rate',
        detail: `At most ${this.#options.requestsPerMinute} requests a minute`,
        retryAfter: wait,
      });
    }
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > limit) return refuse(request, response, tooLarge(limit));
    if (this.#bytes + declared > this.#options.maxBytesTogether) {
      return refuse(request, response, busy);
    }

    const open: Open = { route: routeKey(request.method ?? '', path), response, bytes: declared };
    this.#admit(open);
    if (request.headers['transfer-encoding'] !== undefined) this.#count(request, open, limit);
    if (!this.#paused) return pass();
    if (this.#held.size >= MOST_HELD) return refuse(request, response, redeployed);
    this.#hold(response, pass);
  }

  /** The flows are being stopped: what comes now waits for the next ones. */
  pause(): void {
    this.#paused = true;
  }

  /**
   * Flows were stopped; what was let through to them will not be answered by them.
   *
   * @param stopped whether the flow behind a {@link routeKey} was among them
   * @param graceMs time for what other nodes of the flow still answer
   */
  abandon(stopped: (route: string) => boolean = () => true, graceMs = 0): void {
    const lost = [...this.#open].filter(
      ({ route, response }) => !this.#heldResponses.has(response) && stopped(route),
    );
    const answer = () => {
      for (const { response } of lost) settle(response, redeployed);
    };
    if (graceMs === 0) answer();
    else if (lost.length > 0) setTimeout(answer, graceMs).unref();
  }

  /** The flows run. */
  resume(): void {
    this.#paused = false;
    for (const pass of [...this.#held]) pass();
  }

  #hold(response: ServerResponse, pass: Pass): void {
    const leave = () => {
      clearTimeout(timer);
      this.#held.delete(release);
      this.#heldResponses.delete(response);
    };
    const release = () => {
      leave();
      pass();
    };
    const timer = setTimeout(() => {
      leave();
      sendProblem(response, redeployed);
    }, HOLD_MS);
    this.#held.add(release);
    this.#heldResponses.add(response);
    response.once('close', leave);
  }

  #admit(open: Open): void {
    this.#open.add(open);
    this.#bytes += open.bytes;
    const { timeoutSeconds } = this.#options;
    const timer = setTimeout(() => {
      const detail = `No flow has answered within ${timeoutSeconds} seconds`;
      settle(open.response, { status: 504, code: 'request.timeout', detail });
    }, timeoutSeconds * 1000);
    timer.unref();
    open.response.once('close', () => {
      clearTimeout(timer);
      this.#open.delete(open);
      this.#bytes -= open.bytes;
    });
  }

  /** Watches a body that came without its length; a listener for `data` would start the flow of it. */
  #count(request: IncomingMessage, open: Open, limit: number): void {
    const push = request.push.bind(request);
    request.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
      if (chunk !== null) {
        if (open.response.writableEnded) return true;
        open.bytes += chunk.length;
        this.#bytes += chunk.length;
        const tooMany = this.#bytes > this.#options.maxBytesTogether;
        if (open.bytes > limit || tooMany) {
          refuse(request, open.response, tooMany ? busy : tooLarge(limit));
          return true;
        }
      }
      return push(chunk, encoding);
    };
  }

  /** Path of a request below `httpNodeRoot`, undefined when it is not below it. */
  #pathOf(request: IncomingMessage): string | undefined {
    const url = request.url ?? '/';
    // A proxy sends the whole address in the request line, and Express takes it.
    const path = url
      .replace(/^https?:\/\/[^/?#]*/i, '')
      .split(/[?#]/)[0]!
      .toLowerCase();
    const root = this.#root().toLowerCase().replace(/\/+$/, '');
    return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
  }

  #limitOf(path: string): number | undefined {
    return this.#paths.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1];
  }
}

const redeployed: Problem = {
  status: 503,
  code: 'queue.closed',
  detail: 'The flows were deployed anew; send the request again',
  retryAfter: 1,
};

const busy: Problem = {
  status: 503,
  code: 'queue.full',
  detail: 'Too much is being sent at once; send the request again',
  retryAfter: 1,
};

const tooLarge = (limit: number): Problem => ({
  status: 413,
  code: 'input.too-large',
  detail: `The body may have ${limit} bytes`,
});

/** Answers in the place of a flow; what that one answers later is for nobody, and no error. */
function settle(response: ServerResponse, problem: Problem): void {
  if (!sendProblem(response, problem)) return;
  const ignore = () => response;
  Object.assign(response, {
    setHeader: ignore,
    removeHeader: ignore,
    writeHead: ignore,
    write: () => true,
    end: ignore,
  });
}

/**
 * Answers a request whose body has not been read. Closing at once would reset the connection, and
 * the sender would lose the answer (RFC 9112, 9.6): the rest is read and thrown away for a while.
 */
function refuse(request: IncomingMessage, response: ServerResponse, problem: Problem): void {
  sendProblem(response, problem);
  if (request.complete) return;
  request.resume();
  const timer = setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, LINGER_MS);
  timer.unref();
  request.once('end', () => clearTimeout(timer));
}
