import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import type { Alert, IntervalStatistics } from '../../lib/opinion/alert';
import { HOUR, life, MINUTE, MONDAY } from '../opinion/days';
import { Flow } from './harness';

const node = {
  id: 'alert',
  type: 'emotion-alert',
  timeZone: 'UTC',
  wires: [['out'], ['aside']],
};
const from = MONDAY + 11 * HOUR;
/** Four hours of a topic with an incident in them, an hour a message. */
const batches = (() => {
  const events = [{ from, minutes: 30, volume: 4, share: 0.8 }];
  const minutes = [...life({ seed: 2, from: MONDAY + 8 * HOUR, days: 1 / 6, rate: 8, events })];
  return [0, 1, 2, 3].map((hour) => minutes.slice(hour * 60, hour * 60 + 60).flat());
})();

const message = (value: object) => value as NodeMessage;
const posts = (batch: number) => message({ posts: batches[batch] });
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
};
const codes = (caught: { error: { code?: string } }[]) => caught.map(({ error }) => error.code);

describe('emotion-alert', function () {
  this.timeout(120_000);
  let flow: Flow;
  afterEach(() => flow.stop());

  it('tells alerts at its first output and statistics at its second', async () => {
    flow = await Flow.start([node]);
    const alerts = flow.messages('out');
    const statistics = flow.messages('aside');
    for (const batch of [0, 1, 2, 3]) await flow.send('alert', posts(batch));
    await until(() => statistics.length === 4);
    const raised = alerts
      .map(({ payload }) => payload as Alert)
      .filter(({ event }) => event === 'raised');
    expect(raised.map(({ kind }) => kind)).to.have.members(['volume', 'negative-share']);
    for (const { time, topic } of raised) {
      expect(topic).to.equal('all');
      expect(time - from).to.be.within(0, 5 * MINUTE);
    }
    expect(alerts[0]).to.deep.include({ topic: 'all', alert: alerts[0]!.payload });
    const intervals = statistics.flatMap(({ payload }) => payload as IntervalStatistics[]);
    expect(intervals).to.have.length(239);
  });

  it('takes the results from the payload, as they stand there after inference', async () => {
    flow = await Flow.start([node]);
    const statistics = flow.messages('aside');
    const bare = batches[0]!.map((post) => ({ ...post, result: undefined }));
    const payload = batches[0]!.map(({ result }) => result);
    await flow.send('alert', message({ posts: bare, payload }));
    await until(() => statistics.length > 0);
    const intervals = statistics[0]!.payload as IntervalStatistics[];
    expect(intervals.reduce((sum, { certain }) => sum + certain, 0)).to.be.above(100);
    for (const [wrong, code] of [
      [payload.slice(1), 'opinion.results-mismatch'],
      [bare.map(({ text }) => text), 'fusion.not-a-result'],
    ] as const) {
      const { caught } = await flow.sendUntilAnswered(
        'alert',
        message({ posts: bare, payload: wrong }),
      );
      expect(codes(caught)).to.deep.equal([code]);
    }
  });

  it('goes on after a deploy, and forgets on reset', async () => {
    flow = await Flow.start([node]);
    for (const batch of [0, 1, 2]) await flow.send('alert', posts(batch));
    await flow.deploy([{ ...node, minVolume: 21 }]);
    const alerts = flow.messages('out');
    await flow.send('alert', posts(3));
    await until(() => alerts.length > 0);
    expect((alerts[0]!.payload as Alert).event).to.equal('raised');
    await flow.send('alert', message({ reset: true }));
    const again = flow.messages('aside');
    await flow.send('alert', posts(0));
    await until(() => again.length > 0);
    const [first] = again[0]!.payload as IntervalStatistics[];
    expect(first).to.include({ time: MONDAY + 8 * HOUR, expectedVolume: null, late: 0 });
  });

  it('catches what is no post, and a wrong time zone does not stop it', async () => {
    flow = await Flow.start([{ ...node, timeZone: 'Mars/Olympus', quiet: true, quietFrom: 'x' }]);
    for (const [value, code] of [
      [undefined, 'input.property-missing'],
      [null, 'opinion.not-a-post'],
      [7, 'opinion.not-a-post'],
      [['x', {}], 'opinion.not-a-post'],
      ['涨'.repeat(10_000_000), 'input.too-large'],
      [{ text: 'x', result: { label: 'happy' } }, 'fusion.not-a-result'],
    ] as const) {
      const { caught } = await flow.sendUntilAnswered('alert', message({ posts: value }));
      expect(codes(caught)).to.deep.equal([code]);
    }
    const { completed } = await flow.send('alert', message({ posts: { text: 'x', time: 'not' } }));
    expect(completed).to.deep.equal([]);
    expect((await flow.send('alert', message({ posts: ['a post'] }))).completed).to.deep.equal([
      'alert',
    ]);
  });

  describe('sent to a webhook by the http request node', () => {
    let server: Server;
    let address: string;
    const received: { url: string; type: string; body: Record<string, unknown> }[] = [];
    before(async () => {
      server = createServer((request, response) => {
        void read(request).then((body) => {
          received.push({
            url: request.url ?? '',
            type: request.headers['content-type'] ?? '',
            body: JSON.parse(body) as Record<string, unknown>,
          });
          response.setHeader('content-type', 'application/json').end('{"errcode":0}');
        });
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/send?key=k`;
    });
    after(() => server.close());

    const read = async (request: IncomingMessage) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString();
    };

    const shapes: [string, (body: Record<string, unknown>) => void][] = [
      [
        'wecom',
        (body) => expect(body).to.have.nested.property('markdown.content').that.is.a('string'),
      ],
      ['wecom-text', (body) => expect(body).to.have.nested.property('text.content')],
      [
        'feishu',
        (body) => {
          expect(body).to.include.all.keys('timestamp', 'sign', 'card');
          expect(body['msg_type']).to.equal('interactive');
        },
      ],
      ['feishu-text', (body) => expect(body).to.have.nested.property('content.text')],
      ['dingtalk', (body) => expect(body).to.have.nested.property('markdown.text')],
      ['slack', (body) => expect(body['blocks']).to.be.an('array').that.is.not.empty],
    ];
    for (const [format, check] of shapes) {
      it(format, async () => {
        received.length = 0;
        flow = await Flow.start([
          {
            ...node,
            format,
            wires: [['request'], []],
            credentials: { url: address, secret: 's' },
          },
          { id: 'request', type: 'http request', method: 'use', ret: 'obj', wires: [['out']] },
        ]);
        const answers = flow.messages('out');
        for (const batch of [0, 1, 2, 3])
          flow.give('alert', { ...posts(batch), _msgid: `${batch}` });
        await until(() => answers.length > 1);
        for (const answer of answers) {
          expect(answer).to.deep.include({ statusCode: 200, payload: { errcode: 0 } });
        }
        for (const { url, type, body } of received) {
          expect(type).to.match(/^application\/json/);
          expect(url).to.match(format === 'dingtalk' ? /key=k&timestamp=\d{13}&sign=/ : /key=k$/);
          check(body);
        }
      });
    }
  });
});
