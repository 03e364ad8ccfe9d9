import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';

/** What a message tells the node to do with it. */
export interface ShakyMessage extends NodeMessage {
  /** How often it fails before it goes through. */
  failures?: number;
  /** `done`: by the message; `report`: with an error of its own, then done; `throw`; `silent`: with an error once, then never; `late`:
   * with an error once, then it goes through after half a second. */
  how?: 'done' | 'report' | 'throw' | 'silent' | 'late';
  code?: string;
}

/** A node that fails a message as often as it asks for, in the way that it asks for. */
export function registerShaky(RED: NodeAPI): void {
  function Shaky(this: Node, definition: NodeDef): void {
    RED.nodes.createNode(this, definition);
    const seen = new Map<string, number>();
    this.on('input', (message: ShakyMessage, send, done) => {
      const times = (seen.get(String(message._msgid)) ?? 0) + 1;
      seen.set(String(message._msgid), times);
      const { failures = Infinity, how = 'done', code = 'engine.crashed' } = message;
      if (times > failures) {
        send({ ...message, went: times });
        done();
        return;
      }
      const error = Object.assign(new Error(`attempt ${times}`), { code });
      if (how === 'throw') throw error;
      if (how === 'late' && times > 1) {
        setTimeout(() => {
          send(message);
          done();
        }, 500);
        return;
      }
      if (how === 'done' || ((how === 'silent' || how === 'late') && times === 1)) done(error);
      if (how === 'report') {
        this.error(error, message);
        done();
      }
    });
  }
  RED.nodes.registerType('shaky', Shaky);
}
