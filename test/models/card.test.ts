import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { modelCard } from '../../lib/models/card';
import { loadModel } from '../../lib/models/model';
import { packageRoot } from '../../lib/models/package-root';

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47]);

describe('modelCard', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emotion-card-'));
    const fixture = join(packageRoot(), 'test/fixtures/models/tiny-text');
    await cp(fixture, folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is what the manifest says where there is no README', async () => {
    const card = await modelCard(await loadModel(folder));
    expect(card).to.match(/^# tiny-text/);
    expect(card).to.contain('| accuracy | 1 | none, test | made by hand |');
    expect(card).to.contain('weights Apache-2.0');
  });

  it('carries the pictures of the folder, and no other file', async () => {
    await writeFile(join(folder, 'curve.png'), PNG);
    await writeFile(join(folder, 'huge.png'), Buffer.alloc(1_000_001));
    await writeFile(
      join(folder, 'README.md'),
      'A ![curve](curve.png) B ![gone](gone.png) C ![huge](huge.png) D ![out](../out.png) E',
    );
    const card = await modelCard(await loadModel(folder));
    expect(card).to.equal(
      `A ![curve](data:image/png;base64,${PNG.toString('base64')}) B gone C huge D ![out](../out.png) E`,
    );
  });
});
