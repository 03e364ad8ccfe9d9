import type { IncomingMessage } from 'node:http';
import { expect } from 'chai';
import { clientOf } from '../../lib/http/client';

const request = (remoteAddress?: string, forwarded?: string): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } }) as never;

describe('the client of a request', () => {
  const clients: [string, string][] = [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:2::99', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ];
  for (const [address, client] of clients) {
    it(`of ${address} is ${client}`, () => {
      expect(clientOf(request(address), false)).to.equal(client);
    });
  }

  it('is not what the request says of itself', () => {
    expect(clientOf(request('192.0.2.7', '198.51.100.1'), false)).to.equal('192.0.2.7');
  });

  it('is the last address that a trusted proxy appended', () => {
    const forged = request('192.0.2.7', '10.0.0.1, 198.51.100.1');
    expect(clientOf(forged, true)).to.equal('198.51.100.1');
    expect(clientOf(request('192.0.2.7'), true)).to.equal('192.0.2.7');
  });

  it('has a name even when the connection is gone', () => {
    expect(clientOf(request(undefined), false)).to.equal('');
  });
});
