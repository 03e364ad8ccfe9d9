import { expect } from 'chai';
import * as fc from 'fast-check';
import type { Result } from '../../lib/emotion/result';
import { encodeJpeg } from '../../lib/video/annotate';
import { babble } from '../audio/signal';
import { wavFile } from '../audio/wav';
import { portrait } from '../video/face-files';
import { NodeRed } from './node-red';
import { requestsFor } from './request-generator';
import { Specification } from './specification';

/** How many requests for texts; others take longer, files above all, and get fewer. */
const RUNS = Number(process.env.EMOTION_FUZZ_RUNS ?? 300);
const SEED = Number(process.env.EMOTION_FUZZ_SEED ?? 20260601);
const SHARE_OF_OTHERS = 0.05;

describe('any request that the specification allows, or does not', function () {
  this.timeout(Math.max(300_000, RUNS * 500));
  const specification = new Specification([]);
  const files = [wavFile(babble(1)), encodeJpeg(portrait(), 90)];
  let nodeRed: NodeRed;
  before(async () => {
    nodeRed = await NodeRed.start();
  });
  after(() => nodeRed.stop());

  for (const route of specification.routes) {
    const [method, path] = route.split(' ') as ['get' | 'post', string];
    const operation = specification.operation(method, path);
    // Of other requests a schema cannot say all that is asked of them, such as whole files or dates:
    // their answers are held to the specification alone.
    const isExact = method === 'get' || path === '/emotion/text';

    it(`has an answer as promised: ${method.toUpperCase()} ${path}`, async () => {
      const isValid = specification.validatorOf(operation.requestBody);
      await fc.assert(
        fc.asyncProperty(requestsFor(operation, isValid, files), async (request) => {
          const { query, headers, body, valid, value } = request;
          const init = { headers, ...(method === 'post' && { body: new Uint8Array(body) }) };
          const answer = await specification.request(nodeRed.url, method, path, init, query);
          const shown = `${answer.status} ${JSON.stringify(answer.body)}`;
          // What is wrong with a request is the client's to know, and no fault of the server.
          expect(answer.status, shown).to.be.below(500);
          if (!isExact) return;
          // A model of that name may not be installed.
          if (valid) expect(answer.status, shown).to.be.oneOf([200, 422]);
          else expect(answer.status, shown).to.be.oneOf([400, 413, 415]);
          if (answer.status === 200 && value !== undefined) echoes(value, answer.body);
        }),
        {
          seed: SEED,
          numRuns: Math.ceil(isExact ? RUNS : RUNS * SHARE_OF_OTHERS),
          endOnFailure: true,
        },
      );
      // It is as well as before.
      const good = { headers: { 'content-type': 'text/plain' }, body: 'I am happy' };
      const { body } = await specification.request(nodeRed.url, 'post', '/emotion/text', good);
      expect(body).to.include({ label: 'happy' });
    });
  }

  it('leaves nothing in the log that looks like a defect', () => {
    expect(nodeRed.log).not.to.match(/TypeError|ReferenceError|HEADERS_SENT|unhandled/i);
  });
});

/** An array is answered with an array, each result with the text that it is for. */
function echoes(value: unknown, body: unknown): void {
  const { text } = value as { text: string | string[] };
  const texts = Array.isArray(text) ? text : [text];
  const results = (Array.isArray(text) ? body : [body]) as Result[];
  expect(results.map(({ source }) => wellFormed(source.text ?? ''))).to.deep.equal(
    texts.map(wellFormed),
  );
}

/** With U+FFFD in the place of half characters. */
const wellFormed = (text: string): string => Buffer.from(text).toString();
