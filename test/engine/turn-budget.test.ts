import { expect } from 'chai';
import { TurnBudget } from '../../lib/engine/turn-budget';

describe('TurnBudget', () => {
  /** The turn of the event loop, counted by setImmediate, in which each piece of work was let go. */
  async function turnsOf(budget: TurnBudget, units: number[]): Promise<number[]> {
    let turn = 0;
    let counting = true;
    const count = (): void => {
      turn += 1;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    const turns: number[] = [];
    await Promise.all(
      units.map(async (unit) => {
        await budget.take(unit);
        turns.push(turn);
      }),
    );
    counting = false;
    return turns;
  }

  it('lets so much go at once and the rest in later turns, in order', async () => {
    const turns = await turnsOf(new TurnBudget(10), new Array<number>(95).fill(1));
    expect(turns).to.deep.equal([...turns].sort((a, b) => a - b));
    const counts = new Map<number, number>();
    for (const turn of turns) counts.set(turn, (counts.get(turn) ?? 0) + 1);
    expect([...counts.values()]).to.deep.equal([10, 10, 10, 10, 10, 10, 10, 10, 10, 5]);
  });

  it('lets work larger than a turn go alone', async () => {
    const turns = await turnsOf(new TurnBudget(10), [25, 25, 4, 4, 4]);
    expect(new Set(turns.slice(0, 3)).size).to.equal(3);
    expect(turns[3]).to.equal(turns[2]);
    expect(turns[4]).to.equal(turns[2]);
  });

  it('needs no promise while there is room, and has room again in the next turn', async () => {
    const budget = new TurnBudget(2);
    expect([budget.take(), budget.take()]).to.deep.equal([undefined, undefined]);
    expect(budget.take()).to.be.instanceOf(Promise);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(budget.take()).to.equal(undefined);
  });
});
