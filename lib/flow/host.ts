import type { Catalogue, FlowMessage } from './message';
import type { PropertyHost, PropertyReference, PropertyType } from './property';

/** Where the texts that all nodes share are kept: the message catalogue of emotion-model. */
const SHARED_CATALOGUE = '@emowire/node-red-emotion/emotion-model';

/** Node-RED's `RED._`, which gives the key back when it knows no text for it. */
export type Translate = (key: string, options: Record<string, number>) => string;

/** The part of `RED.util` that properties need. */
export interface PropertyUtilities {
  evaluateNodeProperty(
    path: string,
    type: string,
    node: ContextOwner,
    message: FlowMessage,
    callback: (error: unknown, value?: unknown) => void,
  ): void;
  setMessageProperty(message: FlowMessage, path: string, value: unknown, create: boolean): unknown;
  parseContextStore(path: string): { key: string; store?: string | undefined };
  normalisePropertyExpression(path: string, message: FlowMessage, asString: true): unknown;
}

interface Context {
  set(
    key: string,
    value: unknown,
    store: string | undefined,
    callback: (error?: unknown) => void,
  ): void;
}

/** A node, as far as its contexts go. */
export interface ContextOwner {
  context(): Record<Exclude<PropertyType, 'msg'>, Context>;
}

/**
 * The catalogue of the suite in the language of the runtime. A text is looked up once: the host takes
 * longer for it than many a message takes for all the rest.
 */
export function sharedCatalogue(translate: Translate): Catalogue {
  const known = new Map<string, string>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const full = `${SHARED_CATALOGUE}:${key}`;
    const text = translate(full, { skipInterpolation: 1 });
    // Not kept: the catalogue may not be loaded yet.
    if (text === key || text === full) return undefined;
    known.set(key, text);
    return text;
  };
}

/** Properties as Node-RED's own nodes read and write them, `payload[msg.topic]` and stores included. */
export function propertyHost(utilities: PropertyUtilities, node: ContextOwner): PropertyHost {
  return {
    read({ type, path }, message, callback) {
      utilities.evaluateNodeProperty(path, type, node, message, callback);
    },
    write({ type, path }: PropertyReference, message, value, callback) {
      if (type === 'msg') {
        utilities.setMessageProperty(message, path, value, true);
        callback();
        return;
      }
      const { key, store } = utilities.parseContextStore(path);
      const resolved = key.includes('[msg')
        ? String(utilities.normalisePropertyExpression(key, message, true))
        : key;
      node.context()[type].set(resolved, value, store, callback);
    },
  };
}
