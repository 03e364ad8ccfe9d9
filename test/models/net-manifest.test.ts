import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { loadNet } from '../../lib/models/net-manifest';
import { shippedModels } from '../../lib/models/package-root';

describe('net.yaml', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'net-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = (sha256: string, more = ''): Promise<void> =>
    writeFile(
      join(folder, 'net.yaml'),
      `schema: 1\nid: x\ntitle: { en: X, zh: X }\nfile: { path: x.onnx, sha256: ${sha256}, bytes: 3 }\n` +
        `licence: { weights: MIT, attribution: us }\n${more}`,
    );
  const digest = createHash('sha256').update('abc').digest('hex');
  const code = async (): Promise<unknown> =>
    loadNet(folder).then(
      () => 'loaded',
      (error: unknown) => (error instanceof EmotionError ? error.code : error),
    );

  it('describes the nets that come with the package', async () => {
    for (const id of ['face-detection', 'face-mesh']) {
      const { manifest, path } = await loadNet(join(shippedModels(), id));
      expect(manifest.id).to.equal(id);
      expect(path).to.match(/\.onnx$/);
      expect(manifest.licence.weights).to.equal('Apache-2.0');
    }
  });

  it('is read when the file is the one that it names', async () => {
    await write(digest);
    await writeFile(join(folder, 'x.onnx'), 'abc');
    expect(await code()).to.equal('loaded');
  });

  it('tells a missing description, a missing file, a changed file and a misspelt key apart', async () => {
    expect(await code()).to.equal('model.not-found');
    await write(digest);
    expect(await code()).to.equal('model.file-missing');
    await writeFile(join(folder, 'x.onnx'), 'abd');
    expect(await code()).to.equal('model.hash-mismatch');
    await write(digest, 'colour: red\n');
    expect(await code()).to.equal('model.manifest-invalid');
  });
});
