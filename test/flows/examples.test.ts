import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { packageRoot } from '../../lib/models/package-root';
import { until } from '../media/fixtures';
import { freePort, NodeRed } from './node-red';

type FlowNode = Record<string, unknown> & { readonly id: string; readonly type: string };

const folder = join(packageRoot(), 'examples/flows');
const examples = readdirSync(folder).filter((file) => /^\d\d-.+\.json$/.test(file));

/** An otherwise empty Node-RED, with the route by which the tests know that it is ready. */
const EMPTY = [
  { id: 'empty', type: 'tab', label: 'empty' },
  { id: 'in', z: 'empty', type: 'http in', url: '/emotion/models', method: 'get', wires: [['out']] },
  { id: 'out', z: 'empty', type: 'http response', statusCode: '200', wires: [] },
]; // prettier-ignore

describe('an example flow that is imported into an empty Node-RED', function () {
  this.timeout(180_000);
  let nodeRed: NodeRed;
  let known: Set<string>;
  let nobody: number;
  before(async () => {
    nobody = await freePort();
    nodeRed = await NodeRed.start({
      files: { 'flows.json': JSON.stringify(EMPTY) },
      // Nobody is there: what cannot be reached must not keep a flow from starting.
      environment: {
        MQTT_URL: `mqtt://127.0.0.1:${nobody}`,
        OPINION_POSTGRES: `postgres://nobody@127.0.0.1:${nobody}/none`,
      },
    });
    const response = await fetch(`${nodeRed.url}/nodes`, {
      headers: { accept: 'application/json' },
    });
    const sets = (await response.json()) as { types: string[]; err?: unknown }[];
    expect(sets.filter(({ err }) => err)).to.deep.equal([]);
    known = new Set(sets.flatMap(({ types }) => types));
  });
  after(() => nodeRed.stop());

  it('is one of twelve', () => {
    expect(examples.map((file) => Number(file.slice(0, 2)))).to.deep.equal(
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
  });

  for (const file of examples) {
    it(`starts, and begins with a comment that says what to do: ${file}`, async () => {
      const flow = JSON.parse(readFileSync(join(folder, file), 'utf8')) as FlowNode[];
      const [tab, ...others] = flow.filter(({ type }) => type === 'tab');
      expect(others).to.deep.equal([]);
      const [first] = flow.filter(({ z }) => z === tab!.id);
      expect(first).to.include({ type: 'comment' });
      const said = `${String(first!.name)} ${String(first!.info)} ${String(tab!.info)}`;
      expect(said)
        .to.match(/\b(deploy|press|click)\b/i)
        .and.to.match(/部署|点击/);
      const above = flow.filter(({ z, y, type }) => z === tab!.id && type !== 'group' && Number(y) < Number(first!.y)); // prettier-ignore
      expect(above, 'nodes above the comment').to.deep.equal([]);

      const special = ['tab', 'group', 'subflow'];
      expect(flow.filter(({ type }) => !known.has(type) && !special.includes(type))).to.deep.equal([]); // prettier-ignore

      const port = await freePort();
      const logged = nodeRed.log.length;
      await nodeRed.deploy(
        flow.map((node) => {
          if (node.type === 'aedes broker') return { ...node, mqtt_port: String(port) };
          if (node.type === 'debug') return { ...node, console: true };
          if (node.type !== 'mqtt-broker' || !node.port) return node;
          return { ...node, port: String(file.startsWith('10') ? port : nobody) };
        }),
      );
      const { flows } = await nodeRed.flows();
      expect(flows).to.have.length(flow.length);
      const log = () => nodeRed.log.slice(logged);
      expect(log()).not.to.match(/missing|not deployed|TypeError|ReferenceError|Uncaught/i);
      // What comes out of the first button; the other examples have tests of their own for it.
      if (!file.startsWith('01')) return;
      const buttons = flow.filter(({ type }) => type === 'inject');
      for (const [index, { id }] of buttons.entries()) {
        expect((await fetch(`${nodeRed.url}/inject/${id}`, { method: 'POST' })).status).to.equal(
          200,
        );
        await until(
          () => (log().match(/modality: 'text',\s+label: '[a-z]+'/g)?.length ?? 0) > index,
          `an emotion for ${id}`,
        );
      }
    });
  }
});
