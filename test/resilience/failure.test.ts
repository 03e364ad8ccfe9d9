import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import {
  StoppedError,
  failureCode,
  failureName,
  isRetryable,
  isSourceFailure,
} from '../../lib/resilience/failure';

describe('failures', () => {
  it('are known by their code, also as a Catch node describes them', () => {
    expect(failureCode(new EmotionError('queue.full', 'full'))).to.equal('queue.full');
    expect(failureCode({ message: 'full', code: 'queue.full' })).to.equal('queue.full');
    expect(failureCode({ code: 'ECONNREFUSED' })).to.equal(undefined);
    expect(failureCode({ code: 'toString' })).to.equal(undefined);
    expect(failureCode({ code: 7 })).to.equal(undefined);
    expect(failureCode('queue.full')).to.equal(undefined);
    expect(failureCode(null)).to.equal(undefined);
  });

  it('are worth another attempt when they may pass, or when nobody knows them', () => {
    expect(isRetryable({ code: 'engine.crashed' })).to.equal(true);
    expect(isRetryable({ code: 'input.wrong-type' })).to.equal(false);
    expect(isRetryable({ code: 'model.hash-mismatch' })).to.equal(false);
    expect(isRetryable(new Error('socket hang up'))).to.equal(true);
    expect(isRetryable(undefined)).to.equal(true);
    expect(isRetryable(new StoppedError())).to.equal(false);
  });

  it('speak against their source unless the input was wrong', () => {
    expect(isSourceFailure({ code: 'engine.crashed' })).to.equal(true);
    expect(isSourceFailure({ code: 'model.hash-mismatch' })).to.equal(true);
    expect(isSourceFailure({ code: 'queue.full' })).to.equal(true);
    expect(isSourceFailure({ code: 'media.unreadable' })).to.equal(false);
    expect(isSourceFailure({ code: 'input.not-a-sample' })).to.equal(false);
    expect(isSourceFailure({ code: 'queue.superseded' })).to.equal(false);
    expect(isSourceFailure(new Error('boom'))).to.equal(true);
    expect(isSourceFailure(new StoppedError())).to.equal(false);
  });

  it('have a short name', () => {
    expect(failureName({ code: 'engine.crashed', message: 'long text' })).to.equal(
      'engine.crashed',
    );
    expect(failureName(new Error('boom'))).to.equal('boom');
    expect(failureName('boom')).to.equal('boom');
    expect(failureName({ message: 7 })).to.equal('unknown');
    expect(failureName(undefined)).to.equal('unknown');
    expect(failureName(new Error('x'.repeat(10_000)))).to.have.length(200);
  });
});
