import { spawn, execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { EmotionError, type ErrorCode } from '../../lib/emotion/error';

const run = promisify(execFile);

/** A folder for one suite's files, removed after it. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'emotion-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes a media file with the real FFmpeg: `make(['-f', 'lavfi', '-i', 'sine=d=1'], 'a.wav')`. */
export async function make(folder: string, args: readonly string[], name: string): Promise<string> {
  const path = join(folder, name);
  await run('ffmpeg', ['-v', 'error', '-y', ...args, path]);
  return path;
}

export async function rejection(promise: Promise<unknown>): Promise<EmotionError> {
  try {
    await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(EmotionError);
    return error as EmotionError;
  }
  throw new Error('It was expected to fail, and it did not');
}

export async function expectFailure(
  promise: Promise<unknown>,
  code: ErrorCode,
  words?: RegExp,
): Promise<EmotionError> {
  const error = await rejection(promise);
  expect(error.code, error.message).to.equal(code);
  if (words) expect(error.message).to.match(words);
  return error;
}

/** Process ids of the children of a process that run FFmpeg or ffprobe. */
export async function ffmpegChildren(parent: number = process.pid): Promise<number[]> {
  const { stdout } = await run('ps', ['-eo', 'pid=,ppid=,comm=']);
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, ppid, name]) => Number(ppid) === parent && /^ff(?:mpeg|probe)/.test(name ?? ''))
    .map(([pid]) => Number(pid));
}

/** A process that has ended but that nobody has reaped (as in a container without init) is not alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs a script in a Node process of its own. */
export function startNode(script: string): ReturnType<typeof spawn> {
  return spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
}
