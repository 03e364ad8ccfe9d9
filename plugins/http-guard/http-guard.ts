import type { Server } from 'node:http';
import type { NodeAPI, NodeAPISettingsWithData } from 'node-red';
import { readGuardOptions } from '../../lib/http/guard-options';
import { RequestGuard } from '../../lib/http/request-guard';
import { routeMatcher } from '../../lib/http/route-pattern';

/** For what the other nodes of a flow still answer after one of them was deployed anew. */
const GRACE_MS = 5_000;

interface Settings extends NodeAPISettingsWithData {
  emotionHttp?: unknown;
}

/** What Node-RED tells with its events about flows that stop. */
interface Stopped {
  readonly type: 'full' | 'flows' | 'nodes';
  readonly config: { readonly flows: readonly FlowNode[] };
  readonly diff: Readonly<
    Partial<Record<'changed' | 'removed' | 'linked' | 'rewired', readonly string[]>>
  >;
}

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly method?: string;
  readonly url?: string;
}

/** What Node-RED gives a plugin, as far as it is used here. */
type PluginAPI = NodeAPI<Settings> & {
  readonly plugins: { registerPlugin(id: string, definition: object): void };
};

/**
 * Limits for whoever asks the flows over HTTP, from `emotionHttp` in settings.js; without that
 * setting it does nothing.
 */
export default function register(RED: PluginAPI): void {
  RED.plugins.registerPlugin('emotion-http-guard', { type: 'emotion-http-guard' });
  const { emotionHttp } = RED.settings;
  if (emotionHttp === undefined || emotionHttp === false) return;
  const server = RED.server as Server | undefined;
  if (!server) {
    RED.log.warn('[emotion-http-guard] no HTTP server, so emotionHttp is not used');
    return;
  }
  const { options, problems } = readGuardOptions(emotionHttp);
  for (const problem of problems) RED.log.error(`[emotion-http-guard] ${problem}`);

  const guard = new RequestGuard(options, () => RED.httpNode.path());
  // Loaded with Node-RED, before its flows; a palette install comes when they run already.
  if (!server.listening) guard.pause();
  guard.attach(server);
  RED.events.on('flows:stopping', () => guard.pause());
  RED.events.on('flows:stopped', (stopped: Stopped) => {
    guard.abandon(lostItsFlow(stopped));
    guard.abandon(lostANode(stopped), GRACE_MS);
  });
  RED.events.on('flows:started', () => guard.resume());
}

/** Which routes lost the whole flow that would have answered. */
function lostItsFlow({ type, config, diff }: Stopped): (route: string) => boolean {
  if (type === 'full') return () => true;
  if (type === 'nodes') return () => false;
  const stopped = stoppedNodes(diff);
  return isOneOf(config.flows.filter(({ id }) => stopped.has(id)));
}

/**
 * Which routes lost some node on their tab. Nodes of the suite fail what they hold, and the flow
 * answers; but what is on its way to a node that is being replaced, nobody gets.
 */
function lostANode({ config, diff }: Stopped): (route: string) => boolean {
  const stopped = stoppedNodes(diff);
  const tabs = new Set(config.flows.filter(({ id }) => stopped.has(id)).map(({ z }) => z));
  return isOneOf(config.flows.filter(({ z }) => z !== undefined && tabs.has(z)));
}

function stoppedNodes(diff: Stopped['diff'] | undefined): Set<string> {
  const { changed = [], removed = [], linked = [], rewired = [] } = diff ?? {};
  return new Set([...changed, ...removed, ...linked, ...rewired]);
}

function isOneOf(nodes: readonly FlowNode[]): (route: string) => boolean {
  const matchers = nodes
    .filter(({ type }) => type === 'http in')
    .map(({ method = '', url = '' }) => routeMatcher(method, url));
  return (route) => matchers.some((matches) => matches(route));
}
