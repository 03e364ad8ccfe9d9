import { expect } from 'chai';
import { GUARD_DEFAULTS, readGuardOptions } from '../../lib/http/guard-options';

describe('emotionHttp of settings.js', () => {
  it('takes true for the defaults', () => {
    expect(readGuardOptions(true)).to.deep.equal({ options: GUARD_DEFAULTS, problems: [] });
  });

  it('takes what differs from the defaults', () => {
    const { options, problems } = readGuardOptions({
      requestsPerMinute: 30,
      maxBytes: { '/a': 5 },
    });
    expect(problems).to.deep.equal([]);
    expect(options).to.deep.equal({
      ...GUARD_DEFAULTS,
      requestsPerMinute: 30,
      maxBytes: { '/a': 5 },
    });
  });

  const wrong: [object | string | number, string][] = [
    ['on', 'emotionHttp: expected true or an object, got "on"'],
    [[], 'emotionHttp: expected true or an object, got []'],
    [{ maxBytes: { a: 5 } }, 'emotionHttp.maxBytes: expected an object of paths'],
    [{ maxBytes: { '/a': '5mb' } }, 'got {"/a":"5mb"}'],
    [{ maxBytesTogether: 0 }, 'emotionHttp.maxBytesTogether: expected a number of bytes, got 0'],
    [{ requestsPerMinute: -1 }, 'emotionHttp.requestsPerMinute: expected a number'],
    [{ burst: 0 }, 'emotionHttp.burst: expected a number of at least 1, got 0'],
    [{ trustProxy: 1 }, 'emotionHttp.trustProxy: expected true or false, got 1'],
    [{ timeoutSeconds: 'long' }, 'emotionHttp.timeoutSeconds: expected a number of seconds'],
    [{ rate: 1 }, 'emotionHttp.rate: no such setting; there are maxBytes,'],
    [{ constructor: 1 }, 'emotionHttp.constructor: no such setting'],
  ];
  for (const [setting, message] of wrong) {
    it(`names what is wrong with ${JSON.stringify(setting)}, and keeps the default`, () => {
      const { options, problems } = readGuardOptions(setting);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.contain(message);
      expect(options).to.deep.equal(GUARD_DEFAULTS);
    });
  }
});
