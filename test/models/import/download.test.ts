import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EmotionError } from '../../../lib/emotion/error';
import { download, type DownloadOptions } from '../../../lib/models/import/download';
import { gitSha1, serve, sha256, TestServer } from './hub-server';

const TOKEN = 'hf_a-secret-that-nobody-else-sees';
const QUICK: DownloadOptions = { backOffMs: 1, attempts: 3, stallMs: 5_000 };

describe('download', function () {
  this.timeout(120_000);
  const content = randomBytes(200_000);
  const expected = { bytes: content.length, sha256: sha256(content) };
  let folder: string;
  let target: string;
  let server: TestServer;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emotion-download-'));
    target = join(folder, 'model.onnx');
    server = await new TestServer().start();
    server.handler = (request, response) => serve(request, response, content);
  });
  afterEach(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const failure = async (promise: Promise<unknown>): Promise<EmotionError> => {
    const error: unknown = await promise.then(
      () => expect.fail('did not fail'),
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(EmotionError);
    expect(JSON.stringify([error, (error as Error).message])).not.to.contain(TOKEN);
    return error as EmotionError;
  };
  const written = (from: number): boolean =>
    (statSync(`${target}.part`, { throwIfNoEntry: false })?.size ?? 0) > from;
  const arrived = async (): Promise<void> => {
    expect((await readFile(target)).equals(content)).to.equal(true);
    expect(await readdir(folder)).to.deep.equal(['model.onnx']);
  };

  it('leaves the whole file and nothing else', async () => {
    const steps: number[] = [];
    await download(server.url('/m'), target, expected, {
      ...QUICK,
      progress: (received) => steps.push(received),
    });
    await arrived();
    expect(steps.at(-1)).to.equal(content.length);
    expect([...steps].sort((a, b) => a - b)).to.deep.equal(steps);
  });

  it('asks for a file that is there and right not again, for a damaged one anew', async () => {
    await writeFile(target, content);
    await download(server.url('/m'), target, expected, QUICK);
    expect(server.seen).to.deep.equal([]);
    await writeFile(target, content.subarray(1));
    await download(server.url('/m'), target, expected, QUICK);
    await arrived();
  });

  it('goes on where the connection broke, however often', async () => {
    server.handler = (request, response) =>
      serve(request, response, content, { dropAfter: 60_000, dropWhen: written });
    await download(server.url('/m'), target, expected, QUICK);
    await arrived();
    const starts = server.seen.map(({ range }) => Number(/\d+/.exec(range ?? '0')?.[0]));
    expect(starts.length).to.be.at.least(4);
    expect([...starts].sort((a, b) => a - b)).to.deep.equal(starts);
    expect(new Set(starts).size).to.be.at.least(4);
  });

  it('goes on after a restart of the process', async () => {
    server.handler = (request, response) =>
      serve(request, response, content, { dropAfter: 80_000, dropWhen: written });
    const error = await failure(
      download(server.url('/m'), target, expected, { ...QUICK, attempts: 1 }),
    );
    expect(error.code).to.equal('model.import-unreachable');
    const kept = (await readFile(`${target}.part`)).length;
    expect(kept).to.be.above(0);
    server.handler = (request, response) => serve(request, response, content);
    await download(server.url('/m'), target, expected, QUICK);
    await arrived();
    expect(server.seen.at(-1)?.range).to.equal(`bytes=${kept}-`);
  });

  it('starts afresh when the file has changed since', async () => {
    await writeFile(`${target}.part`, randomBytes(50_000));
    await writeFile(`${target}.part.etag`, '"another"');
    await download(server.url('/m'), target, expected, QUICK);
    await arrived();
    expect(server.seen).to.have.length(1);
  });

  it('starts afresh when what was there turns out to be of another file', async () => {
    await writeFile(`${target}.part`, randomBytes(50_000));
    server.handler = (request, response) => serve(request, response, content, { etag: null });
    await download(server.url('/m'), target, expected, QUICK);
    await arrived();
    expect(server.seen.map(({ range }) => range)).to.deep.equal(['bytes=50000-', undefined]);
  });

  it('takes a server that ignores ranges', async () => {
    let first = true;
    server.handler = (request, response) => {
      serve(request, response, content, { ignoreRange: true, ...(first && { dropAfter: 9_000 }) });
      first = false;
    };
    await download(server.url('/m'), target, expected, QUICK);
    await arrived();
  });

  it('takes no web page for a file', async () => {
    server.handler = (_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>');
    const error = await failure(download(server.url('/m'), target, {}, QUICK));
    expect(error.code).to.equal('model.import-corrupt');
    expect(error.message).to.contain('web page');
    expect(server.seen).to.have.length(1);
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('takes no file with another hash or size', async () => {
    const other = { bytes: content.length, sha256: '0'.repeat(64) };
    const wrong = await failure(download(server.url('/m'), target, other, QUICK));
    expect(wrong.code).to.equal('model.import-corrupt');
    expect(wrong.message).to.contain(expected.sha256);
    const blob = { gitSha1: gitSha1(content.subarray(1)) };
    expect((await failure(download(server.url('/m'), target, blob, QUICK))).code).to.equal(
      'model.import-corrupt',
    );
    const longer = { bytes: content.length + 1 };
    expect((await failure(download(server.url('/m'), target, longer, QUICK))).message).to.contain(
      `expected ${content.length + 1} bytes`,
    );
    expect(await readdir(folder)).to.deep.equal([]);
    await download(server.url('/m'), target, { gitSha1: gitSha1(content) }, QUICK);
    await arrived();
  });

  it('takes no file larger than allowed', async () => {
    const error = await failure(
      download(server.url('/m'), target, {}, { ...QUICK, maxBytes: 1_000 }),
    );
    expect(error.code).to.equal('model.import-unsupported');
  });

  for (const [status, code] of [
    [401, 'model.import-refused'],
    [403, 'model.import-refused'],
    [404, 'model.import-not-found'],
    [400, 'model.import-refused'],
  ] as const) {
    it(`gives up at once on ${status}`, async () => {
      server.handler = (_request, response) => response.writeHead(status).end();
      const error = await failure(
        download(server.url('/m?signature=x'), target, {}, { ...QUICK, token: TOKEN }),
      );
      expect(error.code).to.equal(code);
      expect(error.message).not.to.contain('signature');
      expect(server.seen).to.have.length(1);
    });
  }

  it('waits as long as a busy server asks, then tries again', async () => {
    server.handler = (request, response) => {
      if (server.seen.length === 1) response.writeHead(429, { 'retry-after': '1' }).end();
      else serve(request, response, content);
    };
    const start = performance.now();
    await download(server.url('/m'), target, expected, QUICK);
    expect(performance.now() - start).to.be.at.least(990);
    await arrived();
  });

  it('gives up after some tries that brought nothing', async () => {
    server.handler = (_request, response) => response.writeHead(503).end();
    const error = await failure(download(server.url('/m'), target, {}, QUICK));
    expect(error).to.deep.include({ code: 'model.import-unreachable', transient: true });
    expect(server.seen).to.have.length(3);
    const { origin } = server;
    await server.close();
    const gone = await failure(download(new URL('/m', origin), target, {}, QUICK));
    expect(gone.code).to.equal('model.import-unreachable');
    server = await new TestServer().start();
  });

  it('leaves a server that falls silent and asks again', async () => {
    server.handler = (request, response) => {
      if (server.seen.length > 1) return serve(request, response, content);
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 10_000));
    };
    await download(server.url('/m'), target, expected, { ...QUICK, stallMs: 1_500 });
    await arrived();
    expect(server.seen).to.have.length(2);
  });

  it('shows the token to the hub only, and checks the hash that the redirect tells', async () => {
    const storage = await new TestServer().start();
    storage.handler = (request, response) => serve(request, response, content);
    let told = expected.sha256;
    server.handler = (_request, response) =>
      response
        .writeHead(302, {
          location: `${storage.origin}/blob?signature=abc`,
          'x-linked-etag': `"${told}"`,
          'x-linked-size': content.length,
        })
        .end();
    try {
      await download(server.url('/m'), target, {}, { ...QUICK, token: TOKEN });
      await arrived();
      expect(server.seen[0]?.authorization).to.equal(`Bearer ${TOKEN}`);
      expect(storage.seen.map(({ authorization }) => authorization)).to.deep.equal([undefined]);
      await rm(target);
      told = '1'.repeat(64);
      const error = await failure(download(server.url('/m'), target, {}, QUICK));
      expect(error.code).to.equal('model.import-corrupt');
    } finally {
      await storage.close();
    }
  });

  it('follows neither loops nor redirects to other kinds of address', async () => {
    for (const location of ['/m', 'file:///etc/passwd', 'http://[broken']) {
      server.handler = (_request, response) => response.writeHead(302, { location }).end();
      const error = await failure(download(server.url('/m'), target, {}, QUICK));
      expect(error.code, location).to.equal('model.import-refused');
    }
  });

  it('sends no token where others could read it, and none that is broken', async () => {
    const options = { ...QUICK, token: TOKEN };
    const open = await failure(download(new URL('http://hub.example/m'), target, {}, options));
    expect(open.message).to.contain('https only');
    const broken = { ...QUICK, token: `${TOKEN}\nx` };
    const error = await failure(download(server.url('/m'), target, {}, broken));
    expect(error.code).to.equal('model.import-refused');
    expect(server.seen).to.deep.equal([]);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    server.handler = (_request, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 10_000), () => stop.abort(new Error('told to stop')));
    };
    const error: unknown = await download(server.url('/m'), target, expected, {
      ...QUICK,
      signal: stop.signal,
    }).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.equal('told to stop');
    expect(server.seen).to.have.length(1);
  });

  if (process.platform === 'linux') {
    it('says so when the disk is full', async () => {
      // What has arrived before goes to a device that is always full.
      await symlink('/dev/full', `${target}.part`);
      server.handler = (request, response) => serve(request, response, content, { etag: null });
      await writeFile(`${target}.part.etag`, '"x"');
      const error = await failure(
        download(server.url('/m'), target, {}, { ...QUICK, attempts: 1 }),
      );
      expect(error.code).to.be.oneOf(['model.import-disk']);
      expect(error.message).to.contain('disk is full');
    });
  }
});
