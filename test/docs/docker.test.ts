import { execFileSync, spawnSync } from 'node:child_process';
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

  it('look for what npm may leave out without a word', () => {
    const { optionalDependencies } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    ) as { optionalDependencies: Record<string, string> };
    const looked = / && ls (.+?) && /.exec(dockerfile)![1]!;
    for (const name of Object.keys(optionalDependencies))
      expect(looked).to.include(`node_modules/${name}`);
    if (process.platform !== 'linux') return;
    // The same pattern finds them here, where they are installed for this machine.
    const files = execFileSync('sh', ['-c', `ls ${looked}`], { cwd: root, encoding: 'utf8' });
    expect(files.trim().split('\n')).to.have.length(2);
  });

  it('take what is native in the versions that the suite was tested with', () => {
    const [, expression] = / && node -p "(.+?)" > \/pack\/native/.exec(dockerfile)!;
    const printed = execFileSync(process.execPath, ['-p', expression!], { cwd: root, encoding: 'utf8' }); // prettier-ignore
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version?: string; optionalDependencies?: Record<string, string> }>;
    };
    const names = Object.keys(packages['']!.optionalDependencies!);
    expect(names).to.include.members(['@node-rs/jieba', 'onnxruntime-node']);
    expect(printed.trim().split(' ')).to.deep.equal(
      names.map((name) => `${name}@${packages[`node_modules/${name}`]!.version}`),
    );
    expect(dockerfile).to.match(/npm install [^&]+ \$\(cat \/mnt\/native\) /);
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

  it('give Node-RED what its flows and settings read, and nothing that nobody reads', () => {
    const given = Object.keys(compose.services['node-red']!.environment!);
    const flows = /merge-flows\.cjs \S+ +(.+?) +>/
      .exec(dockerfile)![1]!
      .split(/ +/)
      .map((name) => readFileSync(join(root, 'examples/flows', `${name}.json`), 'utf8'))
      .join('');
    // A mqtt-broker's "${MQTT_URL}", a function's env.get('…') and settings.cjs's process.env.
    const inFlows = [...flows.matchAll(/"\$\{([A-Z_]+)\}"|env\.get\('([A-Z_]+)'\)/g)].map(
      ([, asked, got]) => asked ?? got!,
    );
    const settings = read('settings.cjs');
    const inSettings = [
      ...settings.match(/const \{(.+)\} = process\.env;/)![1]!.split(','),
      ...[...settings.matchAll(/process\.env\.([A-Z_]+)/g)].map(([, name]) => name!),
    ].map((name) => name.trim());
    // What libpq and Node.js read by themselves; OPINION_POSTGRES stands for the four of libpq.
    const implied = ['PGHOST', 'PGUSER', 'PGDATABASE', 'PGPASSWORD', 'TZ'];
    const readByAny = new Set([...inFlows, ...inSettings, ...implied]);
    expect(readByAny).to.include.all.keys('MQTT_URL', 'OPINION_KEEP_DAYS', 'EMOTION_API_KEY');
    readByAny.delete('OPINION_POSTGRES');
    expect(given).to.have.members([...readByAny]);
  });

  it('explain in both languages whatever docker/.env may set', () => {
    const variables = new Set(
      [...read('compose.yaml').matchAll(/\$\{(\w+):/g)].map(([, name]) => name!),
    );
    expect(variables).to.include('POSTGRES_PASSWORD');
    for (const language of ['en', 'zh']) {
      const page = readFileSync(join(root, 'docs', language, 'recipes.md'), 'utf8');
      const rows = [...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name!);
      expect(rows, language).to.include.members([...variables]);
    }
  });

  it('listen where the health check asks, and connect where the services are', () => {
    const port = /uiPort: (\d+)/.exec(read('settings.cjs'))![1]!;
    expect(read('health.cjs')).to.include(`http://127.0.0.1:${port}/`);
    expect(dockerfile).to.match(new RegExp(`^EXPOSE ${port}$`, 'm'));
    const { 'node-red': nodeRed, postgres, mosquitto } = compose.services;
    expect(nodeRed!.ports![0]).to.match(new RegExp(`:${port}$`));
    const { environment } = nodeRed!;
    const broker = new URL(environment!['MQTT_URL']!);
    expect(compose.services).to.have.property(broker.hostname);
    expect(read('mosquitto.conf')).to.match(new RegExp(`^listener ${broker.port}$`, 'm'));
    // Where the official images keep their data: what lies elsewhere is lost with the container.
    const folder = /^persistence_location (\S+)\/$/m.exec(read('mosquitto.conf'))![1]!;
    expect(mosquitto!.volumes).to.include(`mosquitto:${folder}`);
    expect(compose.services).to.have.property(environment!['PGHOST']!);
    expect(environment!['PGUSER']).to.equal(postgres!.environment!['POSTGRES_USER']);
    expect(environment!['PGDATABASE']).to.equal(postgres!.environment!['POSTGRES_DB']);
    expect(environment!['PGPASSWORD']).to.equal(postgres!.environment!['POSTGRES_PASSWORD']);
    expect(dockerfile).to.match(
      new RegExp(`^VOLUME ${nodeRed!.volumes![0]!.split(':')[1]!}$`, 'm'),
    );
  });

  for (const [hash, taken] of [
    [`$2y$08$${'x'.repeat(53)}`, true],
    ['$2y$08', false], // what Compose leaves of it without single quotes
  ] as const) {
    it(`${taken ? 'take' : 'refuse'} the password hash ${hash}`, () => {
      // The settings as the image has them, but for where the suite is installed.
      const settings = read('settings.cjs').replace(/'\/opt\/node-red\/node_modules\/\S+?'/, () =>
        JSON.stringify(join(root, 'dist/lib/http/api-key')),
      );
      const run = spawnSync(
        process.execPath,
        ['--eval', `${settings}\nconsole.log(module.exports.adminAuth.users[0].password)`],
        { encoding: 'utf8', env: { ...process.env, NODE_RED_ADMIN_PASSWORD_HASH: hash } },
      );
      if (taken) expect(run.stdout.trim()).to.equal(hash);
      else expect(run.stderr).to.include('needs single quotes');
    });
  }

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
