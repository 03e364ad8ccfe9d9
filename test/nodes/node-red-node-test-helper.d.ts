declare module 'node-red-node-test-helper' {
  import type { Node } from 'node-red';

  interface Request extends Promise<{ status: number; body: unknown; text: string }> {
    type(kind: 'form' | 'json'): this;
    send(body: object | string): this;
  }

  /** The part of the helper that the tests use. */
  const helper: {
    init(runtimePath: string): void;
    settings(settings: Record<string, unknown>): void;
    load(nodes: readonly unknown[], flow: readonly unknown[], credentials?: object): Promise<void>;
    unload(): Promise<void>;
    getNode(id: string): Node;
    setFlows(flow: readonly unknown[], type: 'full' | 'flows' | 'nodes'): Promise<void>;
    request(): Record<'get' | 'post' | 'delete', (path: string) => Request>;
  };
  export default helper;
}
