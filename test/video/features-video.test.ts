import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { packageRoot } from '../../lib/models/package-root';
import { encodePng } from '../../lib/video/annotate';
import { drawFaces } from './drawn-face';

interface Line {
  readonly id: string;
  readonly time: number;
  readonly width: number;
  readonly faces: readonly {
    readonly id: number;
    readonly box: readonly number[];
    readonly landmarks: readonly (readonly [number, number])[];
    readonly mesh?: string;
    readonly crop?: string;
  }[];
}

const command = join(packageRoot(), 'dist/lib/cli/emotion-features.js');

function run(lines: readonly object[], ...options: string[]) {
  const input = lines.map((line) => JSON.stringify(line)).join('\n');
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, 'video', ...options], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const pictures = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
  return { status, stderr, pictures };
}

describe('emotion-features video', function () {
  this.timeout(120_000);
  const picture = drawFaces(240, 200, [{ x: 120, y: 95, size: 70 }]);
  const raw = {
    id: 'raw',
    width: 240,
    height: 200,
    channels: 3,
    data: Buffer.from(picture.data).toString('base64'),
  };

  it('reads raw pixels and picture files alike, in order', () => {
    const folder = mkdtempSync(join(tmpdir(), 'features-'));
    try {
      writeFileSync(join(folder, 'face.png'), encodePng(picture));
      const file = { id: 'file', path: join(folder, 'face.png') };
      const { status, stderr, pictures } = run([raw, file], '--mesh', '--crop');
      expect(stderr).to.equal('');
      expect(status).to.equal(0);
      expect(pictures.map(({ id }) => id)).to.deep.equal(['raw', 'file']);
      const [a, b] = pictures.map(({ faces }) => faces[0]!);
      expect(a!.landmarks).to.have.length(68);
      a!.landmarks.forEach(([x, y], i) => {
        expect(Math.hypot(x - b!.landmarks[i]![0], y - b!.landmarks[i]![1])).to.be.below(1);
      });
      expect(Buffer.from(a!.mesh!, 'base64')).to.have.length(468 * 3 * 4);
      expect(Buffer.from(a!.crop!, 'base64')).to.have.length(48 * 48);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says which line is wrong', () => {
    const { status, stderr } = run([raw, { id: 'x', width: 3 }]);
    expect(status).to.equal(1);
    expect(stderr).to.include('line 2').and.include('"path"');
  });

  it('refuses an option that makes no sense', () => {
    const { status, stderr } = run([], '--fps', '0');
    expect(status).to.equal(1);
    expect(stderr).to.include('--fps');
  });
});
