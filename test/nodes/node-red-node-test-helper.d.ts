declare module 'node-red-node-test-helper' {
  import type { Node } from 'node-red';

  /** The part of the helper that the tests use. */
  const helper: {
    init(runtimePath: string): void;
    settings(settings: Record<string, unknown>): void;
    load(nodes: readonly unknown[], flow: readonly unknown[]): Promise<void>;
    unload(): Promise<void>;
    getNode(id: string): Node;
    setFlows(flow: readonly unknown[], type: 'full' | 'flows' | 'nodes'): Promise<void>;
    request(): { get(path: string): Promise<{ status: number; body: unknown; text: string }> };
  };
  export default helper;
}
