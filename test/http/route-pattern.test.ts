import { expect } from 'chai';
import { routeKey, routeMatcher } from '../../lib/http/route-pattern';

const CASES: readonly [
  method: string,
  url: string,
  yes: readonly string[],
  no: readonly string[],
][] = [
  [
    'post',
    '/emotion/text',
    ['POST /emotion/text', 'POST /Emotion/TEXT/'],
    ['GET /emotion/text', 'POST /emotion/texts', 'POST /emotion/text/1', 'POST /a/emotion/text'],
  ],
  [
    'get',
    'emotion/models',
    ['GET /emotion/models', 'HEAD /emotion/models'],
    ['POST /emotion/models'],
  ],
  [
    'get',
    '/jobs/:id',
    ['GET /jobs/7', 'HEAD /jobs/7', 'GET /jobs/%E4%B8%80', 'GET /jobs/7/'],
    ['GET /jobs', 'GET /jobs/', 'GET /jobs/7/rows', 'DELETE /jobs/7'],
  ],
  ['delete', '/jobs/:id/rows/:row', ['DELETE /jobs/a/rows/b'], ['DELETE /jobs/a/rows']],
  ['get', '/jobs/:id(\\d+)', ['GET /jobs/42'], ['GET /jobs/all']],
  ['get', '/jobs/:id?', ['GET /jobs', 'GET /jobs/7'], ['GET /jobs/7/8', 'GET /jobsx']],
  ['get', '/files/*', ['GET /files/a/b.csv', 'GET /files/x'], ['GET /file/a']],
  ['get', '/v1.0/x', ['GET /v1.0/x'], ['GET /v100/x']],
  ['get', '/:day-:hour.csv', ['GET /monday-12.csv'], ['GET /monday.csv', 'GET /monday-12xcsv']],
  ['get', '/', ['GET /'], ['GET /x']],
  ['get', '/broken(', [], ['GET /broken(', 'GET /broken']],
];

describe('routeMatcher', () => {
  for (const [method, url, yes, no] of CASES) {
    it(`knows what comes to ${method} ${url}`, () => {
      const matches = routeMatcher(method, url);
      const key = (request: string) => routeKey(...(request.split(' ') as [string, string]));
      expect(yes.filter((request) => !matches(key(request)))).to.deep.equal([]);
      expect(no.filter((request) => matches(key(request)))).to.deep.equal([]);
    });
  }
});
