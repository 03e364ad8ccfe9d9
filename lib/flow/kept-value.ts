/** The context of a flow, as far as keeping one value goes. */
interface FlowContext {
  get(key: string, callback: (error: unknown, value?: unknown) => void): void;
  set(key: string, value: unknown, callback: (error?: unknown) => void): void;
}

/** What outlives its node. */
export interface KeptValue {
  load(): Promise<unknown>;
  save(value: unknown): Promise<void>;
}

/**
 * One value of a node in the default store of its flow's context; Node-RED empties a node's own
 * context when the node is deployed again. It outlives a restart where the store is a persistent one
 * (`contextStorage` in Node-RED's settings).
 *
 * @param name of the value; the id of the node is added to it
 */
export function keptValue(node: { readonly id: string }, name: string): KeptValue {
  const key = `${name}_${node.id.replace(/\W/g, '_')}`;
  const context = () => (node as unknown as { context(): { flow: FlowContext } }).context().flow;
  return {
    load: () =>
      new Promise((resolve, reject) => {
        context().get(key, (error, value) => {
          if (error) reject(asError(error));
          else resolve(value);
        });
      }),
    save: (value) =>
      new Promise((resolve, reject) => {
        context().set(key, value, (error) => {
          if (error) reject(asError(error));
          else resolve();
        });
      }),
  };
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
