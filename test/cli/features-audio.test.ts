import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { FrontEnd } from '../../lib/audio/log-mel';
import { STATISTICS_NAMES } from '../../lib/audio/statistics';
import { packageRoot } from '../../lib/models/package-root';
import { babble } from '../audio/signal';
import { scratchFolder } from '../media/fixtures';

const COMMAND = path.join(packageRoot(), 'dist', 'lib', 'cli', 'emotion-features.js');

interface Described {
  id: unknown;
  seconds: number;
  speech: number;
  frames: number;
  offsets: Record<string, number>;
  dims: Record<string, number[]>;
  statistics: { version: number; values: (number | null)[] };
  windows: { start: number; end: number }[];
  error?: string;
}

async function run(
  args: readonly string[],
  input: string,
): Promise<{ code: number | null; lines: Described[]; err: string }> {
  const child = spawn(process.execPath, [COMMAND, 'audio', ...args]);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const lines = out.split('\n').filter(Boolean);
  return { code, lines: lines.map((line) => JSON.parse(line) as Described), err };
}

describe('emotion-features audio', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  const sound = babble(2);
  const file = path.join(folder, 'a.wav');
  const input = [
    { id: 1, path: file },
    { id: 'none', path: path.join(folder, 'none.wav') },
    { id: 3, path: file },
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');

  const floats = (name: string, out: string) =>
    new Float32Array(new Uint8Array(readFileSync(path.join(out, `${name}.f32`))).buffer);

  before(() => {
    const raw = path.join(folder, 'a.raw');
    writeFileSync(raw, Buffer.from(sound.buffer));
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'f32le', '-ar', '16000', '-ac', '1', '-i', raw, '-c:a', 'pcm_f32le', file]); // prettier-ignore
  });

  it('writes what the front end computes, in order, and goes on after a bad file', async () => {
    const out = path.join(folder, 'whole');
    const { code, lines } = await run(['--out', out, '--features', 'log-mel,mfcc'], input);
    expect(code).to.equal(0);
    expect(lines.map(({ id }) => id)).to.deep.equal([1, 'none', 3]);
    expect(lines[1]?.error).to.equal('media.not-found');
    const { logMel, frames } = new FrontEnd().analyse(sound);
    expect(lines[2]).to.deep.include({ seconds: 2, speech: 1, frames });
    const all = floats('log-mel', out);
    expect(all).to.have.length(2 * logMel.length);
    expect(lines[2]?.offsets['log-mel']).to.equal(logMel.length);
    expect(all.subarray(logMel.length)).to.deep.equal(logMel);
    expect(floats('mfcc', out)).to.have.length(2 * 20 * frames);
    expect(lines[0]?.statistics.values).to.have.length(STATISTICS_NAMES.length);
  });

  it('writes the windows that a model gets from the nodes', async () => {
    const out = path.join(folder, 'windows');
    const settings = path.join(folder, 'preprocessing.yaml');
    writeFileSync(
      settings,
      'window: { frames: 32, hopFrames: 16 }\nnormalisation: { kind: none }\n',
    );
    const args = ['--out', out, '--windows', '--preprocessing', settings];
    const { lines } = await run(args, input);
    const [first] = lines;
    expect(first?.dims.mel?.slice(1)).to.deep.equal([1, 128, 32]);
    expect(first?.windows).to.have.length(first?.dims.mel?.[0] ?? NaN);
    const { logMel, frames } = new FrontEnd().analyse(sound);
    const tensor = floats('mel', out);
    expect(tensor[0]).to.equal(logMel[0]);
    expect(tensor[128 * 32 + 5]).to.equal(logMel[16 + 5]);
    expect(frames).to.be.greaterThan(32);
  });

  it('says which option is wrong', async () => {
    for (const [args, words] of [
      [[], /--out/],
      [['--out', folder, '--features', 'mel'], /--features: expected log-mel/],
      [['--out', folder, '--speech', 'x'], /--speech/],
    ] as const) {
      const { code, err } = await run(args, input);
      expect(code).to.equal(1);
      expect(err).to.match(words);
    }
  });
});
