import { STATUS_CODES, type ServerResponse } from 'node:http';

/** What went wrong with a request, for the one who asks. */
export interface Problem {
  readonly status: number;
  /** To act on, for example `queue.full`. */
  readonly code: string;
  /** For people. */
  readonly detail: string;
  /** Seconds after which the same request may succeed. */
  readonly retryAfter?: number;
}

/** Names that RFC 9110 gave after Node.js had taken over the older ones. */
const TITLES: Readonly<Record<number, string>> = {
  413: 'Content Too Large',
  422: 'Unprocessable Content',
};

/**
 * Answers with `application/problem+json` (RFC 9457).
 *
 * @returns false when something else has answered already
 */
export function sendProblem(response: ServerResponse, problem: Problem): boolean {
  if (response.headersSent || response.writableEnded || response.destroyed) return false;
  const { status, code, detail, retryAfter } = problem;
  const title = TITLES[status] ?? STATUS_CODES[status] ?? 'Error';
  const body = JSON.stringify({ type: 'about:blank', title, status, code, detail });
  if (retryAfter !== undefined) {
    response.setHeader('retry-after', Math.max(1, Math.ceil(retryAfter)));
  }
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
  return true;
}
