import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import type { Result } from '../../lib/emotion/result';
import { packageRoot } from '../../lib/models/package-root';
import { installModel, NodeRed } from './node-red';
import { Specification } from './specification';

const KEY = 'a-key-of-enough-characters';

/** As a person would write it, `settings` being the part that matters to a test. */
const settingsFile = (settings: string) => `
const { apiKey } = require('${packageRoot()}/dist/lib/http/api-key');
module.exports = {
  flowFile: 'flows.json',
  uiHost: '127.0.0.1',
  telemetry: { enabled: false, updateNotification: false },
  ${settings}
};`;

const json = { 'content-type': 'application/json' };

describe('whoever asks the flows over HTTP', function () {
  this.timeout(300_000);
  const specification = new Specification([]);

  describe('with the settings of a first start', () => {
    let nodeRed: NodeRed;
    before(async () => {
      nodeRed = await NodeRed.start();
      await installModel(nodeRed.userDir, 'slow-text', 'slow-text');
    });
    after(() => nodeRed.stop());

    const post = (text: unknown, model?: string) =>
      specification.request(nodeRed.url, 'post', '/emotion/text', {
        headers: json,
        body: JSON.stringify({ text, ...(model && { model }) }),
      });

    it('is answered before sending a body that is too long', async () => {
      for (const path of ['/emotion', '/emotion/text', '/emotion/audio', '/emotion/VIDEO/']) {
        const socket = connect(Number(new URL(nodeRed.url).port), '127.0.0.1');
        socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000001\r\n\r\n`);
        const [answer] = (await once(socket, 'data')) as [Buffer];
        expect(answer.toString(), path).to.match(/^HTTP\/1\.1 413 [^]*"code":"input.too-large"/);
        socket.destroy();
      }
    });

    it('gets every answer to a thousand requests at once', async () => {
      const words = ['happy', 'sad', 'angry'];
      const answers = await Promise.all(
        Array.from({ length: 1000 }, (_, index) => post(`${index} ${words[index % 3]}`)),
      );
      expect(answers.filter(({ status }) => status !== 200)).to.deep.equal([]);
      for (const [index, { body }] of answers.entries()) {
        const { label, source } = body as Result;
        expect({ label, text: source.text }).to.deep.equal({
          label: words[index % 3],
          text: `${index} ${words[index % 3]}`,
        });
      }
    });

    for (const type of ['full', 'flows', 'nodes'] as const) {
      it(`is answered when ${type} are deployed meanwhile, and served again at once`, async () => {
        const { flows } = await nodeRed.flows();
        // In the model when the deploy comes, on its way, and after it.
        const slow = Array.from({ length: 8 }, (_, index) =>
          post(`slow slow slow ${type} ${index}`, 'slow-text'),
        );
        await new Promise((resolve) => setTimeout(resolve, 100));
        const renamed = flows.map((node) =>
          node.type === 'emotion-infer' ? { ...node, name: type } : node,
        );
        const deployed = nodeRed.deploy(renamed, type);
        const during = Array.from({ length: 200 }, (_, index) => post(`happy ${type} ${index}`));
        await deployed;
        const after = post('so sad');
        for (const { status, headers } of await Promise.all([...slow, ...during])) {
          expect(status).to.be.oneOf([200, 503]);
          if (status === 503) expect(headers.get('retry-after')).to.equal('1');
        }
        expect((await after).body).to.include({ label: 'sad' });
      });
    }

    it('is answered on a route with a parameter, when what would have answered was deployed anew', async () => {
      const holding = (name: string) => [
        { id: 'held-tab', type: 'tab', label: 'held' },
        { id: 'held-in', type: 'http in', z: 'held-tab', method: 'get', url: '/emotion/held/:id', wires: [['held-by']] }, // prettier-ignore
        {
          id: 'held-by',
          type: 'function',
          z: 'held-tab',
          name,
          func: 'node.warn(`has it: ${msg.req.params.id}`);',
          wires: [[]],
        },
      ];
      const { flows } = await nodeRed.flows();
      await nodeRed.deploy([...flows, ...holding('before')], 'flows');
      const asked = fetch(`${nodeRed.url}/emotion/held/7`);
      while (!nodeRed.log.includes('has it: 7')) await new Promise((wake) => setTimeout(wake, 20));
      await nodeRed.deploy([...flows, ...holding('after')], 'flows');
      const { status, headers } = await asked;
      expect({ status, retryAfter: headers.get('retry-after') }).to.deep.equal({
        status: 503,
        retryAfter: '1',
      });
      await nodeRed.deploy(flows, 'flows');
    });

    it('leaves nothing in the log that looks like a defect', () => {
      expect(nodeRed.log).not.to.match(/TypeError|ReferenceError|HEADERS_SENT|unhandled/i);
    });
  });

  describe('with a key and a rate', () => {
    let nodeRed: NodeRed;
    before(async () => {
      nodeRed = await NodeRed.start({
        files: {
          'settings.js': settingsFile(`
            httpNodeAuth: apiKey('${KEY}'),
            emotionHttp: { requestsPerMinute: 1, burst: 60, size: 5 },`),
        },
      });
    });
    after(() => nodeRed.stop());

    it('says in the log what is wrong with the settings', () => {
      expect(nodeRed.log).to.contain('[emotion-http-guard] emotionHttp.size: no such setting');
    });

    it('is refused without the key, and served with it', async () => {
      const ask = (headers: Record<string, string>) =>
        specification.request(nodeRed.url, 'post', '/emotion/text', {
          headers: { ...json, ...headers },
          body: '{"text":"I am happy"}',
        });
      expect(await ask({})).to.deep.include({ status: 401 });
      expect((await ask({ 'x-api-key': 'a-key-of-enough-characterz' })).status).to.equal(401);
      expect((await ask({ authorization: `Bearer ${KEY}` })).body).to.include({ label: 'happy' });
    });

    it('is refused on every path without the key, then for asking too often', async () => {
      const { routes, url } = { routes: specification.routes, url: nodeRed.url };
      const ask = (route: string) => {
        const [method, path] = route.split(' ') as ['get' | 'post', string];
        return specification.request(url, method, path, method === 'post' ? { body: '' } : {});
      };
      for (const route of routes) expect((await ask(route)).status, route).to.equal(401);
      let answer = await ask(routes[0]!);
      while (answer.status === 401) answer = await ask(routes[0]!);
      for (const route of routes) {
        const { status, headers } = await ask(route);
        expect(status, route).to.equal(429);
        expect(Number(headers.get('retry-after'))).to.be.within(1, 60);
      }
    });
  });

  describe('with a name and a password', () => {
    it('is asked for them', async () => {
      // bcrypt of "secret"
      const pass = '$2b$08$wXYPkcY5Lndv3jTMSMmCOOH.ciAWx63puWbo58QqVGgmtgnv9RDPC';
      const nodeRed = await NodeRed.start({
        files: { 'settings.js': settingsFile(`httpNodeAuth: { user: 'me', pass: '${pass}' },`) },
      });
      try {
        const ask = (headers: Record<string, string>) =>
          specification.request(nodeRed.url, 'get', '/emotion/models', { headers });
        const refused = await ask({});
        expect(refused.status).to.equal(401);
        expect(refused.headers.get('www-authenticate')).to.match(/^Basic /);
        const credentials = Buffer.from('me:secret').toString('base64');
        expect((await ask({ authorization: `Basic ${credentials}` })).status).to.equal(200);
      } finally {
        await nodeRed.stop();
      }
    });
  });
});
