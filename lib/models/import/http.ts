import { EmotionError } from '../../emotion/error';

export interface HttpOptions {
  /** Sent as bearer token, to the host that was asked for only, never on a redirect to another. */
  readonly token?: string;
  readonly signal?: AbortSignal;
  /** Longest silence of a server. Default 30,000. */
  readonly stallMs?: number;
  /** Tries in a row without a single new byte. Default 6. */
  readonly attempts?: number;
  /** Pause before the second try, doubled with each further one. Default 500. */
  readonly backOffMs?: number;
}

export interface HttpAnswer {
  readonly response: Response;
  /** Of all answers on the way, the last one's winning: redirects tell size and hash of a file. */
  readonly headers: Headers;
  /** Restarts the clock of the longest silence; call for every chunk of the body. */
  readonly alive: () => void;
  /** Stops the clock. */
  readonly finish: () => void;
}

/** Something that another try may mend. */
export class Interrupted extends Error {
  constructor(
    message: string,
    readonly retryAfterMs: number = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const STALL_MS = 30_000;
const ATTEMPTS = 6;
const BACK_OFF_MS = 500;
const LONGEST_BACK_OFF_MS = 30_000;
/** However small the progress of each try. */
const MOST_TRIES = 200;
const MOST_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * A GET whose redirects are followed by hand: the token stays with the host that it is meant for,
 * and nobody is sent from https to http.
 *
 * @throws Interrupted when nobody answers, EmotionError `model.import-refused` or
 * `model.import-not-found` for an answer that is none of 2xx, 304 and 416
 */
export async function get(
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: HttpOptions,
): Promise<HttpAnswer> {
  checkToken(options.token, url);
  const silence = new AbortController();
  const { stallMs = STALL_MS } = options;
  let timer = setTimeout(() => silence.abort(), stallMs);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), stallMs);
  };
  const finish = (): void => clearTimeout(timer);
  const signal = options.signal
    ? AbortSignal.any([options.signal, silence.signal])
    : silence.signal;
  const seen = new Headers();
  try {
    for (let at = url, hops = 0; ; hops += 1) {
      const authorised = options.token !== undefined && at.origin === url.origin;
      const response = await fetch(at, {
        redirect: 'manual',
        signal,
        headers: {
          'user-agent': 'node-red-emotion',
          'accept-encoding': 'identity',
          ...headers,
          ...(authorised && { authorization: `Bearer ${options.token}` }),
        },
      }).catch((cause: unknown) => {
        options.signal?.throwIfAborted();
        const why = silence.signal.aborted ? `no answer within ${stallMs} ms` : reasonOf(cause);
        throw new Interrupted(`${place(at)}: ${why}`, 0, { cause });
      });
      alive();
      response.headers.forEach((value, name) => seen.set(name, value));
      const location = response.headers.get('location');
      if (!REDIRECTS.has(response.status) || location === null) {
        await checkStatus(response, at);
        return { response, headers: seen, alive, finish };
      }
      await response.body?.cancel();
      at = nextPlace(at, location, hops);
    }
  } catch (error) {
    finish();
    throw error;
  }
}

/**
 * Tries again what was interrupted, with pauses that double; gives up after `attempts` tries in a
 * row that brought nothing.
 *
 * @param progressed whether the last try brought anything
 * @throws EmotionError `model.import-unreachable`; what else the task throws; the signal's reason
 */
export async function retrying<T>(
  task: () => Promise<T>,
  progressed: () => boolean,
  { signal, attempts = ATTEMPTS, backOffMs = BACK_OFF_MS }: HttpOptions,
): Promise<T> {
  for (let failures = 1, tries = 1; ; tries += 1) {
    try {
      signal?.throwIfAborted();
      return await task();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Interrupted)) throw error;
      if (progressed()) failures = 1;
      if (failures >= attempts || tries >= MOST_TRIES) throw unreachable(error, failures);
      const pause = Math.min(LONGEST_BACK_OFF_MS, backOffMs * 2 ** (failures - 1));
      await sleep(Math.max(pause, Math.min(error.retryAfterMs, LONGEST_BACK_OFF_MS)), signal);
      failures += 1;
    }
  }
}

/** The body of an answer as it arrives. */
export function chunksOf({ body }: Response): AsyncIterable<Uint8Array> {
  return (body ?? []) as unknown as AsyncIterable<Uint8Array>;
}

/** Where something comes from, without a query: signed addresses carry secrets there. */
export function place({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

function unreachable(error: Interrupted, tries: number): EmotionError {
  return new EmotionError(
    'model.import-unreachable',
    `${error.message}; gave up after ${tries} tries: check the network and the hub's address, then import again, what has arrived is kept`,
    { reason: error.message, tries },
    { cause: error },
  );
}

function nextPlace(from: URL, location: string, hops: number): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const sound =
    to !== undefined &&
    (to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:'));
  if (sound && hops < MOST_REDIRECTS) return to;
  const what = sound ? `more than ${MOST_REDIRECTS} redirects` : 'a redirect to an unsafe address';
  throw new EmotionError(
    'model.import-refused',
    `${place(from)}: ${what}; check the hub's address`,
    { url: place(from), reason: what },
  );
}

/** A token is neither put into an error nor sent where others on the network could read it. */
function checkToken(token: string | undefined, url: URL): void {
  if (token === undefined) return;
  const reason = !/^[\x21-\x7e]+$/.test(token)
    ? 'the token holds characters that no token has: paste it anew'
    : url.protocol !== 'https:' && !LOOPBACK.test(url.hostname)
      ? 'a token is sent over https only: give an https address or no token'
      : undefined;
  if (reason === undefined) return;
  throw new EmotionError('model.import-refused', `${place(url)}: ${reason}`, {
    url: place(url),
    reason,
  });
}

async function checkStatus(response: Response, at: URL): Promise<void> {
  const { status } = response;
  if (response.ok || status === 416) return;
  await response.body?.cancel();
  const url = place(at);
  if (status === 401 || status === 403) {
    throw new EmotionError(
      'model.import-refused',
      `${url}: the hub answers ${status}: check the id; a private model needs a token that may read it, and the terms of a gated one must be accepted on its page first`,
      { url, status },
    );
  }
  if (status === 404 || status === 410) {
    throw new EmotionError(
      'model.import-not-found',
      `${url}: the hub answers ${status}: check owner, name and revision`,
      { url, status },
    );
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    throw new Interrupted(`${url}: the server answers ${status}`, retryAfterMs(response));
  }
  throw new EmotionError(
    'model.import-refused',
    `${url}: the server answers ${status}; check the hub's address`,
    { url, status },
  );
}

/** RFC 9110, section 10.2.3: seconds or a date. */
function retryAfterMs({ headers }: Response): number {
  const value = headers.get('retry-after');
  if (value === null) return 0;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}

/** undici says "fetch failed" and means its cause. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as NodeJS.ErrnoException;
  return cause.message || code || cause.name;
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      if (signal?.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
