import { once } from 'node:events';
import { createServer, request as send, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect } from 'chai';
import { apiKey } from '../../lib/http/api-key';
import { GUARD_DEFAULTS, type GuardOptions } from '../../lib/http/guard-options';
import { RequestGuard } from '../../lib/http/request-guard';
import { routeKey } from '../../lib/http/route-pattern';

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

interface Post {
  path?: string;
  method?: string;
  body?: Buffer | string;
  headers?: Record<string, string>;
}

describe('RequestGuard', function () {
  this.timeout(120_000);
  let server: Server;
  let port: number;
  let guard: RequestGuard;
  /** Requests that got through, whole, and what each was answered with by the "flow". */
  let passed: { url: string; bytes: number }[];
  let answering: boolean;

  async function start(options: Partial<GuardOptions> = {}, root = ''): Promise<void> {
    passed = [];
    answering = true;
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        passed.push({ url: request.url ?? '', bytes: Buffer.concat(chunks).length });
        if (answering) response.end('flow');
      });
      // As raw-body does, which Node-RED reads with.
      request.on('error', () => undefined);
    });
    guard = new RequestGuard(
      { ...GUARD_DEFAULTS, maxBytes: { '/emotion': 1000, '/emotion/text': 100 }, ...options },
      () => root,
    );
    guard.attach(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  }
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  function post({ path = '/emotion/text', method = 'POST', body = '', headers = {} }: Post = {}) {
    return new Promise<Answer>((resolve, reject) => {
      const length = { 'content-length': String(Buffer.byteLength(body)) };
      const chunked = headers['transfer-encoding'] !== undefined;
      const request = send(
        { port, method, path, headers: { ...(!chunked && length), ...headers }, agent: false },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () =>
            resolve({ status: response.statusCode!, headers: response.headers, body: text }),
          );
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  const problem = ({ body, headers }: Answer): unknown => {
    expect(headers['content-type']).to.equal('application/problem+json');
    return JSON.parse(body);
  };

  it('lets through what keeps within the limit of its path', async () => {
    await start();
    expect(await post({ body: 'a'.repeat(100) })).to.include({ status: 200, body: 'flow' });
    expect(await post({ path: '/emotion/video', body: 'a'.repeat(1000) })).to.include({
      status: 200,
    });
    expect(passed.map(({ bytes }) => bytes)).to.deep.equal([100, 1000]);
    expect(guard.open).to.equal(0);
  });

  it('answers a body that is too long by its declared length, and nothing of it gets through', async () => {
    await start();
    const answer = await post({ body: 'a'.repeat(101) });
    expect(problem(answer)).to.deep.equal({
      type: 'about:blank',
      title: 'Content Too Large',
      status: 413,
      code: 'input.too-large',
      detail: 'The body may have 100 bytes',
    });
    expect(passed).to.deep.equal([]);
  });

  it('answers before the body is sent', async () => {
    await start();
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /emotion/text HTTP/1.1\r\nhost: x\r\ncontent-length: 900000000\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).to.match(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  it('gives no leave to send to whoever asks for it first', async () => {
    await start();
    const expecting = (length: number) =>
      `POST /emotion/text HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`;
    for (const [length, answer] of [
      [101, /^HTTP\/1\.1 413 /],
      [100, /^HTTP\/1\.1 100 /],
    ] as const) {
      const socket = connect(port, '127.0.0.1');
      socket.write(expecting(length));
      const [first] = (await once(socket, 'data')) as [Buffer];
      expect(first.toString()).to.match(answer);
      socket.destroy();
    }
  });

  it('answers a body without a length as soon as it is too long', async () => {
    await start();
    const headers = { 'transfer-encoding': 'chunked' };
    expect(await post({ headers, body: 'a'.repeat(100) })).to.include({ status: 200 });
    const answer = await post({ headers, body: 'a'.repeat(5_000_000) });
    expect(problem(answer)).to.include({ status: 413 });
    expect(passed).to.have.length(1);
  });

  const sameRoute = [
    '/emotion/text/',
    '/EMOTION/Text',
    '/emotion/text?model=a',
    'http://example.org/emotion/text',
  ];
  for (const path of sameRoute) {
    it(`is not led astray by the spelling ${path}`, async () => {
      await start();
      expect(await post({ path, body: 'a'.repeat(101) })).to.include({ status: 413 });
    });
  }

  it('leaves other paths alone', async () => {
    await start();
    for (const path of ['/emotions', '/emotion-model/models', '/', '/other/emotion/text']) {
      expect(await post({ path, body: 'a'.repeat(5000) })).to.include({ status: 200 });
    }
  });

  it('looks below httpNodeRoot', async () => {
    await start({}, '/api/');
    const body = 'a'.repeat(101);
    expect(await post({ path: '/api/emotion/text', body })).to.include({ status: 413 });
    expect(await post({ path: '/emotion/text', body })).to.include({ status: 200 });
  });

  it('bounds what is open in all', async () => {
    await start({ maxBytesTogether: 150 });
    answering = false;
    const first = post({ body: 'a'.repeat(100) });
    while (passed.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await post({ body: 'a'.repeat(100) });
    expect(problem(second)).to.include({ status: 503, code: 'queue.full' });
    expect(second.headers['retry-after']).to.equal('1');
    guard.abandon();
    expect(await first).to.include({ status: 503 });
    answering = true;
    expect(await post({ body: 'a'.repeat(100) })).to.include({ status: 200 });
  });

  it('bounds the requests of a client, and says when to come again', async () => {
    await start({ requestsPerMinute: 1, burst: 2 });
    expect(await post()).to.include({ status: 200 });
    expect(await post({ path: '/emotion/models', method: 'GET' })).to.include({ status: 200 });
    const answer = await post();
    expect(problem(answer)).to.include({ status: 429, code: 'request.rate' });
    expect(Number(answer.headers['retry-after'])).to.be.within(45, 60);
    expect(await post({ method: 'OPTIONS' })).to.include({ status: 200 });
    expect(await post({ path: '/elsewhere' })).to.include({ status: 200 });
  });

  it('tells clients behind a trusted proxy apart', async () => {
    await start({ requestsPerMinute: 1, burst: 1, trustProxy: true });
    const from = (address: string) => post({ headers: { 'x-forwarded-for': address } });
    expect(await from('192.0.2.1')).to.include({ status: 200 });
    expect(await from('192.0.2.2')).to.include({ status: 200 });
    expect(await from('192.0.2.1')).to.include({ status: 429 });
  });

  it('answers what no flow answers in time', async () => {
    await start({ timeoutSeconds: 0.05 });
    answering = false;
    expect(problem(await post())).to.include({ status: 504, code: 'request.timeout' });
    expect(guard.open).to.equal(0);
  });

  it('holds what comes during a redeploy, and lets it through afterwards', async () => {
    await start();
    guard.pause();
    const answers = Promise.all([post(), post({ body: 'a'.repeat(50) })]);
    while (guard.open < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    guard.abandon();
    expect(passed).to.deep.equal([]);
    guard.resume();
    expect((await answers).map(({ status }) => status)).to.deep.equal([200, 200]);
    expect(passed.map(({ bytes }) => bytes)).to.have.members([0, 50]);
  });

  it('answers what a stopped flow had, and leaves the others', async () => {
    await start();
    answering = false;
    const stopped = post({ path: '/emotion/text/' });
    const other = post({ path: '/emotion/audio' });
    while (passed.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    guard.abandon((route) => route === routeKey('post', '/emotion/Text'));
    const answer = await stopped;
    expect(problem(answer)).to.include({ status: 503, code: 'queue.closed' });
    expect(answer.headers['retry-after']).to.equal('1');
    expect(guard.open).to.equal(1);
    guard.abandon();
    expect(await other).to.include({ status: 503 });
  });

  it('gives what the rest of a flow still answers some time, and ignores what comes later', async () => {
    await start();
    const late: (() => void)[] = [];
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      guard.handle(request, response, () => {
        late.push(() => response.setHeader('x-late', '1').end('flow'));
      });
    });
    const answers = [post(), post()];
    while (late.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    guard.abandon(() => true, 200);
    late[0]!();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses).to.have.members([200, 503]);
    expect(() => late[1]!()).not.to.throw();
  });

  it('forgets a client that gives up', async () => {
    await start();
    guard.pause();
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /emotion/text HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n');
    while (guard.open < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.destroy();
    while (guard.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    guard.resume();
    expect(passed).to.deep.equal([]);
  });
});

describe('apiKey for httpNodeAuth', () => {
  const KEY = 'a-key-of-enough-characters';
  let server: Server;
  let url: string;
  before(async () => {
    const auth = apiKey(KEY, 'another-key-of-somebody');
    server = createServer((request, response) => {
      auth(request, response, () => response.end('passed'));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  it('lets a key pass in either header', async () => {
    for (const headers of [
      { authorization: `Bearer ${KEY}` },
      { authorization: `bearer   ${KEY} ` },
      { 'x-api-key': 'another-key-of-somebody' },
    ]) {
      expect((await fetch(url, { headers })).status).to.equal(200);
    }
    expect((await fetch(url, { method: 'OPTIONS' })).status).to.equal(200);
  });

  it('answers others with 401 and how to do it', async () => {
    for (const headers of [
      {},
      { authorization: 'Bearer ' },
      { authorization: `Basic ${KEY}` },
      { 'x-api-key': KEY.slice(1) },
      { 'x-api-key': `${KEY} x` },
    ] as Record<string, string>[]) {
      const response = await fetch(url, { headers });
      expect(response.status).to.equal(401);
      expect(response.headers.get('www-authenticate')).to.equal('Bearer realm="emotion"');
      expect(await response.json()).to.include({ status: 401, code: 'request.unauthorized' });
    }
  });

  it('does not start without a key that is one', () => {
    for (const keys of [[], [undefined], [''], ['short']]) {
      expect(() => apiKey(...(keys as string[]))).to.throw(TypeError, 'apiKey');
    }
  });
});
