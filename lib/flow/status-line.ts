import type { FlowNode, NodeStatus } from './message';

/** The editor cuts longer texts off or lets them run over the next node. */
export const STATUS_LENGTH = 19;

const EMPTY = {} as const;

/** @example fitStatus('a text that is far too long'); // → 'a text that is far…' */
export function fitStatus(text: string): string {
  const characters = Array.from(text);
  return characters.length <= STATUS_LENGTH
    ? text
    : `${characters.slice(0, STATUS_LENGTH - 1).join('')}…`;
}

/**
 * The status of one node: each change is a message to every open editor, so at most one leaves in
 * `intervalMs`, the last one wins, and what is shown already is not sent again.
 */
export class StatusLine {
  private shown: NodeStatus | null = null;
  private next: NodeStatus | null | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly node: Pick<FlowNode, 'status'>,
    private readonly intervalMs = 350,
  ) {}

  show(status: NodeStatus): void {
    this.schedule({ ...status, text: fitStatus(status.text) });
  }

  clear(): void {
    this.schedule(null);
  }

  /** Nothing is sent any more: the host has forgotten the status of a node that closes. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.next = undefined;
  }

  private schedule(status: NodeStatus | null): void {
    if (this.closed) return;
    this.next = status;
    if (this.timer !== undefined) return;
    this.flush();
  }

  private flush(): void {
    this.timer = undefined;
    const next = this.next;
    this.next = undefined;
    if (next === undefined || same(next, this.shown)) return;
    this.shown = next;
    this.timer = setTimeout(() => this.flush(), this.intervalMs);
    this.timer.unref();
    this.node.status(next ?? EMPTY);
  }
}

function same(a: NodeStatus | null, b: NodeStatus | null): boolean {
  if (a === null || b === null) return a === b;
  return a.fill === b.fill && a.shape === b.shape && a.text === b.text;
}
