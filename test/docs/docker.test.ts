import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { packageRoot } from '../../lib/models/package-root';

const root = packageRoot();
const read = (file: string): string => readFileSync(join(root, 'docker', file), 'utf8');

interface Service {
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

describe('the files for Docker', () => {
  const dockerfile = read('Dockerfile').replaceAll('\\\n', ' ');
  const compose = parse(read('compose.yaml')) as {
    services: Readonly<Record<string, Service>>;
    volumes: Readonly<Record<string, null>>;
  };

  it('copy only what is there, and run as an ordinary user', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(?:--\S+ )?(.+) \S+$/gm)].flatMap(
      ([, sources]) => sources!.split(' '),
    );
    expect(copied.filter((file) => !existsSync(join(root, file)))).to.deep.equal([]);
    expect(dockerfile.match(/^USER .*$/gm)).to.deep.equal(['USER node']);
    expect(dockerfile).to.match(/^HEALTHCHECK /m);
  });

  it('merge example flows into one that Node-RED can load', () => {
    const names = /merge-flows\.cjs \S+ +(.+?) +>/.exec(dockerfile)![1]!.split(/ +/);
    const there = names.filter((name) => existsSync(join(root, 'examples/flows', `${name}.json`)));
    expect(there).to.include('02-text-http-api');
    const flows = JSON.parse(
      execFileSync(
        process.execPath,
        [join(root, 'docker/merge-flows.cjs'), join(root, 'examples/flows'), ...there],
        { encoding: 'utf8', maxBuffer: 1e8 },
      ),
    ) as { id: string; type: string; url?: string; method?: string }[];
    expect(new Set(flows.map(({ id }) => id)).size).to.equal(flows.length);
    // What health.cjs asks for.
    expect(flows).to.deep.include.members([
      flows.find(({ type, url }) => type === 'http in' && url === '/emotion/models'),
    ]);
  });

  it('open nothing to a network, and take no password from the file', () => {
    for (const [name, { ports = [], environment = {} }] of Object.entries(compose.services)) {
      for (const port of ports) expect(port, name).to.match(/^127\.0\.0\.1:/);
      for (const [variable, value] of Object.entries(environment)) {
        if (/PASS|SECRET|KEY|HASH/.test(variable))
          expect(value, variable).to.match(/^\$\{\w+:[-?]/);
      }
    }
  });

  it('name services and volumes that there are', () => {
    for (const { depends_on = {}, volumes = [] } of Object.values(compose.services)) {
      expect(compose.services).to.include.all.keys(...Object.keys(depends_on), 'node-red');
      for (const volume of volumes) {
        const [source] = volume.split(':');
        if (source!.startsWith('.'))
          expect(existsSync(join(root, 'docker', source!))).to.equal(true);
        else expect(compose.volumes).to.have.property(source!);
      }
    }
  });
});
