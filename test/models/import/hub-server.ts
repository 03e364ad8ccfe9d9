import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A web server on this machine whose answers a test chooses; remembers what it was asked. */
export class TestServer {
  readonly seen: SeenRequest[] = [];
  handler: Handler = (_request, response) => response.writeHead(404).end();
  readonly #server: Server = createServer((request, response) => {
    this.seen.push({
      path: request.url ?? '',
      range: request.headers.range,
      authorization: request.headers.authorization,
    });
    this.handler(request, response);
  });

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(path: string): URL {
    return new URL(path, this.origin);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export interface ServeOptions {
  /** Breaks the connection after so many bytes of the body. */
  readonly dropAfter?: number;
  /** Waits with that until it holds; gets the first byte that was asked for. */
  readonly dropWhen?: (from: number) => boolean;
  readonly ignoreRange?: boolean;
  /** The strong entity tag; null for none. */
  readonly etag?: string | null;
}

/** Answers with a file the way a web server does: ranges, If-Range, entity tag. */
export function serve(
  request: IncomingMessage,
  response: ServerResponse,
  content: Buffer,
  {
    dropAfter,
    dropWhen = () => true,
    ignoreRange = false,
    etag = `"${sha256(content)}"`,
  }: ServeOptions = {},
): void {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const partial = range !== null && !ignoreRange && (condition === undefined || condition === etag);
  const from = partial ? Number(range[1]) : 0;
  const body = content.subarray(from);
  if (partial && body.length === 0) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  response.writeHead(partial ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': body.length,
    ...(etag !== null && { etag }),
    ...(partial && {
      'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
    }),
  });
  if (dropAfter === undefined || dropAfter >= body.length) {
    response.end(body);
    return;
  }
  response.write(body.subarray(0, dropAfter), () => {
    const timer = setInterval(() => {
      if (!dropWhen(from)) return;
      clearInterval(timer);
      response.socket?.destroy();
    }, 20);
    response.on('close', () => clearInterval(timer));
  });
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export function gitSha1(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

/** The hub's API and files of one repository, as the public hub answers. */
export function hub(
  repository: string,
  files: Readonly<Record<string, Buffer>>,
  options: { readonly token?: string; readonly large?: Handler } = {},
): Handler {
  const commit = '0123456789abcdef0123456789abcdef01234567';
  return (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://hub');
    if (
      options.token !== undefined &&
      request.headers.authorization !== `Bearer ${options.token}`
    ) {
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"no"}');
      return;
    }
    if (pathname.startsWith(`/api/models/${repository}/revision/`)) {
      const siblings = Object.entries(files).map(([rfilename, content]) => ({
        rfilename,
        size: content.length,
        ...(rfilename.endsWith('.onnx')
          ? { blobId: 'f'.repeat(40), lfs: { sha256: sha256(content), size: content.length } }
          : { blobId: gitSha1(content) }),
      }));
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ id: repository, sha: commit, siblings }));
      return;
    }
    const path = pathname.replace(`/${repository}/resolve/${commit}/`, '');
    const content = files[path];
    if (content === undefined) response.writeHead(404).end();
    else if (path.endsWith('.onnx') && options.large) options.large(request, response);
    else serve(request, response, content);
  };
}
