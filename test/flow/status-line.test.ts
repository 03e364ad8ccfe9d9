import { expect } from 'chai';
import type { NodeStatus } from '../../lib/flow/message';
import { fitStatus, STATUS_LENGTH, StatusLine } from '../../lib/flow/status-line';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const status = (text: string): NodeStatus => ({ fill: 'green', shape: 'dot', text });

function record(intervalMs?: number) {
  const sent: { text: string; at: number }[] = [];
  const line = new StatusLine(
    { status: (shown) => sent.push({ text: shown.text ?? '', at: performance.now() }) },
    intervalMs,
  );
  return { sent, line, texts: () => sent.map(({ text }) => text) };
}

describe('StatusLine', () => {
  it('sends the first change at once and of those that follow only the last one', async () => {
    const { line, texts } = record(200);
    for (let count = 0; count < 100; count += 1) line.show(status(`${count}`));
    expect(texts()).to.deep.equal(['0']);
    await sleep(250);
    expect(texts()).to.deep.equal(['0', '99']);
  });

  it('sends at most three changes a second', async () => {
    const { line, sent } = record();
    for (let count = 0; sent.length < 4; count += 1) {
      line.show(status(`${count}`));
      await sleep(5);
    }
    line.close();
    // A timer may be a millisecond early.
    expect(sent[3]!.at - sent[0]!.at).to.be.at.least(1_000);
  });

  it('does not repeat what is shown', async () => {
    const { line, texts } = record(100);
    line.show(status('happy'));
    line.show(status('sad'));
    line.show(status('happy'));
    await sleep(150);
    expect(texts()).to.deep.equal(['happy']);
    line.clear();
    await sleep(150);
    line.clear();
    expect(texts()).to.deep.equal(['happy', '']);
  });

  it('sends nothing after it is closed', async () => {
    const { line, texts } = record(100);
    line.show(status('a'));
    line.show(status('b'));
    line.close();
    line.show(status('c'));
    await sleep(150);
    expect(texts()).to.deep.equal(['a']);
  });

  it('cuts texts to fewer than 20 characters without splitting one', async () => {
    expect(fitStatus('nineteen characters')).to.equal('nineteen characters');
    const cut = fitStatus('😀'.repeat(25));
    expect(Array.from(cut)).to.have.length(STATUS_LENGTH);
    expect(cut).to.equal(`${'😀'.repeat(STATUS_LENGTH - 1)}…`);
    const { line, texts } = record(10);
    line.show(status('a text that is far too long'));
    expect(texts()[0]).to.have.length(STATUS_LENGTH);
    await sleep(15);
  });
});
