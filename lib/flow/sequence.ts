/**
 * Keeps the messages of one sequence (`msg.parts.id`) in the order in which they came, although
 * they are worked on at the same time and a cached answer overtakes a computed one. Messages of
 * different sequences, and messages of none, do not wait for each other.
 */
export class SequenceOrder {
  private readonly tails = new Map<string, Promise<void>>();

  /**
   * Joins the line of a sequence. `turn` resolves when every earlier message has left; `leave` must
   * be called exactly once, whatever became of the message.
   */
  join(id: string | undefined): { readonly turn: Promise<void>; readonly leave: () => void } {
    if (id === undefined) return { turn: Promise.resolve(), leave: () => undefined };
    const turn = this.tails.get(id) ?? Promise.resolve();
    let leave!: () => void;
    const left = new Promise<void>((resolve) => (leave = resolve));
    const tail = turn.then(() => left);
    this.tails.set(id, tail);
    void tail.then(() => {
      if (this.tails.get(id) === tail) this.tails.delete(id);
    });
    return { turn, leave };
  }
}
