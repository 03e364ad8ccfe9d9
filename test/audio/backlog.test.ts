import { expect } from 'chai';
import { SoundBacklog } from '../../lib/audio/backlog';

/** One second of a connection, filled with its own number. */
function second(time: number, connection = 1) {
  return { time, connection, data: new Float32Array(10).fill(time) };
}

const first = (piece: { samples: Float32Array } | undefined) => piece?.samples[0];

describe('SoundBacklog', () => {
  it('gives what waits as one piece, and says only once where it begins', () => {
    const backlog = new SoundBacklog({ sampleRateHz: 10, limitSeconds: 60 });
    expect(backlog.take()).to.equal(undefined);
    backlog.push(second(5));
    backlog.push(second(6));
    expect(backlog.seconds).to.equal(2);
    expect(backlog.take()).to.deep.equal({
      samples: Float32Array.from([...Array<number>(10).fill(5), ...Array<number>(10).fill(6)]),
      restartAt: 5,
    });
    backlog.push(second(7));
    expect(backlog.take()).to.not.have.property('restartAt');
  });

  it('gives up the oldest when it is full, counts it, and says that something is missing', () => {
    const backlog = new SoundBacklog({ sampleRateHz: 10, limitSeconds: 3 });
    backlog.push(second(0));
    backlog.take();
    for (let time = 1; time <= 9; time += 1) backlog.push(second(time));
    expect(backlog.seconds).to.equal(3);
    expect(backlog.droppedSeconds).to.equal(6);
    const piece = backlog.take();
    expect(piece).to.include({ restartAt: 7 });
    expect(first(piece)).to.equal(7);
  });

  it('does not join two connections', () => {
    const backlog = new SoundBacklog({ sampleRateHz: 10, limitSeconds: 60 });
    backlog.push(second(1, 1));
    backlog.push(second(9, 2));
    backlog.push(second(10, 2));
    expect(backlog.take()?.samples).to.have.length(10);
    const piece = backlog.take();
    expect(piece?.samples).to.have.length(20);
    expect(piece).to.include({ restartAt: 9 });
  });

  it('keeps one piece that is longer than the limit, and can be cleared', () => {
    const backlog = new SoundBacklog({ sampleRateHz: 10, limitSeconds: 0.5 });
    backlog.push(second(1));
    expect(first(backlog.take())).to.equal(1);
    backlog.push(second(2));
    backlog.clear();
    expect(backlog.take()).to.equal(undefined);
  });
});
